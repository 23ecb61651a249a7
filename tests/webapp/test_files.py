from __future__ import annotations

import subprocess
import sys

CALL = "from webapp.files import allow_open_files; print(allow_open_files({wanted}))"


def limits(wanted: int, *, soft: int, hard: int) -> int:
    """Return what a process with these limits of open files may have."""
    command = f"ulimit -Sn {soft}; ulimit -Hn {hard}; exec {sys.executable} -c '{CALL.format(wanted=wanted)}'"
    return int(subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout)


def test_as_many_files_as_are_wanted_may_be_open() -> None:
    assert limits(800, soft=300, hard=900) == 800


def test_as_many_files_as_are_allowed_may_be_open() -> None:
    assert limits(2000, soft=300, hard=900) == 900


def test_a_higher_limit_is_left() -> None:
    assert limits(400, soft=600, hard=900) == 600
