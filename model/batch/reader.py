"""A process that reads studies one after the other: what crashes, hangs or outgrows the memory costs one study."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from model.batch.rows import Row
from model.batch.studies import Study
from model.batch.work import Order
from model.cores import CORES
from model.decode.deadlines import DEADLINES
from model.errors import GroundglassError

ROOT = Path(__file__).parents[2]

START_S = 300.0
"""How long the process may take to load the networks on a busy machine; usually two seconds."""


class Died(Exception):
    """The process ended in the middle of a study. The sentence says how."""


class Fatal(GroundglassError):
    """The process cannot go on with any study: weights or results cannot be read or written."""


class Reader:
    """Reads one study at a time. Its process starts when it is first needed, and again when it has died."""

    def __init__(self, order: Order, *, cores: int, seconds: float, scratch: Path) -> None:
        """Tell how to read.

        Parameters
        ----------
        cores : how many the process may use. seconds : how long one study may take. scratch : for its files.
        """
        self._order, self._cores, self._seconds, self._scratch = order, cores, seconds, scratch
        self._process: subprocess.Popen[bytes] | None = None
        self._has_ended = False

    def read(self, study: Study) -> Row:
        """Return the row of a study, which is in place then.

        Raises
        ------
        Died : the process ended. Fatal : it cannot go on.
        """
        if self._has_ended:
            raise Fatal("The run has ended.")
        if self._process is None:
            self._process = self._start()
            self._hear(self._process, START_S)
        try:
            _write_line(self._process, study.as_json())
        except OSError as exc:
            raise self._died(self._process, is_late=False) from exc
        row: Row = self._hear(self._process, self._seconds)["row"]
        return row

    def _start(self) -> subprocess.Popen[bytes]:
        # Two libraries that share the work out by themselves, on all cores of the machine unless they are told.
        few = {name: str(self._cores) for name in (CORES, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        return subprocess.Popen(
            # -P: nothing of the working folder may stand in for a module.
            [sys.executable, "-P", "-m", "model.batch.reader_process", json.dumps(self._order.as_json())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **few, "TMPDIR": str(self._scratch), "PYTHONPATH": _python_path()},
        )

    def _hear(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        late = []
        assert process.stdout is not None

        def kill() -> None:
            late.append(True)
            process.kill()

        with DEADLINES.within(seconds, kill):
            line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._died(process, is_late=bool(late))
        message: dict[str, Any] = json.loads(line)
        if "fatal" in message:
            self.close()
            raise Fatal(message["fatal"])
        return message

    def _died(self, process: subprocess.Popen[bytes], *, is_late: bool) -> Died:
        self.close()
        if is_late:
            return Died(
                f"Reading it took longer than {self._seconds:g} seconds, the most that one study may take (--limit)."
            )
        return Died(f"The process that read it ended: {_how(process.returncode)}.")

    def end(self) -> None:
        """End the process for good; from another thread, too, while a study is read."""
        self._has_ended = True
        self.close()

    def close(self) -> None:
        """End the process, where there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            # It closes the pipes and waits.
            with contextlib.suppress(OSError), process:
                pass


def _write_line(process: subprocess.Popen[bytes], told: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    process.stdin.flush()


def _how(status: int | None) -> str:
    """Return how a process ended, in words.

    >>> _how(-9), _how(3)
    ('SIGKILL, perhaps for want of memory', 'exit status 3')
    """
    if status is None or status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    return f"{name}, perhaps for want of memory" if name == "SIGKILL" else name


def _python_path() -> str:
    """Return where the process finds this program, whatever the working folder is."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
