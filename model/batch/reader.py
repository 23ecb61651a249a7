"""A process that reads studies one after the other: what crashes, hangs or outgrows the memory costs one study."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

from model.batch.children import end, how_ended, send, start
from model.batch.place import BatchError
from model.batch.rows import Row
from model.batch.studies import Study
from model.batch.work import Order
from model.cores import CORES
from model.decode.deadlines import DEADLINES

START_S = 300.0
"""How long the process may take to load the networks on a busy machine; usually two seconds."""

END_S = 5.0


class Died(Exception):
    """The process ended in the middle of a study. The sentence says how."""


class Fatal(BatchError):
    """The process cannot go on with any study: weights or results cannot be read or written."""


class Reader:
    """Reads one study at a time. Its process starts when it is first needed, and again when it has died."""

    def __init__(self, order: Order, *, cores: int, seconds: float, scratch: Path) -> None:
        """Tell how to read.

        Parameters
        ----------
        cores : how many the process may use. seconds : how long one study may take.
        scratch : a folder that is there; what lies in one of it while a study is read goes with the process.
        """
        self._order, self._cores, self._seconds = order, cores, seconds
        self._scratch = Path(tempfile.mkdtemp(prefix="reader-", dir=scratch))
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._has_ended = False

    def read(self, study: Study) -> Row:
        """Return the row of a study, which is in place then.

        Raises
        ------
        Died : the process ended. Fatal : it cannot go on.
        """
        process = self._running()
        try:
            send(process, study.as_json())
            answer = self._hear(process, self._seconds)
        except TimeoutError:
            raise Died(f"Reading it took longer than {self._seconds:g} seconds, the most for one (--limit).") from None
        except OSError:
            raise Died(f"The process that read it ended: {self._end_of(process)}.") from None
        row: Row = answer["row"]
        return row

    def _running(self) -> subprocess.Popen[bytes]:
        """Return the process, started where there is none."""
        if self._process is None:
            with self._lock:
                if self._has_ended:
                    raise Fatal("The run has ended.")
                self._scratch.mkdir(exist_ok=True)
                self._process = self._start()
            self._wait_until_ready(self._process)
        return self._process

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        try:
            self._hear(process, START_S)
        except TimeoutError:
            raise Fatal(f"A process that reads was not ready after {START_S:g} seconds.") from None
        except OSError:
            raise Fatal(f"A process that reads could not be started: {self._end_of(process)}.") from None

    def _start(self) -> subprocess.Popen[bytes]:
        # Two libraries that share the work out by themselves, on all cores of the machine unless they are told.
        few = {name: str(self._cores) for name in (CORES, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        return start(
            "model.batch.reader_process", self._order.as_json(), environment={**few, "TMPDIR": str(self._scratch)}
        )

    def _hear(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """Return what the process says.

        Raises
        ------
        TimeoutError : nothing for so long; it has been ended. OSError : it has ended. Fatal : it cannot go on.
        """
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        with DEADLINES.within(seconds, kill):
            line = process.stdout.readline() if process.stdout else b""
        if not line.endswith(b"\n"):
            if late.is_set():
                self.close()
                raise TimeoutError
            raise OSError("the process has ended")
        message: dict[str, Any] = json.loads(line)
        if "fatal" in message:
            self.close()
            raise Fatal(message["fatal"])
        return message

    def _end_of(self, process: subprocess.Popen[bytes]) -> str:
        """Return how the process ended, in words."""
        # Its pipe closes a moment before it has ended.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        self.close()
        return how_ended(process.returncode)

    @property
    def has_ended(self) -> bool:
        """Whether it was ended for good."""
        return self._has_ended

    def end(self) -> None:
        """End the process for good; from another thread, too, while a study is read."""
        with self._lock:
            self._has_ended = True
        self.close()

    def close(self) -> None:
        """End the process, where there is one, and remove what it had in work."""
        process, self._process = self._process, None
        if process is not None:
            end(process)
        shutil.rmtree(self._scratch, ignore_errors=True)
