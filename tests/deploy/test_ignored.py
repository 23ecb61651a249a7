from __future__ import annotations

from pathlib import Path

import pytest

from deploy.ignored import Ignored, files_of
from tests.deploy.examples import ROOT, image


@pytest.mark.parametrize(
    ("text", "path", "is_out"),
    [
        ("", "a", False),
        ("# a\n\n", "a", False),
        ("a", "a", True),
        ("/a/", "a/b/c", True),
        ("a", "b/a", False),
        ("*", "a/b", True),
        ("*.py", "a/b.py", False),
        ("**/*.py", "b.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("**/x", "a/x/y", True),
        ("a/**/c", "a/c", True),
        ("a?", "ab", True),
        ("a?", "a/", False),
        ("*.py[co]", "a.pyc", True),
        ("*.py[co]", "a.py", False),
        ("a.b", "axb", False),
        ("*\n!a/b", "a/b/c", False),
        ("*\n!a/b", "a/c", True),
        ("*\n!a\na/*.x", "a/b.x", True),
        ("!a\n*", "a", True),
    ],
)
def test_the_last_pattern_that_fits_decides(text: str, path: str, is_out: bool) -> None:
    assert Ignored(text).leaves_out(path) is is_out


def test_a_folder_gives_its_content_and_a_file_itself(tmp_path: Path) -> None:
    for name in ("a/b/c", "a/d", "a/e.x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    ignored = Ignored("**/*.x")
    assert [place.as_posix() for _, place in files_of(tmp_path, "a", ignored)] == ["b/c", "d"]
    assert [place.as_posix() for _, place in files_of(tmp_path, "a/d", ignored)] == ["d"]
    assert not list(files_of(tmp_path, "a/e.x", ignored))


def copied() -> set[str]:
    """What our Dockerfile copies, from the project's folder."""
    ignored = Ignored((ROOT / ".dockerignore").read_text())
    sources = [word for step, _ in image().steps if step.name == "COPY" for word in step.words[:-1]]
    return {file.relative_to(ROOT).as_posix() for source in sources for file, _ in files_of(ROOT, source, ignored)}


def test_all_of_the_server_reaches_the_image() -> None:
    folders = ("model", "webapp", "templates", "static", "docs/examples")
    there = {file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()}
    missing = {file.relative_to(ROOT).as_posix() for file in there} - copied()
    made = {name for name in missing if "__pycache__" in name}
    assert sorted(missing - made) == ["model/weights/groundglass-2.end.npz", "model/weights/groundglass-2.weights.h5"]


def test_nothing_else_reaches_the_image() -> None:
    tops = {name.partition("/")[0] for name in copied()}
    assert tops == {
        "LICENSE", "LICENSE-WEIGHTS", "app.py", "constraints.txt", "docs", "gunicorn.conf.py", "model",
        "requirements-queue.txt", "requirements-serve.txt", "static", "templates", "webapp", "wsgi.py",
    }  # fmt: skip
    assert {name for name in copied() if name.startswith("docs/")} == {
        f"docs/examples/{name}" for name in ("client.py", "slice.mjs", "slice.sh", "volume.sh")
    }


def test_every_file_that_is_let_through_is_copied_by_name() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in lines if line.startswith("!")}
    words = {word.rstrip("/") for step, _ in image().steps if step.name == "COPY" for word in step.words[:-1]}
    assert let_through == words
