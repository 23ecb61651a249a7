"""How many files a process may have open at once: connections, uploads and libraries are among them."""

from __future__ import annotations

import contextlib
import resource

WANTED = 16_384
"""More is of no use, and some systems refuse what they have told as their limit."""


def allow_open_files(wanted: int = WANTED) -> int:
    """Raise the limit of open files, as far as it may be; return it. Processes that are started later have it too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    best = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < best:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if soft == resource.RLIM_INFINITY else soft
