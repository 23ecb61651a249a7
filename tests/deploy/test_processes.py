from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest

from deploy.compose import Service
from deploy.processes import Running, found, running
from deploy.replay import settings_of

ENVIRONMENT = {"PATH": os.environ["PATH"]}
WAITING = "import time; time.sleep(600)"


def python(program: str, tmp_path: Path) -> contextlib.AbstractContextManager[Running]:
    command = [sys.executable, "-c", program]
    return running("the program", command, environment=ENVIRONMENT, folder=tmp_path, log=tmp_path / "log")


def test_waiting_ends_with_the_process_and_its_last_words(tmp_path: Path) -> None:
    with python("import sys; sys.exit('so it is')", tmp_path) as process:
        with pytest.raises(TimeoutError, match="(?s)the program ended with 1 before ready:.*so it is"):
            process.wait_until("ready", lambda: False, within_s=30)


def test_waiting_ends_in_time(tmp_path: Path) -> None:
    with python(WAITING, tmp_path) as process:
        with pytest.raises(TimeoutError, match="not yet ready"):
            process.wait_until("ready", lambda: False, within_s=0)


def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    child = [sys.executable, "-c", WAITING]
    program = f"import subprocess; print(subprocess.Popen({child!r}).pid, flush=True); {WAITING}"
    with python(program, tmp_path) as process:
        log = tmp_path / "log"
        process.wait_until("told", lambda: log.read_text().endswith("\n"), within_s=30)
        pid = int(log.read_text())
        assert is_running(pid)
    assert process.process.poll() is not None
    # The system ends it at its own time.
    deadline = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process computes; one that ended may still be listed until somebody asks for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_program_is_found_where_its_environment_says(tmp_path: Path) -> None:
    program = tmp_path / "pip"
    program.touch(mode=0o755)
    assert found("pip", {"PATH": f"{tmp_path}:/usr/bin"}) == str(program)
    with pytest.raises(ValueError, match="There is no program 'pip'"):
        found("pip", {"PATH": "/nowhere"})


def test_settings_of_a_service_name_the_redis_of_this_machine() -> None:
    service = Service("web", (), {"REDIS_URL": "redis://redis:6379/0", "A": "b"})
    assert settings_of(service, 7) == {"REDIS_URL": "redis://127.0.0.1:7/0", "A": "b"}
    with pytest.raises(ValueError, match="REDIS_URL of web must begin with redis://redis:6379, got ''"):
        settings_of(Service("web", (), {}), 7)
