from __future__ import annotations

import errno
import gzip
import io
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from model.decode.archive import unpack_zip
from model.decode.ct import CtSlice, CtVolume
from model.decode.kinds import SourceFile
from model.decode.study import VolumeStudy
from model.errors import DamagedImage, InputError, NotAnImage, StorageError, TooLarge
from model.phantom import phantom_png
from tests.phantoms import (
    SLICES,
    dicom_bytes,
    nifti_bytes,
    opened,
    phantom,
    read_all,
    series_bytes,
    slice_bytes,
    slice_dataset,
    values_of,
    volume_of,
    zip_bytes,
)

SERIES = {f"scan/series 2/IM{number}": content for number, content in enumerate(series_bytes())}


def assert_is_phantom(volume: CtVolume) -> None:
    np.testing.assert_array_equal(values_of(volume), phantom())


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_series_is_read_from_a_zip_file(method: int, tmp_path: Path) -> None:
    volume = volume_of(tmp_path, zip_bytes(SERIES, method))
    assert_is_phantom(volume)
    assert volume.notes == ()


def test_of_all_that_lies_in_a_zip_file_the_largest_series_is_read(tmp_path: Path) -> None:
    others = {
        "README.txt": b"Notes",
        "scan/empty": b"",
        "__MACOSX/scan/._IM0": slice_bytes(),
        "scan/report.pdf": b"%PDF-1.7",
        "scan/inner.zip": zip_bytes({"a": b"b"}),
        "scan/key.png": phantom_png("one"),
        "scan/series 1/IM0": slice_bytes(0, SeriesInstanceUID="1.7", SeriesDescription="Thin"),
        "scan/DICOMDIR": slice_bytes(SOPClassUID="1.2.840.10008.1.3.10"),
    }
    volume = volume_of(tmp_path, zip_bytes(others | SERIES))
    assert_is_phantom(volume)
    assert volume.notes == (
        "Of 2 series the largest was read: “Lung 5.0” (5 slices). Left out: “Thin” (1).",
        "1 file was left out. This file is a DICOM directory, not a scan.",
        "1 other file was left out: only the DICOM part was read.",
        "4 files of the zip file left out: no image.",
        "1 file of the zip file left out: a zip file inside the zip file.",
    )


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_volume_is_read_from_a_zip_file(name: str, tmp_path: Path) -> None:
    content = gzip.compress(nifti_bytes()) if name.endswith("gz") else nifti_bytes()
    volume = volume_of(tmp_path, zip_bytes({"notes.txt": b"Notes", name: content}))
    assert_is_phantom(volume)
    assert volume.notes == ("1 file of the zip file left out: no image.",)


def test_a_picture_is_read_from_a_zip_file(tmp_path: Path) -> None:
    picture = opened(tmp_path, zip_bytes({"a.png": phantom_png("one")}))
    assert isinstance(picture, CtSlice)


def test_a_dicom_file_in_a_zip_file_is_a_plain_picture_where_it_is_asked_for(tmp_path: Path) -> None:
    picture = opened(tmp_path, zip_bytes({"a": slice_bytes(Modality="OT")}), as_picture=True)
    assert isinstance(picture, CtSlice)
    assert picture.shape == (40, 36)


HOSTILE_NAMES = ["../../escape", "/etc/escape", "C:\\escape", "a/../../../escape", "x" * 5000, "\u202egpj.a", "con\n\r"]


def test_no_name_becomes_a_path(tmp_path: Path) -> None:
    contents = dict(zip(HOSTILE_NAMES, series_bytes() + [slice_bytes(1)] * 2, strict=True))
    before = set(tmp_path.parent.iterdir())
    volume = volume_of(tmp_path / "deep" / "folder", zip_bytes(contents))
    assert_is_phantom(volume)
    assert set(tmp_path.parent.iterdir()) == before
    assert [path.name for path in (tmp_path / "deep" / "folder").iterdir()] in (
        ["upload", "unpacked"],
        ["unpacked", "upload"],
    )
    assert {path.name for path in (tmp_path / "deep" / "folder" / "unpacked").iterdir()} == {
        f"{number:05d}" for number in range(7)
    }


def test_links_in_a_zip_file_are_not_followed(tmp_path: Path) -> None:
    buffer = io.BytesIO(zip_bytes(SERIES))
    with zipfile.ZipFile(buffer, "a") as archive:
        link = zipfile.ZipInfo("scan/link")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    volume = volume_of(tmp_path, buffer.getvalue())
    assert_is_phantom(volume)
    assert volume.notes == ("1 file of the zip file left out: a link.",)


def _flagged(content: bytes, *, flags: int = 0, method: int | None = None) -> bytes:
    """Change the flags or the method of each file of a zip file, before it and in the list."""
    changed = bytearray(content)
    for mark, at_flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(mark)
        while at >= 0:
            changed[at + at_flags] |= flags
            if method is not None:
                changed[at + at_flags + 2] = method
            at = changed.find(mark, at + 4)
    return bytes(changed)


def test_an_encrypted_zip_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="protected by a password. Pack it again without one"):
        opened(tmp_path, _flagged(zip_bytes(SERIES), flags=1))


@pytest.mark.parametrize("method", [9, 12, 14, 93, 98], ids=["Deflate64", "bzip2", "LZMA", "Zstandard", "PPMd"])
def test_another_method_of_packing_is_refused(method: int, tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="packed by a method that is not read. Pack it again"):
        opened(tmp_path, _flagged(zip_bytes(SERIES, zipfile.ZIP_STORED), method=method))


def test_a_bomb_is_refused_while_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.decode.archive.MAX_UNPACKED_MB", 3)
    bomb = zip_bytes({"a": slice_bytes() + bytes(2_000_000), "b": slice_bytes() + bytes(2_000_000)})
    assert len(bomb) < 20_000
    with pytest.raises(TooLarge, match="more than 3 MB, the most that is read. Send one series at a time"):
        opened(tmp_path, bomb)
    assert sum(path.stat().st_size for path in (tmp_path / "unpacked").iterdir()) <= 3_000_000


def test_a_bomb_that_states_a_small_size_is_damaged(tmp_path: Path) -> None:
    content = bytearray(zip_bytes({"a": slice_bytes() + bytes(2_000_000)}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    with pytest.raises(InputError):
        read_all(opened(tmp_path, bytes(content)))
    assert all(path.stat().st_size <= 1000 for path in (tmp_path / "unpacked").iterdir())


def test_files_that_are_no_images_do_not_count_as_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.decode.archive.MAX_UNPACKED_MB", 1)
    assert_is_phantom(volume_of(tmp_path, zip_bytes({"video": bytes(5_000_000)} | SERIES)))


def test_too_many_files_are_refused_before_they_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.decode.archive.MAX_MEMBERS", SLICES - 1)
    with pytest.raises(TooLarge, match="holds more than 4 files"):
        opened(tmp_path, zip_bytes(SERIES))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (zip_bytes({}), "holds no DICOM, NIfTI or picture file"),
        (zip_bytes({"folder/": b""}), "holds no DICOM, NIfTI or picture file"),
        (zip_bytes({"a.txt": b"hello"}), "holds no DICOM, NIfTI or picture file"),
        (zip_bytes({"inner.zip": zip_bytes(SERIES)}), "holds no DICOM, NIfTI or picture file"),
        (zip_bytes({"a.nii": nifti_bytes(), "b.nii": nifti_bytes()}), "2 volumes were sent. Send one at a time"),
        (zip_bytes({"a.png": phantom_png("one"), "b.png": phantom_png("many")}), "2 pictures were sent"),
    ],
)
def test_a_zip_file_without_one_scan_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match=sentence):
        opened(tmp_path, content)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_zip_file_is_damaged(share: float, tmp_path: Path) -> None:
    content = zip_bytes(SERIES)
    with pytest.raises(DamagedImage, match="The zip file is damaged or was cut short. Pack it again."):
        opened(tmp_path, content[: int(len(content) * share)])


def _with_damage(files: dict[str, bytes], *names: str) -> bytes:
    """Return a zip file in which a byte of some of the files was changed after it was packed."""
    content = bytearray(zip_bytes(files, zipfile.ZIP_STORED))
    for name in names:
        content[content.index(files[name]) + 900] ^= 0x55
    return bytes(content)


# Of a size that is not unpacked in one go, as real slices are not.
LARGE = np.tile(phantom()[0], (2, 2))
TEN = {f"IM{number}": dicom_bytes(slice_dataset(LARGE, number)) for number in range(10)}


def test_a_damaged_slice_of_a_zip_file_is_left_out_and_told(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, _with_damage(TEN, "IM4"))
    assert len(volume) == 9
    assert volume.notes[0].startswith("1 slice seems to be missing")
    assert volume.notes[1] == "1 file of the zip file left out: a DICOM file that is damaged."


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_file_with_a_damaged_slice_of_few_is_damaged(method: int, tmp_path: Path) -> None:
    content = bytearray(zip_bytes(SERIES, method))
    content[len(content) // 2] ^= 0x55
    with pytest.raises(DamagedImage, match="zip file is damaged|1 of 5 DICOM files are damaged"):
        opened(tmp_path, bytes(content))


def test_a_zip_file_with_many_damaged_slices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedImage, match="2 of 10 DICOM files are damaged"):
        opened(tmp_path, _with_damage(TEN, "IM4", "IM7"))


@pytest.mark.parametrize("files", [{"a": TEN["IM0"]}, {"a": nifti_bytes()}], ids=["DICOM", "NIfTI"])
def test_a_zip_file_whose_only_file_is_damaged_is_damaged(files: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(DamagedImage, match="The zip file is damaged or was cut short"):
        opened(tmp_path, _with_damage(files, "a"))


def test_a_full_disk_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    real = Path.open

    def open_(path: Path, mode: str = "r") -> object:
        return Full() if mode == "wb" else real(path, mode)

    contents = zip_bytes(SERIES)
    folder = tmp_path / "upload"
    folder.mkdir()
    (folder / "a").write_bytes(contents)
    monkeypatch.setattr(Path, "open", open_)
    with pytest.raises(StorageError, match="no room left"):
        unpack_zip(SourceFile(folder / "a", "a.zip"), tmp_path)


def test_a_zip_file_among_other_files_is_left_out(tmp_path: Path) -> None:
    study = opened(tmp_path, *series_bytes(), zip_bytes(SERIES))
    assert isinstance(study, VolumeStudy)
    assert study.volume.notes == ("1 other file was left out: only the DICOM part was read.",)


def test_several_zip_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="2 zip files were sent. Send one zip file at a time"):
        opened(tmp_path, zip_bytes(SERIES), zip_bytes(SERIES))
