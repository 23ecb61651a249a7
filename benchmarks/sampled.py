"""Where the command line spends its time: its threads are looked at, a hundred times a second.

python -m benchmarks.sampled OUT.json segment INPUT --out DIR

Whatever threads there are, and however the work is shared among them, is seen; a profiler of calls sees one thread, and
makes small functions slow.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from model.__main__ import main as command_line

EVERY_S = 0.01
OURS = str(Path(__file__).parents[1] / "model")
WAITING = ("threading.py", "queue.py", "selectors.py", "_base.py", "connection.py", "popen_fork.py", "subprocess.py")
"""The files of Python in which a thread stands that waits for another."""


class Sampler:
    """Counts in which module of the library, and in which of its functions, each thread is that does not wait."""

    def __init__(self) -> None:
        self.modules: Counter[str] = Counter()
        self.samples = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(EVERY_S):
            self.samples += 1
            for number, frame in sys._current_frames().items():
                where = None if number == self._thread.ident else place(frame)
                if where is not None:
                    self.modules[where] += 1


def place(frame: FrameType | None) -> str | None:
    """Return the innermost module of ours that a thread is in, "overlay" say; None where it waits, or is in none."""
    if frame is not None and frame.f_code.co_filename.endswith(WAITING):
        return None
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(OURS):
            return Path(file).relative_to(OURS).with_suffix("").as_posix()
        frame = frame.f_back
    return None


def main(arguments: Sequence[str]) -> int:
    """Run a command of `python -m model`; write the share of the time that a thread was in each module, in percent."""
    with Sampler() as sampler:
        status = command_line(arguments[1:])
    percent = {name: 100.0 * count / sampler.samples for name, count in sampler.modules.most_common()}
    Path(arguments[0]).write_text(json.dumps({"samples": sampler.samples, "percent": percent}), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
