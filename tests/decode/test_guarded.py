"""Uploads that are read in a process apart: the same is read of them, and nothing they do reaches this process."""

from __future__ import annotations

import gc
import gzip
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.decode import guarded
from model.decode.answers import Message, parse
from model.decode.ct import CtSlice
from model.decode.guarded import SLICE, VOLUME, Reader
from model.decode.nifti import NiftiGrid
from model.decode.picture import decode_picture
from model.decode.repeated import DicomGrid
from model.decode.study import VolumeStudy, open_study
from model.errors import Busy, DamagedImage, EmptyFile, MissingFile, NotAnImage, NotCt, StorageError, TooLarge
from model.phantom import phantom_png
from tests.phantoms import (
    NATIVE,
    compress,
    dicom_bytes,
    nifti_bytes,
    phantom,
    series_bytes,
    slice_bytes,
    slice_dataset,
    sources,
    zip_bytes,
)

PNG = phantom_png("many")


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


@pytest.fixture
def own() -> Iterator[Reader]:
    """A reader that is to die."""
    with Reader() as reader:
        yield reader


def end(reader: Reader, number: signal.Signals) -> None:
    """Let its process end, and see that it has."""
    process = reader._process
    assert process is not None
    os.kill(process.pid, number)
    process.wait()


def same(one: CtSlice, other: CtSlice) -> bool:
    assert one.pixels.dtype == other.pixels.dtype
    np.testing.assert_array_equal(one.pixels, other.pixels)
    return replace(one, pixels=other.pixels) == other


def check_same(one: VolumeStudy, other: VolumeStudy) -> None:
    """Everything that is read of either is alike."""
    np.testing.assert_array_equal(one.volume.affine, other.volume.affine)
    for name in ("shape", "extents_mm", "sides_known", "places", "notes"):
        assert getattr(one.volume, name) == getattr(other.volume, name)
    for number in range(len(one.volume)):
        assert same(one.volume.read(number), other.volume.read(number))
    assert type(one.origin) is type(other.origin)
    if isinstance(one.origin, DicomGrid) and isinstance(other.origin, DicomGrid):
        assert (one.origin.shape, one.origin.turn) == (other.origin.shape, other.origin.turn)
        assert one.origin.identifiers == other.origin.identifiers
        assert one.origin.header(0) == other.origin.header(0)
        assert one.origin.patient() == other.origin.patient() == "Doe Jane"
    if isinstance(one.origin, NiftiGrid) and isinstance(other.origin, NiftiGrid):
        for mine, theirs in ((one.origin.sform, other.origin.sform), (one.origin.qform, other.origin.qform)):
            np.testing.assert_array_equal(mine.affine, theirs.affine)
            assert mine.code == theirs.code
        np.testing.assert_array_equal(one.origin.affine, other.origin.affine)
        assert one.origin.shape == other.origin.shape


def test_a_picture_is_read_as_in_this_process(reader: Reader) -> None:
    assert same(reader.decode_picture(PNG), decode_picture(PNG))


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param(series_bytes(PatientName="Doe^Jane"), id="series"),
        pytest.param([zip_bytes({f"{n}": c for n, c in enumerate(series_bytes(PatientName="Doe^Jane"))})], id="zip"),
        pytest.param(series_bytes(PatientName="Doe^Jane", ImageOrientationPatient=[0, 1, 0, 1, 0, 0]), id="turned"),
        pytest.param([slice_bytes(PatientName="Doe^Jane")], id="one slice"),
        pytest.param([slice_bytes(PatientName="Doe^Jane", PixelSpacing=None)], id="without spacing"),
        pytest.param([nifti_bytes()], id="NIfTI"),
        pytest.param([gzip.compress(nifti_bytes(codes=(0, 0)))], id="gzip, without codes"),
    ],
)
def test_a_volume_is_read_as_in_this_process(contents: list[bytes], reader: Reader, tmp_path: Path) -> None:
    files = sources(tmp_path / "upload", *contents)
    one, other = reader.open_study(files, tmp_path / "one"), open_study(files, tmp_path / "other")
    assert isinstance(one, VolumeStudy)
    assert isinstance(other, VolumeStudy)
    check_same(one, other)


def test_compressed_pixels_are_read_in_a_process_of_a_process(reader: Reader, tmp_path: Path) -> None:
    files = sources(tmp_path / "upload", compress(slice_bytes(), "JPEGLosslessProcess14_1"))
    study = reader.open_study(files, tmp_path / "unpacked")
    assert isinstance(study, VolumeStudy)
    np.testing.assert_array_equal(study.first_slice().pixels, phantom()[0])


def test_a_dicom_file_is_read_as_a_picture(reader: Reader, tmp_path: Path) -> None:
    files = sources(tmp_path / "upload", dicom_bytes(slice_dataset(phantom()[0]), NATIVE["implicit"]))
    read, expected = (
        open_it(files, tmp_path / name, as_picture=True)
        for name, open_it in (("one", reader.open_study), ("other", open_study))
    )
    assert isinstance(read, CtSlice)
    assert isinstance(expected, CtSlice)
    assert same(read, expected)


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (b"", EmptyFile, "0 bytes"),
        (b"Dear radiologist,", NotAnImage, "not a picture"),
        (PNG[:1000], DamagedImage, "cut short"),
    ],
)
def test_sentences_come_through(data: bytes, error: type[Exception], sentence: str, reader: Reader) -> None:
    with pytest.raises(error, match=sentence):
        reader.decode_picture(data)


def test_sentences_on_uploads_come_through(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        reader.open_study([], tmp_path / "a")
    with pytest.raises(NotCt, match="its modality is MR"):
        reader.open_study(sources(tmp_path / "upload", slice_bytes(Modality="MR")), tmp_path / "b")


def test_a_folder_without_room_is_the_servers_fault(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "unpacked.nii").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="no room left"):
        reader.open_study(sources(tmp_path / "upload", gzip.compress(nifti_bytes())), tmp_path)


def test_one_process_reads_many_files(own: Reader) -> None:
    own.decode_picture(PNG)
    pid = own.pid
    with pytest.raises(DamagedImage):
        own.decode_picture(PNG[:1000])
    own.decode_picture(PNG)
    assert own.pid == pid


def test_a_process_that_died_in_between_is_not_missed(own: Reader) -> None:
    own.decode_picture(PNG)
    end(own, signal.SIGKILL)
    assert same(own.decode_picture(PNG), decode_picture(PNG))


def test_a_process_that_grew_old_is_replaced(own: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.decode.guarded.MAX_FILES", 2)
    pids = []
    for _ in range(4):
        own.decode_picture(PNG)
        pids.append(own.pid)
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_file_that_takes_too_long_is_too_large() -> None:
    with Reader(replace(SLICE, open_s=0.3)) as reader:
        reader.warm_up()
        reader._ready()
        os.kill(reader.pid or 0, signal.SIGSTOP)
        with pytest.raises(TooLarge, match="took longer than"):
            reader.decode_picture(PNG)
        assert reader.pid is None


def test_a_process_that_is_killed_over_a_file_costs_that_file(own: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def take_and_die(process: subprocess.Popen[bytes], question: bytes) -> Message:
        process.kill()
        process.wait()
        return parse(guarded._pipes(process)[1].readline())

    with monkeypatch.context() as patch:
        patch.setattr(guarded, "_exchange", take_and_die)
        with pytest.raises(DamagedImage, match="ended the process that read it"):
            own.decode_picture(PNG)
    assert own.decode_picture(PNG).shape == (512, 512)


def gone_before(times: int) -> Callable[[subprocess.Popen[bytes], bytes], Message]:
    """Return an exchange before which the process is killed, so many times."""
    exchange, left = guarded._exchange, [True] * times

    def kill_and_exchange(process: subprocess.Popen[bytes], question: bytes) -> Message:
        if left:
            left.pop()
            process.kill()
            process.wait()
        return exchange(process, question)

    return kill_and_exchange


def test_a_file_that_a_killed_process_never_saw_is_read_by_another(
    own: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(guarded, "_exchange", gone_before(1))
    assert own.decode_picture(PNG).shape == (512, 512)
    monkeypatch.setattr(guarded, "_exchange", gone_before(1))
    study = own.open_study(sources(tmp_path / "upload", *series_bytes(range(3))), tmp_path / "unpacked")
    assert isinstance(study, VolumeStudy)
    np.testing.assert_array_equal(study.volume.read(1).pixels, phantom()[1])


def test_where_no_process_lives_the_file_is_not_blamed(own: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "_exchange", gone_before(2))
    with pytest.raises(Busy, match="cannot read files now"):
        own.decode_picture(PNG)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not hold a process to the limit of its address space")
def test_a_file_that_needs_too_much_memory_is_refused() -> None:
    # Its libraries alone have 340 MB; ten million pixels in colours need some 200 MB more.
    with Reader(replace(SLICE, memory_mb=440)) as reader:
        assert reader.decode_picture(PNG).shape == (512, 512)
        with pytest.raises((TooLarge, DamagedImage)):
            reader.decode_picture(large_picture())
        assert reader.decode_picture(PNG).shape == (512, 512)


def large_picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (4000, 2500)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_volume_goes_on_after_its_process_died(tmp_path: Path) -> None:
    files = sources(tmp_path / "upload", gzip.compress(nifti_bytes()))
    with Reader(VOLUME) as reader:
        study = reader.open_study(files, tmp_path / "unpacked")
        assert isinstance(study, VolumeStudy)
        expected = phantom()
        for number in range(len(study.volume)):
            np.testing.assert_array_equal(study.volume.read(number).pixels, expected[number])
            if number < 3:
                end(reader, signal.SIGKILL)
        end(reader, signal.SIGKILL)
        with pytest.raises(DamagedImage, match="ended the process"):
            study.volume.read(0)


def test_a_second_upload_does_not_pass_for_the_first(own: Reader, tmp_path: Path) -> None:
    first = own.open_study(sources(tmp_path / "a", *series_bytes(range(3))), tmp_path / "one")
    second = own.open_study(sources(tmp_path / "b", *series_bytes(range(2, 5))), tmp_path / "two")
    assert isinstance(first, VolumeStudy)
    assert isinstance(second, VolumeStudy)
    np.testing.assert_array_equal(first.volume.read(0).pixels, phantom()[0])
    np.testing.assert_array_equal(second.volume.read(0).pixels, phantom()[2])


def test_the_process_ends_with_its_reader() -> None:
    reader = Reader()
    reader.warm_up()
    process = reader._process
    assert process is not None
    del reader
    gc.collect()
    assert process.poll() is not None


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_the_process_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDGLASS_SECRET", "4711")
    with Reader() as reader:
        reader._ready()
        assert reader.pid is not None
        assert b"4711" not in environment_of(reader.pid)
        assert b"PYTHONPATH" in environment_of(reader.pid)
