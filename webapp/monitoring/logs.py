"""The log: a line of JSON for each event, on standard error, without anything that tells of patients or senders.

What a message may say is decided by who says it. Our own modules name no files, no addresses and no patients. Libraries
do: pydicom, say, quotes the elements that it stumbles over. Of them only the place is told that spoke. Exceptions are
told by their classes and the lines that they came through, since messages quote what they were about.
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

FIELDS = "fields"
"""The name of what `extra` adds to a line: a mapping that JSON can hold."""

_OURS = ("webapp", "model")

_QUOTING = ("Invalid request", "Error handling request")
"""How messages of gunicorn begin that go on with a client's address, or with what it asked for."""

_RESULT_ID = re.compile(r"\b([0-9a-f]{6})[0-9a-f]{26}\b")
_DEEPEST = 30


class JsonLines(logging.Formatter):
    """Makes one line of JSON of a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": _message(record),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = told(record.exc_info[1])
        return shortened(json.dumps(line, default=str))


def shortened(text: str) -> str:
    """Return a text in which ids of results have six characters: too few to look at one.

    >>> shortened("GET /results/0123456789abcdef0123456789abcdef gone")
    'GET /results/012345… gone'
    """
    return _RESULT_ID.sub(r"\1…", text)


def told(error: BaseException) -> list[str]:
    """Return what may be told of an exception: its class and the lines it came through, then those of its causes."""
    lines: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(lines) < _DEEPEST:
        reason = f" ({cause.strerror})" if isinstance(cause, OSError) and cause.strerror else ""
        lines += [f"{type(cause).__qualname__}{reason}", *_places(cause.__traceback__)]
        cause = cause.__cause__ or cause.__context__
    return lines


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_DEEPEST:]
    return [f"  {'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}" for frame in frames]


def _message(record: logging.LogRecord) -> str:
    speaker = record.name.partition(".")[0]
    if speaker in _OURS:
        return record.getMessage()
    if speaker != "gunicorn" or not isinstance(record.msg, str):
        return f"said at {record.module}:{record.lineno}"
    said = next((begin for begin in _QUOTING if record.msg.startswith(begin)), None)
    # After the first line stands a traceback.
    return said or record.getMessage().partition("\n")[0]


def settings() -> dict[str, Any]:
    """Return the settings of Python's logging under which every logger writes such lines."""
    quiet = {"level": "WARNING", "handlers": ["lines"]}
    loud = {"level": "INFO", "handlers": ["lines"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "webapp.monitoring.logs.JsonLines"}},
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
        "root": quiet,
        "loggers": {name: loud for name in ("webapp", "model", "gunicorn.error")},
    }


def configure() -> None:
    """Let this process write such lines, of warnings and of what nobody caught in a thread as well."""
    logging.config.dictConfig(settings())
    take_over()


def take_over() -> None:
    """Let what Python itself would print go through the log: warnings, and what nobody caught."""
    logging.captureWarnings(True)
    # Where a line itself fails, Python would print the values that were to be in it.
    logging.raiseExceptions = False
    sys.excepthook = lambda _, error, trace: _log_uncaught(error)
    threading.excepthook = lambda caught: _log_uncaught(caught.exc_value)


def _log_uncaught(error: BaseException | None) -> None:
    logging.getLogger(__name__).critical("nobody caught an exception", exc_info=error)
