"""Processes that end when their block does, and waiting for what they do, which has an end too."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

END_S = 45.0
"""Of which gunicorn takes up to 30."""

_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Running:
    """A process with a name, and the file that it writes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, what: str, is_so: Callable[[], bool], *, within_s: float) -> float:
        """Wait until something is so; return the seconds that it took.

        Raises
        ------
        TimeoutError : it is not so in time, or the process has ended meanwhile; with the end of its log.
        """
        begun = time.monotonic()
        while not is_so():
            taken = time.monotonic() - begun
            if self.process.poll() is not None:
                raise TimeoutError(f"{self.name} ended with {self.process.returncode} before {what}:\n{self._last()}")
            if taken > within_s:
                raise TimeoutError(f"After {taken:.0f} seconds of {self.name} not yet {what}:\n{self._last()}")
            time.sleep(_LOOK_EVERY_S)
        return time.monotonic() - begun

    def _last(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path
) -> Iterator[Running]:
    """Run a program until the block ends; then it is told to stop, and what it left behind is ended.

    Raises
    ------
    ValueError : there is no such program.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [found(command[0], environment), *command[1:]],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Running(name, process, log)
    finally:
        _end(process)


def found(program: str, environment: Mapping[str, str]) -> str:
    """Return where a program is, as its own environment says and not as ours does.

    Raises
    ------
    ValueError : it is nowhere.
    """
    path = shutil.which(program, path=environment["PATH"])
    if path is None:
        raise ValueError(f"There is no program {program!r} in {environment['PATH']}")
    return path


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=END_S)
    finally:
        # The group is named after its first process, and is gone where none is left.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
