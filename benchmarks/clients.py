"""Clients that send a slice to POST /predict, wait for the answer, and send the next."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import Figures
from benchmarks.serving import multipart

TIMEOUT_S = 120.0
LEAD = 0.1
"""Of the time, before answers count: the first of several clients waits for nobody, and the last find the line full."""
BUSY = 503


@dataclass(frozen=True)
class Answer:
    """One request: its status, 0 where the connection broke, when it was answered (monotonic clock), its seconds."""

    status: int
    at: float
    seconds: float


def own_address(number: int) -> str:
    """Return an address of this machine for a client: the server bounds what one of them may have at once.

    Only Linux answers to all addresses that begin with 127.

    >>> own_address(0)[:4]
    '127.'
    """
    return f"127.0.0.{2 + number % 250}" if sys.platform == "linux" else "127.0.0.1"


def post(port: int, picture: bytes, address: str = "127.0.0.1") -> tuple[int, dict[str, str]]:
    """Send a picture, from an address; return status and headers of the answer, once all of it is here."""
    body, headers = multipart(picture, {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S, source_address=(address, 0))
    try:
        connection.request("POST", "/predict", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status, dict(response.getheaders())
    finally:
        connection.close()


def ask_all(port: int, pictures: Sequence[bytes], *, clients: int, seconds: float) -> list[Answer]:
    """Let so many clients ask for so long and have their last answers; who is turned away comes back when told to."""
    answers: list[Answer] = []
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        turn = number
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                status, headers = post(port, pictures[turn % len(pictures)], own_address(number))
            except (OSError, http.client.HTTPException):
                status, headers = 0, {}
            ended = time.monotonic()
            # Appending to a list is safe among threads.
            answers.append(Answer(status, ended, ended - began))
            turn += 1
            if status == BUSY:
                time.sleep(min(float(headers.get("Retry-After", 1)), max(0.0, until - ended)))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def summary(answers: Sequence[Answer], *, clients: int, seconds: float, until: float) -> Figures:
    """Return the figures of clients that asked for so many seconds.

    until : of the monotonic clock, the end of these seconds: what was answered later counts for no rate, nor what was
        answered in the first tenth of them, while the line of those who wait grows to its length.
    """
    good = [answer for answer in answers if answer.status == 200]
    counted = (1.0 - LEAD) * seconds
    in_time = sum(until - counted < answer.at <= until for answer in good)
    p50, p95 = np.percentile([answer.seconds for answer in good], (50, 95)).tolist() if good else (None, None)
    return {
        "clients": clients,
        "seconds": seconds,
        "requests": len(answers),
        "turned_away": sum(answer.status == BUSY for answer in answers),
        "failed": sum(answer.status not in (200, BUSY) for answer in answers),
        "per_second": in_time / counted,
        "p50_s": p50,
        "p95_s": p95,
        "max_s": max((answer.seconds for answer in good), default=None),
    }
