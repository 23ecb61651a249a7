"""Which studies are found, and where they are not to be."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RawDataStorage,
    generate_uid,
)

from model.batch.addresses import out_of, place_of, places_of
from model.batch.find import find_studies
from model.batch.headers import Header, read_header
from model.batch.index import Index
from model.batch.place import DRAFTS, MARK, BadPlace, Entry, Place
from model.batch.studies import Study
from model.phantom import phantom_png

SERIES = generate_uid(entropy_srcs=["a series"])


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans"


def found_in(*sources: Path) -> list[Study]:
    with Index(sources[0].parent / "index.sqlite") as opened:
        find_studies(places_of([str(source) for source in sources]), opened)
        return list(opened.studies())


def paths_in(*sources: Path) -> list[tuple[str, ...]]:
    return [study.paths for study in found_in(*sources)]


def write_dicom(
    file: Path, series: str = SERIES, modality: str = "CT", *, patient: str = "", deflated: bool = False, long: int = 0
) -> None:
    """Write the header of a slice, with a private element of so many bytes before what tells its series."""
    file.parent.mkdir(parents=True, exist_ok=True)
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian if deflated else ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.SeriesInstanceUID, dataset.Rows = modality, series, 4
    dataset.PatientID = patient
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["a study"])
    if long:
        dataset.private_block(0x0009, "long", create=True).add_new(1, "OB", bytes(long))
    dataset.save_as(file, enforce_file_format=True)


def test_pictures_and_volumes_are_one_each_and_other_files_none(scans: Path) -> None:
    for name in ("b/A.PNG", "a.jpg", "scan.nii", "deep/er/scan.nii.gz", "series.zip", "notes.txt", "table.csv"):
        (scans / name).parent.mkdir(parents=True, exist_ok=True)
        (scans / name).write_bytes(b"whatever")
    studies = found_in(scans)
    assert [(study.kind, *study.paths) for study in studies] == [
        ("picture", "a.jpg"),
        ("picture", "b/A.PNG"),
        ("volume", "deep/er/scan.nii.gz"),
        ("volume", "scan.nii"),
        ("volume", "series.zip"),
    ]
    assert len({study.name for study in studies}) == 5


def test_a_series_is_one_wherever_its_files_lie(scans: Path) -> None:
    for name in ("one/1", "one/2.dcm", "two/3.ima"):
        write_dicom(scans / name)
    write_dicom(scans / "one" / "other", generate_uid(entropy_srcs=["another"]))
    studies = found_in(scans)
    assert sorted(study.paths for study in studies) == [("one/1", "one/2.dcm", "two/3.ima"), ("one/other",)]
    assert {study.where for study in studies} == {".", "one/other"}


def test_a_series_that_grows_keeps_its_name_and_is_read_again(scans: Path) -> None:
    write_dicom(scans / "1")
    (before,) = found_in(scans)
    write_dicom(scans / "more" / "2")
    (after,) = found_in(scans)
    assert before.name == after.name
    assert before.version("") != after.version("")


@pytest.mark.parametrize("how", [{"deflated": True}, {"long": 300_000}], ids=["deflated", "long"])
def test_unusual_headers_tell_their_series_too(how: dict[str, int], scans: Path) -> None:
    for name in ("1", "2"):
        write_dicom(scans / name, **how)  # type: ignore[arg-type]
    assert paths_in(scans) == [("1", "2")]


@pytest.mark.parametrize("series", ["", "0.0.0.0.0", "1.2.3"])
def test_without_a_name_a_series_is_what_lies_in_one_folder(series: str, scans: Path) -> None:
    for name in ("a/1", "a/2", "b/1"):
        write_dicom(scans / name, series)
    assert paths_in(scans) == [("a/1", "a/2"), ("b/1",)]


@pytest.mark.parametrize("modality", ["RTSTRUCT", "SR", "SEG", "PR"])
def test_what_is_made_of_images_is_no_study(modality: str, scans: Path) -> None:
    write_dicom(scans / "1", modality=modality)
    assert paths_in(scans) == []


def test_what_tells_no_series_belongs_to_the_only_one_of_its_folder(scans: Path) -> None:
    for name in ("a/1.dcm", "b/1"):
        write_dicom(scans / name)
    write_dicom(scans / "b" / "2", generate_uid(entropy_srcs=["another"]))
    whole = (scans / "a" / "1.dcm").read_bytes()
    for folder in ("a", "b", "c"):
        (scans / folder).mkdir(exist_ok=True)
        (scans / folder / "cut").write_bytes(whole[:200])
        (scans / folder / "text.dcm").write_text("no DICOM")
    found = [(study.kind, *study.paths) for study in found_in(scans)]
    assert found == [
        ("series", "a/1.dcm", "a/cut", "a/text.dcm", "b/1"),
        ("series", "b/2"),
        ("dicom", "b/cut"),
        ("dicom", "b/text.dcm"),
        ("dicom", "c/cut"),
        ("dicom", "c/text.dcm"),
    ]


def test_two_patients_are_two_studies_though_their_series_have_one_name(scans: Path) -> None:
    for name in ("1", "2"):
        write_dicom(scans / name, patient=name)
    assert paths_in(scans) == [("1",), ("2",)]
    # Nobody needs to see who they are.
    write_dicom(scans / "3", patient="Mustermann")
    found_in(scans)
    assert b"Mustermann" not in (scans.parent / "index.sqlite").read_bytes()


def test_what_is_deflated_is_unpacked_no_further_than_needed(scans: Path) -> None:
    write_dicom(scans / "1", deflated=True, long=300_000_000)
    tracemalloc.start()
    assert paths_in(scans) == [("1",)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_results_of_a_batch_are_no_study_but_scans_beside_them_are(scans: Path) -> None:
    results = ("rows/a.png", "studies/b/mask.png", "results.csv", "index-1-of-2.sqlite", f"{DRAFTS}/c.png")
    for name in ("a.png", "out/scans/b.png", "out/rows.png", *(f"out/{name}" for name in results)):
        (scans / name).parent.mkdir(parents=True, exist_ok=True)
        (scans / name).touch()
    assert len(paths_in(scans)) == 6
    (scans / "out" / MARK).touch()
    assert paths_in(scans) == [("a.png",), ("out/rows.png",), ("out/scans/b.png",)]


def test_a_file_that_is_cut_short_belongs_to_the_series_that_it_names(scans: Path) -> None:
    other = generate_uid(entropy_srcs=["another"])
    for name, series in (("1", SERIES), ("2", SERIES), ("3", other)):
        write_dicom(scans / name, series)
    whole = (scans / "2").read_bytes()
    # Before the rows, which come last.
    (scans / "2").write_bytes(whole[: whole.index(b"\x28\x00\x10\x00")])
    assert paths_in(scans) == [("1", "2"), ("3",)]


def test_raw_data_and_what_macos_adds_are_no_studies(scans: Path) -> None:
    write_dicom(scans / "1")
    for name in ("._1", "._a.png", "__MACOSX/b.png"):
        (scans / name).parent.mkdir(exist_ok=True)
        (scans / name).write_bytes(b"\0\5\x16\7")
    raw = pydicom.dcmread(scans / "1")
    raw.SOPClassUID, raw.SeriesInstanceUID = RawDataStorage, generate_uid()
    del raw.Rows
    raw.save_as(scans / "raw")
    assert paths_in(scans) == [("1",)]


def test_links_are_followed_once(scans: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").touch()
    (scans / "link").symlink_to(tmp_path / "elsewhere")
    (scans / "same").symlink_to(tmp_path / "elsewhere")
    (scans / "around").symlink_to(scans)
    assert paths_in(scans) == [("link/a.png",)]


def test_what_the_system_refuses_is_told(scans: Path) -> None:
    (scans / "gone.png").symlink_to(scans / "nowhere")
    (scans / "loop").symlink_to(scans / "loop")
    os.mkfifo(scans / "pipe.png")
    (Path(os.fsdecode(os.fsencode(scans) + b"/odd\xff.png"))).touch()
    told = {study.paths[0]: study.problem for study in found_in(scans)}
    assert told == {
        "gone.png": "The file cannot be read: No such file or directory.",
        "loop": "The file cannot be read: Too many levels of symbolic links.",
        "odd\\xff.png": "The name of the file, or of its folder, is not in UTF-8: rename it.",
    }


def test_a_folder_that_may_not_be_listed_is_told(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scans / "shut").mkdir()
    (scans / "a.png").touch()
    iterdir = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        # Root may read whatever its mode says.
        if folder.name == "shut":
            raise PermissionError(13, "Permission denied")
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    told = [(study.kind, study.paths[0], study.problem) for study in found_in(scans)]
    assert told == [("picture", "a.png", ""), ("folder", "shut", "The folder cannot be read: Permission denied.")]


def test_only_what_is_new_or_changed_is_looked_at_again(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1", "2", "3"):
        write_dicom(scans / name)
    assert paths_in(scans) == [("1", "2", "3")]
    looked = []

    def look(place: Place, entry: Entry) -> Header:
        looked.append(entry.path)
        return read_header(place, entry)

    monkeypatch.setattr("model.batch.find.read_header", look)
    write_dicom(scans / "2", long=10)
    write_dicom(scans / "4")
    (scans / "3").unlink()
    assert paths_in(scans) == [("1", "2", "4")]
    assert sorted(looked) == ["2", "4"]


def test_sources_in_one_another_are_read_once(scans: Path) -> None:
    (scans / "below").mkdir()
    (scans / "below" / "a.png").write_bytes(phantom_png("one"))
    assert paths_in(scans, scans / "below", scans, scans / "below" / "a.png") == [("below/a.png",)]
    assert paths_in(scans / "below" / "a.png") == [("a.png",)]


def test_a_source_and_a_link_to_it_are_read_once(scans: Path, tmp_path: Path) -> None:
    (scans / "a.png").touch()
    (tmp_path / "link").symlink_to(scans)
    assert paths_in(tmp_path / "link", scans) == [("a.png",)]
    with pytest.raises(BadPlace, match="is read already"):
        out_of(str(tmp_path / "link"), places_of([str(scans)]))


@pytest.mark.parametrize("address", ["", "http://host/x", "s3://", "://x", "file://"])
def test_addresses_of_nothing_are_refused(address: str) -> None:
    with pytest.raises(BadPlace, match="is no address that can be used"):
        place_of(address)


def test_names_that_look_like_addresses_are_paths(scans: Path) -> None:
    (scans / "a::b").mkdir()
    (scans / "a::b" / "c:d.png").touch()
    assert paths_in(scans / "a::b") == [("c:d.png",)]
    assert out_of(f"file://{scans}/a::b", []).address == f"{scans}/a::b"
