"""The examples of the API's page, run against a real server."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nibabel
import playwright
import pytest
from PIL import Image

from tests.test_server import start, stop
from tests.webapp.scans import nifti
from webapp.document.docs import EXAMPLES
from webapp.keys import add_key

FOLDER = Path(__file__).parents[1] / "docs" / "examples"


@dataclass(frozen=True)
class Asked:
    """A server, the key that it asks for, and the path that all its addresses begin with; empty where there is none."""

    port: int
    key: str = ""
    prefix: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Return what examples are told of it."""
        told = {"SERVER": f"http://127.0.0.1:{self.port}{self.prefix}"} | (
            {"GROUNDGLASS_KEY": self.key} if self.key else {}
        )
        return {name: text for name, text in os.environ.items() if name != "GROUNDGLASS_KEY"} | told


@pytest.fixture(scope="module", params=["open", "with keys", "below a prefix"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder, key, settings = tmp_path_factory.mktemp("examples"), "", {"WEB_CONCURRENCY": "1"}
    if request.param == "with keys":
        key = add_key(folder / "keys", "anna")
        settings["GROUNDGLASS_API_KEYS_FILE"] = str(folder / "keys")
    prefix = settings["SCRIPT_NAME"] = "/ct" if request.param == "below a prefix" else ""
    server = start(folder, **settings)
    yield Asked(server.port, key, prefix)
    stop(server)


@pytest.fixture
def scans(tmp_path: Path, phantom: bytes) -> Path:
    """A folder with the files that the examples send."""
    (tmp_path / "slice.png").write_bytes(phantom)
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(nifti("one", "many")))
    return tmp_path


def run(server: Asked, folder: Path, *command: str) -> str:
    """Run an example where the scans are; return what it prints."""
    done = subprocess.run(command, cwd=folder, env=server.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def node() -> str:
    """Return Node.js: the system's, or the one that Playwright brings."""
    return shutil.which("node") or str(Path(playwright.__file__).parent / "driver" / "node")


def shape(path: Path) -> tuple[str, tuple[int, int]]:
    """Return mode and size of a picture."""
    with Image.open(path) as image:
        return image.mode, image.size


def test_all_examples_are_shown_and_run() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(EXAMPLES)


def test_the_readme_shows_them() -> None:
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    for line in (FOLDER / "slice.sh").read_text(encoding="utf-8").splitlines():
        if line.startswith("curl"):
            assert line in readme


def test_a_slice_with_curl(server: Asked, scans: Path) -> None:
    run(server, scans, "bash", "-e", str(FOLDER / "slice.sh"))
    assert shape(scans / "overlay.png") == ("RGB", (512, 512))
    assert shape(scans / "mask.png") == ("L", (512, 512))
    assert json.loads((scans / "answer.json").read_text())["measurements"]["lesion_count"] > 0


def test_a_volume_with_curl(server: Asked, scans: Path) -> None:
    run(server, scans, "bash", "-e", str(FOLDER / "volume.sh"))
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress((scans / "mask.nii.gz").read_bytes()))
    assert mask.shape == (128, 128, 2)
    assert json.loads((scans / "job.json").read_text())["state"] in ("queued", "working", "done")


class Unwaiting(BaseHTTPRequestHandler):
    """A server where nobody may wait."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.end_headers()
        self.wfile.write(b'{"state": "queued"}')

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_volume_that_was_not_waited_for_is_no_mask(scans: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Unwaiting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run(Asked(server.server_port), scans, "bash", "-e", str(FOLDER / "volume.sh"))
        server.shutdown()
    assert not (scans / "mask.nii.gz").exists()
    assert json.loads((scans / "job.json").read_text()) == {"state": "queued"}


def test_a_volume_in_python(server: Asked, scans: Path) -> None:
    told = run(server, scans, sys.executable, str(FOLDER / "client.py"))
    assert "% of the lung, severity" in told
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress((scans / "mask.nii.gz").read_bytes()))
    assert mask.get_fdata().max() == 1


def test_python_says_what_is_wrong(server: Asked, scans: Path) -> None:
    (scans / "scan.nii.gz").write_bytes(b"Dear radiologist,")
    command = [sys.executable, str(FOLDER / "client.py")]
    done = subprocess.run(command, cwd=scans, env=server.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "not a picture that can be read" in done.stderr


def test_a_slice_in_javascript(server: Asked, scans: Path) -> None:
    told = run(server, scans, node(), str(FOLDER / "slice.mjs"))
    assert told.split()[1] == "lesions,"
    assert shape(scans / "mask.png") == ("L", (512, 512))
