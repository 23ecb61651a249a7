"""Steps of small Dockerfiles, replayed; the real one is by `make replay`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.box import Box
from deploy.dockerfile import read_image


def replayed(tmp_path: Path, *lines: str) -> Box:
    """A box after the steps of a Dockerfile in a folder with the file a/b, of which nobody but its owner may read."""
    context = tmp_path / "context"
    (context / "a").mkdir(parents=True)
    (context / "a" / "b").write_text("content")
    (context / "a" / "b").chmod(0o600)
    (context / ".dockerignore").write_text("secret\n")
    (context / "secret").write_text("")
    box = Box(tmp_path, read_image("\n".join(("FROM python:3.11-slim", *lines))))
    box.take_steps(context)
    return box


def test_files_go_where_the_image_has_them_with_its_modes(tmp_path: Path) -> None:
    box = replayed(tmp_path, "WORKDIR /app", "COPY --chmod=644 a/b ./", "COPY --chmod=755 a/ docs/x/")
    assert box.path("b").read_text() == "content"
    assert box.path("/app/b").stat().st_mode & 0o777 == 0o644
    assert box.path("docs/x/b").stat().st_mode & 0o777 == 0o755
    assert box.written() == {"app/b", "app/docs/x/b"}


def test_commands_run_in_the_image_s_folder_on_its_paths(tmp_path: Path) -> None:
    run = "RUN mkdir -m 700 /data && chown 10001:10001 /data && echo $A > /data/a && pwd > b"
    box = replayed(tmp_path, "ENV A=1", "WORKDIR /app", run, "ENV A=2", "VOLUME /data", "USER 10001:10001")
    assert box.path("/data/a").read_text() == "1\n"
    assert box.path("b").read_text() == f"{box.root}/app\n"
    assert box.path("/data").stat().st_uid == (10001 if os.geteuid() == 0 else os.geteuid())
    assert box.written() == {"app/b"}


def test_the_server_finds_the_image_s_settings_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDGLASS_THRESHOLD", "0.4")
    box = replayed(tmp_path, "ENV PORT=8000 GROUNDGLASS_RESULTS=/data/results")
    environment = box.environment({"PORT": "1"})
    assert environment["PORT"] == "1"
    assert environment["GROUNDGLASS_RESULTS"] == str(box.root / "data/results")
    assert environment["PATH"].startswith(str(box.python / "bin"))
    assert set(environment) == {"PATH", "LANG", "TMPDIR", "PORT", "GROUNDGLASS_RESULTS"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("COPY --chmod=644 c ./", "Line 2: 'c' is not there, or .dockerignore leaves it out"),
        ("COPY --chmod=644 secret ./", "Line 2: 'secret' is not there"),
        ("COPY --chmod=644 a/b c", "with a slash at its end: 'c'"),
        ("RUN echo so it is >&2 && false", "(?s)Line 2: RUN .* fails:.*so it is"),
    ],
)
def test_a_step_that_fails_says_which_and_why(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replayed(tmp_path, line)
