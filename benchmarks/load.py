"""Many clients at once against the real server: what they get, how long it takes, whether memory grows.

python -m benchmarks.load --clients 64 --seconds 120 --out docs

Each client asks, waits for the answer and asks again; one that is turned away comes back when it was told to. Written
are OUT/load.json and OUT/load.md.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import machine, multipart, resident_mb, running
from model.phantom import EXAMPLES, phantom_png
from webapp.places import MOST

UNLIMITED = {"GROUNDGLASS_RATE_READ": "off", "GROUNDGLASS_RATE_LOOK": "off", "GROUNDGLASS_RATE_SIGN_IN": "off"}
"""Settings that put no bound on what one client may ask: all of them have one address here."""

SLICE, FORM, LOOK, REFUSED, DAMAGED = "slice", "form", "look at a result", "no picture", "damaged picture"
REPORT, WHY = "report of a result", "explanation of a result"

MIX = {SLICE: 10, FORM: 2, LOOK: 2, REPORT: 1, WHY: 1, REFUSED: 2, DAMAGED: 2}
"""Of 20 requests, how many are of a kind; whoever has no result yet looks at the form instead."""

OF_RESULT = {LOOK: ("", "/overlay.png"), REPORT: ("/report.pdf",), WHY: ("/why.png",)}
"""What is asked for of a result, by kind."""

TURNED_AWAY = (429, 503)
WARM_UP_SHARE = 0.5
"""Of the time, after which memory is looked at: allocators take what they need at first, until each thread has drawn
the largest of its pictures."""

SAMPLE_EVERY_S = 0.5
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Answer:
    """One request: its kind, its status (0 where the connection broke), and its seconds."""

    kind: str
    status: int
    seconds: float


@dataclass
class Measured:
    """What all clients and the watch on memory have seen. samples : requests answered so far, and MB."""

    answers: list[Answer] = field(default_factory=list)
    samples: list[tuple[int, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, answer: Answer) -> None:
        """Note an answer."""
        with self.lock:
            self.answers.append(answer)


class Client:
    """One visitor, with a cookie and the results it has seen."""

    def __init__(self, port: int, seed: int, measured: Measured, pictures: Sequence[bytes]) -> None:
        self._port, self._measured, self._pictures = port, measured, pictures
        # Each mix is drawn anew from the same seed.
        self._rng = random.Random(seed)
        self._cookie, self._token, self._result = "", "", ""

    def run(self, until: float) -> None:
        """Ask until a time of the monotonic clock."""
        while time.monotonic() < until:
            status, headers = self._timed(self.choose())
            if status in TURNED_AWAY:
                time.sleep(min(float(headers.get("Retry-After", 1)), max(0.0, until - time.monotonic())))

    def choose(self) -> str:
        """Return the kind of the next request."""
        (kind,) = self._rng.choices(list(MIX), list(MIX.values()))
        return LOOK if kind in OF_RESULT and not self._result else kind

    def _timed(self, kind: str) -> tuple[int, dict[str, str]]:
        began = time.monotonic()
        try:
            status, headers = self.ask(kind)
        except (OSError, http.client.HTTPException):
            status, headers = 0, {}
        self._measured.add(Answer(kind, status, time.monotonic() - began))
        return status, headers

    def ask(self, kind: str) -> tuple[int, dict[str, str]]:
        """Send a request of a kind; return status and headers of its answer."""
        picture = self._rng.choice(self._pictures)
        if kind == FORM:
            return self._send_form(picture)
        if kind in OF_RESULT:
            return self._look(kind)
        content = {SLICE: picture, REFUSED: b"Dear radiologist,", DAMAGED: picture[: len(picture) // 2]}[kind]
        return self._post("/predict", content, {})

    def _send_form(self, picture: bytes) -> tuple[int, dict[str, str]]:
        if not self._token:
            _, headers, page = self._request("GET", "/", b"", {"Accept": "text/html"})
            self._cookie = headers.get("Set-Cookie", "").partition(";")[0]
            found = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', page)
            self._token = found[1].decode() if found else ""
        status, headers = self._post("/upload", picture, {"csrf_token": self._token})
        self._result = headers.get("Location", self._result)
        return status, headers

    def _look(self, kind: str) -> tuple[int, dict[str, str]]:
        path = self._result + self._rng.choice(OF_RESULT[kind]) if self._result else "/"
        return self._request("GET", path, b"", {"Accept": "text/html"})[:2]

    def _post(self, path: str, content: bytes, fields: dict[str, str]) -> tuple[int, dict[str, str]]:
        body, kind = multipart(content, fields)
        return self._request("POST", path, body, kind)[:2]

    def _request(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            cookie = {"Cookie": self._cookie} if self._cookie else {}
            connection.request(method, path, body, headers | cookie)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


def measure(*, clients: int, seconds: float) -> Measured:
    """Let clients ask a server of their own for so long."""
    measured, pictures = Measured(), [phantom_png(kind) for kind in EXAMPLES]
    with (
        tempfile.TemporaryDirectory(prefix="groundglass-load-") as folder,
        running(Path(folder), **UNLIMITED) as (pid, port),
    ):
        # Both processes have read one before anything is measured.
        _ask_all([Client(port, seed, Measured(), pictures) for seed in range(8)], time.monotonic() + 5.0)
        until = time.monotonic() + seconds
        watch = threading.Thread(target=_watch, args=(pid, measured, until), daemon=True)
        watch.start()
        _ask_all([Client(port, seed, measured, pictures) for seed in range(clients)], until)
        watch.join()
    return measured


def _ask_all(clients: Sequence[Client], until: float) -> None:
    threads = [threading.Thread(target=client.run, args=(until,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _watch(pid: int, measured: Measured, until: float) -> None:
    while time.monotonic() < until:
        held = resident_mb(pid)
        if held is not None:
            measured.samples.append((len(measured.answers), held))
        time.sleep(SAMPLE_EVERY_S)


def summary(measured: Measured, *, clients: int, seconds: float) -> dict[str, Any]:
    """Return the figures, for JSON."""
    accepted = [answer for answer in measured.answers if 200 <= answer.status < 400]
    turned = [answer for answer in measured.answers if answer.status in TURNED_AWAY]
    return {
        "machine": machine(),
        "clients": clients,
        "seconds": seconds,
        "requests": len(measured.answers),
        "statuses": dict(sorted(Counter(answer.status for answer in measured.answers).items())),
        "turned_away": len(turned),
        "seconds_of_turned_away": _percentiles(turned),
        "slices_per_second": sum(answer.kind in (SLICE, FORM) for answer in accepted) / seconds,
        "seconds_by_kind": {
            kind: _percentiles([answer for answer in accepted if answer.kind == kind])
            for kind in (SLICE, FORM, LOOK, REPORT, WHY)
        },
        "memory": _memory(measured.samples),
    }


def _percentiles(answers: Sequence[Answer]) -> dict[str, float] | None:
    if not answers:
        return None
    times = [answer.seconds for answer in answers]
    return {
        "count": len(times),
        **{f"p{share}": float(np.percentile(times, share)) for share in (50, 95, 99)},
        "max": max(times),
    }


def _memory(samples: Sequence[tuple[int, float]]) -> dict[str, float] | None:
    """Return how much memory all processes held, and by how much it grew after the warm-up.

    The slope is the median of those between any two samples (Theil and Sen), which the moments do not move in which a
    reader of uploads is replaced, and is missing or there twice.
    """
    late = samples[int(len(samples) * WARM_UP_SHARE) :]
    if len({count for count, _ in late}) < 3:
        return None
    counts, held = np.array(late, np.float64).T
    one, other = np.triu_indices(len(late), 1)
    apart = counts[other] > counts[one]
    slope = np.median((held[other] - held[one])[apart] / (counts[other] - counts[one])[apart]) * 1000.0
    return {
        "mb_at_first": samples[0][1],
        "mb_median": statistics.median(held.tolist()),
        "mb_most": max(mb for _, mb in samples),
        "mb_per_1000_requests": float(slope),
        "requests_seen": float(counts[-1] - counts[0]),
    }


def as_markdown(figures: dict[str, Any]) -> str:
    """Return a page of the figures."""
    mix = ", ".join(f"{count} {kind}" for kind, count in MIX.items())
    statuses = [f"| {status or 'connection broke'} | {count:,} |" for status, count in figures["statuses"].items()]
    times = [_row(kind, times) for kind, times in figures["seconds_by_kind"].items() if times]
    turned = [_row("(turned away)", figures["seconds_of_turned_away"])] if figures["turned_away"] else []
    lines = [
        "# Under load",
        "",
        f"{figures['clients']} clients for {figures['seconds']:.0f} seconds against the server of `make serve`, two",
        f"processes, on the same machine: {figures['machine']}.",
        f"Written by `make load CLIENTS={figures['clients']} SECONDS={figures['seconds']:.0f}`, with `load.json`.",
        "",
        f"{figures['requests']:,} requests; of 20: {mix}.",
        "Each client asks, waits for the answer and asks again; one that is turned away comes back when told to.",
        "Rates of a client are off: all have one address here.",
        "",
        "| Status | Requests |",
        "|---|---|",
        *statuses,
        "",
        f"{figures['slices_per_second']:.1f} slices were read in a second. {figures['turned_away']:,} requests were",
        f"turned away (503 with Retry-After): each process takes {MOST} slices at a time, those that wait included.",
        "",
        "| Accepted | Requests | Median | 95 % within | 99 % within | Longest |",
        "|---|---|---|---|---|---|",
        *times,
        *turned,
        "",
    ]
    return "\n".join([*lines, *_memory_lines(figures["memory"])])


def _memory_lines(memory: dict[str, float] | None) -> list[str]:
    if memory is None:
        return []
    first, median, most = (f"{memory[name]:,.0f} MB" for name in ("mb_at_first", "mb_median", "mb_most"))
    return [
        f"Memory of all its processes: {first} at first, {median} in the median, {most} at most. Over the second half",
        f"of the time it grew by {memory['mb_per_1000_requests']:.2f} MB for 1,000 requests: the median of the slopes",
        f"between any two of the samples that were taken then, one every {SAMPLE_EVERY_S:g} s.",
        "",
    ]


def _row(kind: str, times: dict[str, float]) -> str:
    seconds = " | ".join(f"{times[name]:.2f} s" for name in ("p50", "p95", "p99", "max"))
    return f"| {kind} | {times['count']:,} | {seconds} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    options = parser.parse_args(arguments)
    figures = summary(
        measure(clients=options.clients, seconds=options.seconds), clients=options.clients, seconds=options.seconds
    )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "load.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (options.out / "load.md").write_text(as_markdown(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
