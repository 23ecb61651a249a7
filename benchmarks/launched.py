"""Python with arguments -> its seconds and the most memory it held, as JSON: python -m benchmarks.launched ...

A process of its own that imports next to nothing: the system lets a new process begin with the memory of the one that
starts it, and would tell of that where it is the larger.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

KB = 1024 if sys.platform != "darwin" else 1
"""In which the system states how much memory a process has held."""


def main(arguments: list[str]) -> int:
    """Run it, print its figures, and return its status; what it writes to standard error goes on."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    # Not process.wait, which does not tell the memory.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps({"seconds": seconds, "peak_mb": usage.ru_maxrss * KB / 1e6}))  # noqa: T201  # To the one who asks.
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
