from __future__ import annotations

import doctest
import re

import pytest

from deploy import compose, dockerfile, ignored
from deploy.dockerfile import Step, read_image, read_steps
from tests.deploy.examples import ROOT, are_settings, image


@pytest.mark.parametrize("module", [compose, dockerfile, ignored], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module: object) -> None:
    ran = doctest.testmod(module)  # type: ignore[arg-type]  # Modules are what it takes.
    assert ran.attempted > 0
    assert ran.failed == 0


def test_lines_that_go_on_are_one_instruction() -> None:
    steps = read_steps("FROM a:1\nENV A=1 \\\n    # about B\n    B='2 3'\n\nRUN a && \\\n  b\n")
    assert [(step.line, step.name, step.rest) for step in steps] == [
        (1, "FROM", "a:1"),
        (2, "ENV", "A=1 B='2 3'"),
        (6, "RUN", "a && b"),
    ]
    assert steps[1].pairs == {"A": "1", "B": "2 3"}


def test_flags_are_apart_from_words() -> None:
    step = Step(1, "COPY", {"chmod": "644"}, '["a b", "c/"]')
    assert read_steps('COPY --chmod=644 ["a b", "c/"]') == [step]
    assert step.words == ("a b", "c/")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("FROM a:1\nADD a b", "Line 2 of the Dockerfile must be one of FROM, ENV"),
        ("FROM a:1\nCOPY", "Line 2 of the Dockerfile must be one of"),
        ("FROM a:1\nCOPY $A b/", "holds a variable"),
        ("FROM a:1\nRUN cat <<END", "here-document"),
        ("FROM a:1\nRUN a \\", "Line 2 of the Dockerfile goes on after its end"),
        ("FROM a:1\nFROM b:1", "only one stage"),
        ("USER 1", "must begin with FROM"),
        ("FROM a:1\nHEALTHCHECK NONE", "a health check must be CMD"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_image(text)


def test_an_image_is_what_its_last_instructions_say() -> None:
    made = read_image(
        "FROM a:1\nENV A=1\nWORKDIR /w\nRUN x\nENV A=2 B=3\nUSER 7:8\nVOLUME /v\nEXPOSE 80 81\n"
        'HEALTHCHECK --retries=2 CMD ["h"]\nCMD ["c", "d"]'
    )
    assert [(step.name, dict(environment)) for step, environment in made.steps] == [
        ("WORKDIR", {"A": "1"}),
        ("RUN", {"A": "1"}),
    ]
    assert (made.base, made.folder, made.user, made.volumes, made.ports) == ("a:1", "/w", "7:8", ("/v",), (80, 81))
    assert (made.health, made.health_flags, made.command) == (("h",), {"retries": "2"}, ("c", "d"))
    assert made.environment == {"A": "2", "B": "3"}


def test_the_base_is_pinned_to_a_python_that_the_project_knows() -> None:
    assert re.fullmatch(r"python:3\.1[1-9]-slim-[a-z]+", image().base)


def test_the_server_is_no_root() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", image().user)


def test_every_variable_is_a_setting() -> None:
    assert are_settings(image().environment)


def test_it_listens_to_others_where_it_says() -> None:
    assert image().environment["HOST"] == "0.0.0.0"
    assert image().ports == (int(image().environment["PORT"]),)


@pytest.mark.parametrize("name", ["GROUNDGLASS_RESULTS", "GROUNDGLASS_SECRET_KEY_FILE"])
def test_what_the_server_writes_is_on_the_volume(name: str) -> None:
    (volume,) = image().volumes
    assert image().environment[name].startswith(f"{volume}/")


def test_the_volume_belongs_to_the_server() -> None:
    (volume,) = image().volumes
    assert any(f"chown {image().user} {volume}" in step.rest for step, _ in image().steps)


def test_packages_are_those_that_serve_at_pinned_versions() -> None:
    (installed,) = [step.rest for step, _ in image().steps if "pip install" in step.rest]
    assert re.findall(r"-([cr]) (\S+)", installed) == [
        ("c", "constraints.txt"),
        ("r", "requirements-serve.txt"),
        ("r", "requirements-queue.txt"),
    ]


def test_modes_do_not_depend_on_the_checkout() -> None:
    copies = [step for step, _ in image().steps if step.name == "COPY"]
    for copy in copies:
        is_folder = (ROOT / copy.words[0]).is_dir()
        assert copy.flags["chmod"] == ("755" if is_folder else "644"), copy


def test_it_starts_the_server_that_make_starts() -> None:
    serve = re.search(r"^serve:.*\n\t\$\(BIN\)/(.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert serve is not None
    assert list(image().command) == serve[1].split()
