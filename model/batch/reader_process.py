"""Reads studies for `model.batch.reader`, which starts it: python -m model.batch.reader_process ORDER.

ORDER, and each line on its input, a study, are JSON. So is each line that it answers: {"ready": true} first, then
{"row": ...} for each study, or {"fatal": sentence} where it cannot go on.
"""

from __future__ import annotations

import json
import logging
import sys

from model.batch.children import begin, say


def main() -> None:
    """Answer until the input ends, or something is fatal."""
    answers = begin()
    # Not before: they take a second.
    from model.batch.place import BatchError
    from model.batch.studies import Study
    from model.batch.work import Order, Worker
    from model.errors import GroundglassError

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        worker = Worker(Order.of_json(json.loads(sys.argv[1])))
        say(answers, {"ready": True})
        while line := sys.stdin.buffer.readline():
            say(answers, {"row": worker.read(Study.of_json(json.loads(line)))})
    except (BatchError, GroundglassError, OSError) as exc:
        say(answers, {"fatal": str(exc)})


if __name__ == "__main__":
    main()
