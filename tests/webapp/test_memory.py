"""That threads share the C library's pools."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, threading
from webapp.memory import keep_memory

if {bounded}:
    assert keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(8)
places = []


def take():
    together.wait()
    # Small enough to come from a pool, large enough to need room.
    places.append(libc.malloc(100_000))
    together.wait()


threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
# Pools other than the first lie in regions of 64 MiB of their own.
print(len({{place >> 26 for place in places}}))
"""


def pools(*, bounded: bool) -> int:
    program = PROGRAM.format(bounded=bounded)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no pools by thread")
def test_eight_threads_share_two_pools() -> None:
    assert pools(bounded=True) <= 2 < pools(bounded=False)
