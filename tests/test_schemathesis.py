"""Requests that Schemathesis makes from the API's document, sent to a real server: no answer may be undescribed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.test_server import ROOT, Server, start, stop, wait_for_job
from tests.webapp.scans import nifti

COMMAND = (
    *(sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/webapp/schemathesis.toml", "run"),
    *("--checks", "all", "--phases", "examples,coverage,fuzzing", "--continue-on-failure"),
    *("--max-examples", "10", "--generation-deterministic"),
    # How long an answer takes is not what is asked here; left out, it allows ten seconds.
    *("--warnings", "off", "--no-color", "--request-timeout", "120", "--max-response-time", "120"),
)


def test_every_answer_is_described(tmp_path: Path, phantom: bytes) -> None:
    server = start(tmp_path, GROUNDGLASS_RATE_READ="off", GROUNDGLASS_RATE_LOOK="off")
    try:
        job = server.post("/predict", nifti("one", "none"))[1]["Location"]
        wait_for_job(server, job, lambda job: job["state"] == "done")
        page = server.post("/upload", phantom)[1]["Location"]
        results = {"TEST_VOLUME": job.rpartition("/")[2], "TEST_SLICE": page.rpartition("/")[2]}
        environment = {"SCHEMATHESIS_HOOKS": "tests.webapp.hooks", **results}
        address = f"http://127.0.0.1:{server.port}/openapi.json"
        done = subprocess.run(
            [*COMMAND, address], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=300
        )
    finally:
        stop(server)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    answered = answers_of(server)
    for endpoint in (
        "pages.picture",
        "report.slice_report",
        "why.explanation",
        "volumes.slice_picture",
        "volumes.file",
    ):
        assert (endpoint, 200) in answered
    # All operations, and enough of each that something was asked at all.
    assert "12 selected / 12 total" in done.stdout
    assert "Traceback" not in server.log.read_text()


def answers_of(server: Server) -> set[tuple[str, int]]:
    """Return which endpoints have answered with which status."""
    lines = map(json.loads, server.log.read_text().splitlines())
    return {(line["endpoint"], line["status"]) for line in lines if line["message"] == "request"}
