"""Damaged files give a study or a sentence: nothing else is raised, and nothing hangs."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.decode.ct import CtSlice
from model.errors import InputError
from tests.phantoms import (
    NATIVE,
    compress,
    dicom_bytes,
    nifti_bytes,
    opened,
    phantom,
    read_all,
    slice_bytes,
    slice_dataset,
    zip_bytes,
)
from training.data.dataset import DATA_FOLDER

REAL = DATA_FOLDER / "dicom-p002" / "IM0061.dcm"

REPLACE, FLIP, DELETE, INSERT = "replace", "flip", "delete", "insert"

Change = tuple[str, int, int]


def changes(size: int) -> st.SearchStrategy[list[Change]]:
    """Draw what is done to the first `size` bytes of a file."""
    change = st.tuples(
        st.sampled_from([REPLACE, REPLACE, FLIP, DELETE, INSERT]), st.integers(0, size), st.integers(0, 255)
    )
    return st.lists(change, min_size=1, max_size=6)


def damage(content: bytes, what: list[Change]) -> bytes:
    damaged = bytearray(content)
    for kind, at, value in what:
        at %= len(damaged)
        if kind == REPLACE:
            damaged[at] = value
        elif kind == FLIP:
            damaged[at] ^= 1 << value % 8
        elif kind == DELETE:
            del damaged[at : at + 1 + value % 8]
        else:
            damaged[at:at] = bytes([value])
    return bytes(damaged)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


def check_reads_or_refuses(folder: Path, *contents: bytes, as_picture: bool = False) -> None:
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        for ct_slice in read_all(opened(place, *contents, as_picture=as_picture)):
            assert isinstance(ct_slice, CtSlice)
            assert ct_slice.as_bytes().shape == ct_slice.shape
            assert np.isfinite(ct_slice.pixels).all()
    except InputError as exc:
        assert str(exc).endswith(".")
    finally:
        shutil.rmtree(place)


def check_damage(folder: Path, content: bytes, *, size: int, examples: int, as_picture: bool = False) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(changes(size))
    def check(what: list[Change]) -> None:
        check_reads_or_refuses(folder, damage(content, what), as_picture=as_picture)

    check()


@pytest.mark.parametrize("name", NATIVE)
def test_damage_to_a_dicom_file(name: str, folder: Path) -> None:
    content = dicom_bytes(slice_dataset(phantom()[0]), NATIVE[name])
    check_damage(folder, content, size=1200, examples=150)


def test_damage_to_a_dicom_file_that_is_read_as_a_picture(folder: Path) -> None:
    check_damage(folder, slice_bytes(), size=1200, examples=100, as_picture=True)


def test_damage_to_one_slice_of_a_series(folder: Path) -> None:
    whole = [slice_bytes(0), slice_bytes(2)]

    @settings(max_examples=100, deadline=None)
    @given(changes(1200))
    def check(what: list[Change]) -> None:
        check_reads_or_refuses(folder, whole[0], damage(slice_bytes(1), what), whole[1])

    check()


@pytest.mark.parametrize("name", ["RLELossless", "JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless"])
def test_damage_to_compressed_pixels(name: str, folder: Path) -> None:
    """Damage of the kind that has GDCM end the process."""
    content = compress(slice_bytes(), name)
    start = content.rindex(b"\xfe\xff\x00\xe0") + 8

    @settings(max_examples=8, deadline=None)
    @given(changes(120))
    def check(what: list[Change]) -> None:
        check_reads_or_refuses(folder, content[:start] + damage(content[start:], what))

    check()


@pytest.mark.skipif(not REAL.is_file(), reason=f"{REAL} is not there")
def test_damage_to_the_header_of_a_real_file(folder: Path) -> None:
    content = REAL.read_bytes()

    @settings(max_examples=150, deadline=None)
    @given(changes(2000))
    def check(what: list[Change]) -> None:
        place = Path(tempfile.mkdtemp(dir=folder))
        try:
            opened(place, damage(content, what))
        except InputError as exc:
            assert str(exc).endswith(".")
        finally:
            shutil.rmtree(place)

    check()


@pytest.mark.skipif(not REAL.is_file(), reason=f"{REAL} is not there")
def test_damage_to_the_pixels_of_a_real_file(folder: Path) -> None:
    check_damage(folder, REAL.read_bytes(), size=2000, examples=8)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (nifti_bytes(), 352),
        (nifti_bytes(kind=nibabel.Nifti2Image), 544),
        (nifti_bytes(phantom().T.astype(np.float32), codes=(0, 1)), 352),
        (nifti_bytes(codes=(0, 0)), 352),
    ],
    ids=["NIfTI-1", "NIfTI-2", "float", "without codes"],
)
def test_damage_to_a_nifti_file(content: bytes, size: int, folder: Path) -> None:
    check_damage(folder, content, size=size, examples=150)


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zip_bytes({"a.nii": content})], ids=["gzip", "zip"])
def test_damage_to_a_packed_volume(pack: Callable[[bytes], bytes], folder: Path) -> None:
    content = pack(nifti_bytes())
    check_damage(folder, content, size=len(content), examples=150)


def test_damage_to_a_zip_file_of_a_series(folder: Path) -> None:
    content = zip_bytes({f"{number}": slice_bytes(number) for number in range(2)}, zipfile.ZIP_STORED)
    check_damage(folder, content, size=len(content), examples=100)


HEADS = [
    b"",
    bytes(128) + b"DICM",
    b"\x08\0\x05\0CS",
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    bytes(344) + b"n+1\0",
    b"\x89PNG",
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=600))
def test_random_bytes_give_a_sentence(head: bytes, tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_reads_or_refuses(Path(folder), head + tail)
