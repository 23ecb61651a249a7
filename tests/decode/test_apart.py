from __future__ import annotations

import gc
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from model.decode.apart import Decoder
from tests.phantoms import INTERCEPT, compress, phantom, slice_bytes
from training.data.dataset import DATA_FOLDER

STORED = phantom()[0].astype(np.float32) - INTERCEPT

SERIES = sorted((DATA_FOLDER / "dicom-p002").glob("*.dcm"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a name\nof two lines"
    file.write_bytes(compress(slice_bytes(), "JPEGLosslessProcess14_1"))
    return file


def process_of(decoder: Decoder) -> subprocess.Popen[bytes]:
    process = decoder._process
    assert process is not None
    return process


def test_it_decodes_one_file_after_the_other_in_one_process(path: Path) -> None:
    decoder = Decoder()
    for _ in range(2):
        pixels = decoder.decode(path)
        assert pixels is not None
        np.testing.assert_array_equal(pixels, STORED)
    process = process_of(decoder)
    # What is not decoded is answered by none, and the process goes on.
    assert decoder.decode(path.with_name("missing")) is None
    assert process_of(decoder) is process
    decoder.close()
    assert process.poll() is not None


def test_a_crash_is_survived(path: Path) -> None:
    decoder = Decoder()
    decoder.decode(path)
    os.kill(process_of(decoder).pid, signal.SIGSEGV)
    assert decoder.decode(path) is None
    pixels = decoder.decode(path)
    assert pixels is not None
    np.testing.assert_array_equal(pixels, STORED)


@pytest.mark.parametrize(
    ("name", "mark", "at", "damage"),
    [
        # 116 bits for a value: the decoder writes past the end of its memory.
        ("JPEGLosslessProcess14_1", b"\xff\xc3", 4, b"\x74"),
        ("JPEG2000Lossless", b"\xff\x4f\xff\x51", 42, b"\xff"),
        # 65535×65535 pixels.
        ("JPEGLSLossless", b"\xff\xf7", 5, b"\xff" * 4),
        ("JPEGLosslessProcess14_1", b"\xff\xc3", 5, b"\xff" * 4),
        ("JPEG2000Lossless", b"\xff\x4f\xff\x51", 8, b"\0\0\xff\xff\0\0\xff\xff"),
    ],
)
def test_what_brings_a_decoder_down_leaves_this_process_alone(
    name: str, mark: bytes, at: int, damage: bytes, tmp_path: Path
) -> None:
    content = compress(slice_bytes(), name)
    start = content.rindex(mark) + at
    (tmp_path / "a").write_bytes(content[:start] + damage + content[start + len(damage) :])
    assert Decoder().decode(tmp_path / "a") is None


@pytest.mark.parametrize("filler", [b"\0", b"\x55", b"\xaa"])
def test_what_the_decoder_calls_corrupt_is_not_read(filler: bytes, path: Path) -> None:
    whole = path.read_bytes()
    start = whole.rindex(b"\xfe\xff\x00\xe0") + 8 + 150
    damaged = path.with_name("damaged")
    damaged.write_bytes(whole[:start] + 40 * filler + whole[start + 40 :])
    decoder = Decoder()
    assert decoder.decode(damaged) is None
    # What was said of one file is not said of the next.
    pixels = decoder.decode(path)
    assert pixels is not None
    np.testing.assert_array_equal(pixels, STORED)


@pytest.mark.skipif(not SERIES, reason=f"{DATA_FOLDER / 'dicom-p002'} is not there")
def test_nothing_is_said_of_real_files_that_are_whole() -> None:
    decoder = Decoder()
    assert all(decoder.decode(file) is not None for file in SERIES[::8])


@pytest.mark.skipif(not SERIES, reason=f"{DATA_FOLDER / 'dicom-p002'} is not there")
def test_a_real_file_with_flipped_bytes_is_not_read(tmp_path: Path) -> None:
    content = bytearray(SERIES[0].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(255 ^ value for value in content[middle : middle + 2000])
    (tmp_path / "a").write_bytes(content)
    assert Decoder().decode(tmp_path / "a") is None


def test_what_takes_too_long_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder()
    decoder.decode(path)
    os.kill(process_of(decoder).pid, signal.SIGSTOP)
    monkeypatch.setattr("model.decode.apart.MAX_SECONDS", 0.2)
    assert decoder.decode(path) is None


def test_the_process_ends_with_its_decoder(path: Path) -> None:
    decoder = Decoder()
    decoder.decode(path)
    process = process_of(decoder)
    del decoder
    gc.collect()
    assert process.poll() is not None
