from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from model.errors import WeightsError
from model.options import threshold
from training.commands import count, input_size, sentences, temperature


@pytest.mark.parametrize("error", [WeightsError("It is gone."), ValueError("It is gone."), OSError("It is gone.")])
def test_what_goes_wrong_is_a_sentence(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop, sentences(argparse.ArgumentParser()):
        raise error
    assert stop.value.code == 1
    assert capsys.readouterr().err == "It is gone.\n"


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), sentences(argparse.ArgumentParser()):
        (tmp_path / "index.csv").read_text()
    assert capsys.readouterr().err == f"{tmp_path / 'index.csv'}: No such file or directory\n"


def test_a_programming_error_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), sentences(argparse.ArgumentParser()):
        raise KeyError("lesion")


def test_what_is_in_range_is_read() -> None:
    assert (threshold("0.4"), count("0"), input_size("256"), temperature("3.4")) == (0.4, 0, 256, 3.4)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((threshold, text) for text in ("0", "1", "2", "nan", "half")),
        *((count, text) for text in ("-3", "1.5", "few")),
        *((input_size, text) for text in ("0", "-32", "100", "wide")),
        *((temperature, text) for text in ("0", "-1", "nan", "inf", "hot")),
    ],
)
def test_what_is_out_of_range_is_refused(read: Callable[[str], float], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=text):
        read(text)
