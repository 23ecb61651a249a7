"""Processes that a run starts, and talks to in lines of JSON: both ends of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

ROOT = Path(__file__).parents[2]

PARENT_EVERY_S = 0.5
"""How often a process looks whether the one that started it still lives."""

Message = dict[str, Any]


def start(
    module: str, told: Message, *, errors: IO[bytes] | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a module with what it is told; raises OSError.

    errors : where what goes wrong is written, standard error unless given. environment : what it adds to ours.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return subprocess.Popen(
        # -P: nothing of the working folder may stand in for a module.
        [sys.executable, "-P", "-m", module, json.dumps(told)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, **(environment or {}), "PYTHONPATH": path},
        # Ctrl-C ends the run, and that ends the process.
        start_new_session=True,
    )


def send(process: subprocess.Popen[bytes], message: Message) -> None:
    """Tell a process something; raises OSError where it has ended."""
    if process.stdin is None:
        raise OSError("the process was started without a pipe")
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and those that it has started, at once."""
    # It leads a group of its own, which may outlive it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # It closes the pipes and waits.
    with contextlib.suppress(OSError, ValueError), process:
        pass


def how_ended(status: int | None) -> str:
    """Return how a process ended, in words.

    >>> how_ended(-9), how_ended(3)
    ('SIGKILL, perhaps for want of memory', 'exit status 3')
    """
    if status is None or status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    return f"{name}, perhaps for want of memory" if name == "SIGKILL" else name


def begin() -> BinaryIO:
    """Begin, in the process that was started, before anything that takes long; return where it answers."""
    # Who ends the run ends this process; a scheduler tells all of them.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # What libraries print must not get among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _end_with(parent: int) -> None:
    """End this process, and those that it started, soon after its parent, which may have been killed in the middle of
    a study."""
    while os.getppid() == parent:
        time.sleep(PARENT_EVERY_S)
    os.killpg(0, signal.SIGKILL)


def say(answers: BinaryIO, message: Message) -> None:
    """Answer."""
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()
