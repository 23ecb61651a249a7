"""Reads studies for `model.batch.side_by_side`, which starts it: python -m model.batch.reader_process ORDER.

ORDER, and each line on its input, a study, are JSON. So is each line that it answers: {"ready": true} first, then
{"row": ...} for each study, or {"fatal": sentence} where it cannot go on.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import Any, BinaryIO

from model.batch.studies import Study
from model.batch.work import Order, Worker
from model.errors import GroundglassError


def main() -> None:
    """Answer until the input ends, or something is fatal."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # What libraries print must not get among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        worker = Worker(Order.of_json(json.loads(sys.argv[1])))
        _say(answers, {"ready": True})
        while line := sys.stdin.buffer.readline():
            _say(answers, {"row": worker.read(Study.of_json(json.loads(line)))})
    except (GroundglassError, OSError) as exc:
        _say(answers, {"fatal": str(exc)})


def _say(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    # Whoever presses Ctrl-C, or a scheduler that tells all processes to end, ends the run, and that ends this one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    main()
