from __future__ import annotations

import json
import logging
import sys
from typing import Any

from webapp.monitoring.logs import JsonLines


def line(name: str, message: object, *arguments: object, error: BaseException | None = None) -> dict[str, Any]:
    """Return what the log would say."""
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(name, logging.ERROR, __file__, 7, message, arguments, info)
    told = json.loads(JsonLines().format(record))
    assert isinstance(told, dict)
    return told


def caught() -> BaseException:
    """An exception whose messages tell a name, with a cause."""
    try:
        try:
            raise FileNotFoundError(2, "No such file or directory", "doe^jane.dcm")
        except OSError as exc:
            raise ValueError("doe^jane.dcm cannot be read") from exc
    except ValueError:
        error = sys.exc_info()[1]
    assert error is not None
    return error


def test_our_own_messages_are_told() -> None:
    told = line("webapp.jobs.queueing", "attempt %d of %d", 1, 2)
    assert (told["message"], told["level"], told["logger"]) == ("attempt 1 of 2", "error", "webapp.jobs.queueing")


def test_libraries_tell_where_they_spoke_and_not_what() -> None:
    assert line("pydicom", "Invalid value for VR PN: 'doe^jane'")["message"] == "said at test_logs:7"
    assert line("app", "Exception on /doe-jane [GET]")["message"] == "said at test_logs:7"


def test_gunicorn_tells_what_its_workers_do_and_no_address_of_a_client() -> None:
    assert line("gunicorn.error", "Booting worker with pid: %s", 5)["message"] == "Booting worker with pid: 5"
    assert line("gunicorn.error", "Invalid request from ip=10.0.0.7: doe")["message"] == "Invalid request"
    assert line("gunicorn.error", "Error handling request %s %s", "GET", "/doe")["message"] == "Error handling request"
    assert line("gunicorn.error", "Exception:\n%s", "doe")["message"] == "Exception:"
    assert line("gunicorn.error", caught())["message"] == "said at test_logs:7"


def test_an_exception_is_its_class_and_its_lines_and_so_is_its_cause() -> None:
    told = line("webapp.errors", "unexpected error", error=caught())["exception"]
    assert told[0] == "ValueError"
    assert told[1].startswith("  monitoring/test_logs.py:")
    assert "FileNotFoundError (No such file or directory)" in told
    assert "doe" not in json.dumps(told)


def test_ids_of_results_are_shortened() -> None:
    assert line("webapp.results", "in %s", "/results/" + "ab" * 16)["message"] == "in /results/ababab…"
