from __future__ import annotations

from pathlib import Path

import pytest

from model.card import SHIPPED_WEIGHTS
from webapp.settings import Settings, read_prefix, read_settings, read_workers


def test_without_variables_the_defaults_hold() -> None:
    settings = read_settings({"PATH": "/bin", "GROUNDGLASS_DATA": "elsewhere"})
    assert settings == Settings()
    assert settings.weights == SHIPPED_WEIGHTS
    assert settings.result_minutes == 30.0


def test_each_setting_is_read_by_its_kind() -> None:
    environ = {
        "GROUNDGLASS_WEIGHTS": "a.h5",
        "GROUNDGLASS_THREADS": "2",
        "GROUNDGLASS_THRESHOLD": "0.4",
        "GROUNDGLASS_MAX_UPLOAD_MB": "10",
        "GROUNDGLASS_QUEUE": "7",
        "GROUNDGLASS_RESULT_MINUTES": "1.5",
        "GROUNDGLASS_RESULTS": "kept",
        "REDIS_URL": "redis://localhost:6379",
    }
    assert read_settings(environ) == Settings(
        weights=Path("a.h5"),
        threads=2,
        threshold=0.4,
        max_upload_mb=10,
        queue=7,
        result_minutes=1.5,
        results=Path("kept"),
        redis_url="redis://localhost:6379",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GROUNDGLASS_THREADS", "two"),
        ("GROUNDGLASS_HOSTS", "http://ct.example.org"),
        ("GROUNDGLASS_HOSTS", "localhost,ct.example.org:8000"),
        ("GROUNDGLASS_HOSTS", "::1"),
        ("GROUNDGLASS_HOSTS", ","),
        ("GROUNDGLASS_HOSTS", " "),
        ("GROUNDGLASS_HOSTS", "."),
        ("GROUNDGLASS_HOSTS", "localhost,."),
        ("GROUNDGLASS_THREADS", "-1"),
        ("GROUNDGLASS_THRESHOLD", "1"),
        ("GROUNDGLASS_THRESHOLD", "nan"),
        ("GROUNDGLASS_MAX_UPLOAD_MB", "0"),
        ("GROUNDGLASS_MAX_UPLOAD_MB", "1.5"),
        ("GROUNDGLASS_QUEUE", "-1"),
        ("GROUNDGLASS_QUEUE", "0"),
        ("GROUNDGLASS_RESULT_MINUTES", "inf"),
        ("GROUNDGLASS_RESULT_MINUTES", ""),
        ("GROUNDGLASS_RESULTS", ""),
    ],
)
def test_a_bad_value_is_named_with_its_variable(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be .*{value}"):
        read_settings({name: value})


def test_an_empty_value_is_told_what_to_do_with() -> None:
    for name in ("GROUNDGLASS_HOSTS", "GROUNDGLASS_THREADS", "GROUNDGLASS_API_KEYS_FILE"):
        with pytest.raises(ValueError, match=f"{name} must be given a value or left out, got ''"):
            read_settings({name: ""})
    with pytest.raises(ValueError, match="ct.example.org say, or be left out, got ', ,'"):
        read_settings({"GROUNDGLASS_HOSTS": ", ,"})


def test_the_number_of_workers_is_read_strictly() -> None:
    assert (read_workers({}), read_workers({"WEB_CONCURRENCY": "5"})) == (2, 5)
    for text in ("0", "two", "-1", ""):
        with pytest.raises(ValueError, match=f"WEB_CONCURRENCY must be a whole number of 1 or more, got '{text}'"):
            read_workers({"WEB_CONCURRENCY": text})


@pytest.mark.parametrize("text", ["ct", "/a b", "//ct", "/ct?", "http://ct.example.org/ct"])
def test_a_prefix_is_a_path(text: str) -> None:
    with pytest.raises(ValueError, match="SCRIPT_NAME must be a path that begins with a slash, /ct say, got"):
        read_prefix({"SCRIPT_NAME": text})


def test_a_prefix_ends_without_a_slash() -> None:
    assert [read_prefix({"SCRIPT_NAME": text}) for text in ("", "/", "/ct", "/ct/", "/a/b-1")] == [
        "",
        "",
        "/ct",
        "/ct",
        "/a/b-1",
    ]


def test_a_mistyped_variable_is_refused() -> None:
    with pytest.raises(ValueError, match="GROUNDGLASS_TRESHOLD is no setting; known are GROUNDGLASS_WEIGHTS"):
        read_settings({"GROUNDGLASS_TRESHOLD": "0.4"})


def test_every_setting_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    names = [f"GROUNDGLASS_{name.upper()}" for name in Settings.__dataclass_fields__ if name != "redis_url"]
    for name in (*names, "REDIS_URL", "SCRIPT_NAME"):
        assert f"`{name}`" in readme
