from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from tests.training.drawn import write_png
from training.convert.volumes import to_gray
from training.data.dataset import read_gray, read_manifest, read_sample
from training.prepare import COLUMNS, main

SHAPE = (40, 48, 5)
"""The phantom: x from the patient's left to right, y from back to front, z from feet to head."""

Voxels = NDArray[Any]


def body() -> Voxels:
    """Air, soft tissue, and a bright mark at the patient's right, in front, near the head."""
    voxels = np.full(SHAPE, -1000, np.int16)
    voxels[4:39, 4:46, :] = 40
    voxels[37, 44, 3] = 400
    return voxels


def marked(*positions: tuple[int, int, int], value: int = 1) -> Voxels:
    voxels = np.zeros(SHAPE, np.uint8)
    for position in positions:
        voxels[position] = value
    return voxels


def save(file: Path, voxels: Voxels, codes: str = "RAS") -> None:
    """Write RAS voxels, 1 mm, in the given orientation; the same voxels lie at the same place of the patient."""
    file.parent.mkdir(exist_ok=True)
    image = nibabel.Nifti1Image(voxels, np.eye(4))
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    nibabel.save(image.as_reoriented(turn), file)


def run(folder: Path, kind: str = "volumes", *more: str) -> list[dict[str, str]]:
    """Prepare what lies in scans/, masks/ and, if it exists, lungs/; return the lines of the manifest."""
    lungs = ["--lungs", str(folder / "lungs")] if (folder / "lungs").exists() else []
    folders = ["--scans", str(folder / "scans"), "--masks", str(folder / "masks"), "--out", str(folder / "out")]
    main([kind, *folders, *lungs, "--source", "here", "--validation-share", "0", *more])
    with (folder / "out" / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def complaint(folder: Path, capsys: pytest.CaptureFixture[str], kind: str = "volumes", *more: str) -> str:
    """Prepare in vain; return what is said on standard error."""
    with pytest.raises(SystemExit) as stopped:
        run(folder, kind, *more)
    assert stopped.value.code == 1
    assert not (folder / "out" / "index.csv").exists()
    return capsys.readouterr().err


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """A folder with one scan and its mask."""
    save(tmp_path / "scans" / "a.nii.gz", body())
    save(tmp_path / "masks" / "a.nii", marked((37, 44, 3)))
    return tmp_path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with two pictures of 6×9 and their masks."""
    for number in (1, 2):
        write_png(tmp_path / "scans" / f"f{number}.png", np.full((6, 9), 50 * number, np.uint8))
        mask = np.zeros((6, 9), np.uint8)
        mask[1, : 2 * number] = 255
        write_png(tmp_path / "masks" / f"f{number}.png", mask)
    return tmp_path


@pytest.mark.parametrize("scan_codes", ["RAS", "LPS", "LAS", "RPI", "PIR"])
@pytest.mark.parametrize("mask_codes", ["RAS", "LPS"])
def test_slices_come_out_as_displayed_however_they_are_stored(scan_codes: str, mask_codes: str, tmp_path: Path) -> None:
    save(tmp_path / "scans" / "a.nii.gz", body(), scan_codes)
    save(tmp_path / "masks" / "a.nii.gz", marked((37, 44, 3)), mask_codes)
    lines = run(tmp_path)
    assert [line["slice"] for line in lines] == ["0", "1", "2", "3", "4"]
    sample = read_sample(read_manifest(tmp_path / "out" / "index.csv")[3])
    # 48 rows, 40 columns; x = 37 of 0 ... 39 is column 2: the patient's right is on the left. y = 44 of 0 ... 47 is
    # row 3: the front is on top.
    assert sample.image.shape == (48, 40)
    assert np.argwhere(sample.image == 255).tolist() == [[3, 2]]
    assert np.argwhere(sample.lesion == 255).tolist() == [[3, 2]]


def test_a_volume_stored_from_left_to_right_by_hand_is_not_mirrored(tmp_path: Path) -> None:
    # No help of nibabel: LPS is RAS with two axes reversed, and its origin at the other corner.
    for name, voxels in (("scans", body()), ("masks", marked((37, 44, 3)))):
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])
        affine[:2, 3] = 39.0, 47.0
        (tmp_path / name).mkdir()
        nibabel.save(nibabel.Nifti1Image(voxels[::-1, ::-1], affine), tmp_path / name / "a.nii")
    run(tmp_path)
    image = read_gray(tmp_path / "out" / "images" / "a_z003.png")
    assert np.argwhere(image == 255).tolist() == [[3, 2]]


def test_a_line_says_all_that_the_manifest_has(volumes: Path) -> None:
    save(volumes / "lungs" / "a.nii.gz", marked((10, 10, 3), value=2) + marked((5, 10, 3)))
    line = run(volumes)[3]
    assert tuple(line) == COLUMNS
    assert line == {
        "image": "images/a_z003.png",
        "mask": "masks/a_z003.png",
        "lung": "lungs/a_z003.png",
        "source": "here",
        "patient": "a",
        "volume": "a",
        "slice": "3",
        "lesion_px": "1",
        "mask_resolution": "48",
        "split": "train",
    }


def test_both_labels_of_the_lungs_are_lung(volumes: Path) -> None:
    save(volumes / "lungs" / "a.nii.gz", marked((10, 10, 3), value=2) + marked((5, 10, 3)))
    run(volumes)
    lung = read_gray(volumes / "out" / "lungs" / "a_z003.png")
    assert np.count_nonzero(lung == 255) == 2
    assert set(np.unique(lung)) == {0, 255}


def test_a_lung_mask_may_be_missing(volumes: Path) -> None:
    save(volumes / "scans" / "b.nii.gz", body())
    save(volumes / "masks" / "b.nii.gz", marked())
    save(volumes / "lungs" / "b.nii.gz", marked((5, 10, 3)))
    run(volumes)
    rows = read_manifest(volumes / "out" / "index.csv")
    assert [row.lung is None for row in rows] == [True] * 5 + [False] * 5


def test_it_lists_every_orphan(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stem in ("b", "c"):
        save(volumes / "scans" / f"{stem}.nii", body())
    said = complaint(volumes, capsys)
    assert "2 files have no mask in" in said
    assert "b.nii" in said and "c.nii" in said and "a.nii" not in said


@pytest.mark.parametrize("folder", ["masks", "lungs"])
def test_it_refuses_a_mask_without_a_scan(folder: str, volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(volumes / folder / "b.nii", marked())
    assert "1 file has no scan in" in complaint(volumes, capsys)


def test_it_refuses_two_files_of_one_stem(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(volumes / "scans" / "a.nii", body())
    assert "a.nii and a.nii.gz: remove or rename" in complaint(volumes, capsys)


def test_it_refuses_an_empty_folder(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (volumes / "masks" / "a.nii").rename(volumes / "masks" / ".a.nii")
    assert "holds no file that ends in .nii, .nii.gz" in complaint(volumes, capsys)


def test_it_refuses_a_folder_that_does_not_exist(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (volumes / "scans").rename(volumes / "elsewhere")
    assert "scans" in complaint(volumes, capsys)


@pytest.mark.parametrize(
    ("voxels", "sentence"),
    [
        (np.stack([body(), body()], axis=-1), "a.nii.gz: This NIfTI file has the dimensions 40 × 48 × 5 × 2"),
        (body() + 1024, "a.nii.gz: The values of this volume go from 24 to 1424: no Hounsfield units"),
        (to_gray(body().astype(np.float32), "a"), "a.nii.gz: The values lie between 0 and 255"),
        (np.full(SHAPE, -1000, np.int16), "from -1000 to -1000: no Hounsfield units"),
        (np.where(body() < 0, np.nan, 40.0).astype(np.float32), "a.nii.gz: Some values are no numbers"),
        (np.where(body() < 0, -np.inf, 40.0).astype(np.float32), "a.nii.gz: Some values are no numbers"),
        (body()[:-1], "a.nii: the mask is (5, 48, 40) (slices, height, width), the scan (5, 48, 39)"),
    ],
    ids=["4D", "stored values", "gray values", "air alone", "NaN", "infinite", "another shape"],
)
def test_it_refuses_a_wrong_scan(
    voxels: Voxels, sentence: str, volumes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), volumes / "scans" / "a.nii.gz")
    assert sentence in complaint(volumes, capsys)


def test_it_refuses_implausible_values_wherever_they_are(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Serving looks at some slices of a long volume; training holds all of them against Hounsfield units.
    voxels = np.tile(body().astype(np.int32), (1, 1, 20))
    voxels[5, 5, 1] = 100_000
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), volumes / "scans" / "a.nii.gz")
    assert "a.nii.gz holds values from -1000 to 100000" in complaint(volumes, capsys)


def test_it_refuses_a_mask_that_holds_no_numbers(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(volumes / "masks" / "a.nii", np.where(marked((37, 44, 3)), 1.0, np.nan).astype(np.float32))
    assert "a.nii: Some values are no numbers" in complaint(volumes, capsys)


def test_it_refuses_a_mask_that_lies_elsewhere(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The header of the mask was lost and replaced: read by it, the mask would be mirrored.
    image = nibabel.Nifti1Image(marked((37, 44, 3)), np.diag([-1.0, -1.0, 1.0, 1.0]))
    nibabel.save(image, volumes / "masks" / "a.nii")
    assert "a.nii: the mask lies" in complaint(volumes, capsys)


def test_it_refuses_a_scan_that_does_not_tell_left_from_right(
    volumes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nibabel.Nifti1Image(body(), None)
    nibabel.save(image, volumes / "scans" / "a.nii.gz")
    assert "does not say which side is which" in complaint(volumes, capsys)


@pytest.mark.parametrize("content", [b"", b"no volume at all" * 40, None], ids=["empty", "text", "cut short"])
def test_it_refuses_a_damaged_file(content: bytes | None, volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = volumes / "scans" / "a.nii.gz"
    scan.write_bytes(scan.read_bytes()[:-60] if content is None else content)
    said = complaint(volumes, capsys)
    assert "a.nii.gz: " in said
    assert "damaged" in said


def test_it_asks_which_of_several_labels_are_lesion(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(volumes / "masks" / "a.nii", marked((3, 4, 0)) + marked((37, 44, 3), value=3))
    assert "a.nii holds 2 labels (1, 3) beside 0" in complaint(volumes, capsys)
    assert [line["lesion_px"] for line in run(volumes, "volumes", "--lesion-labels", "3")] == list("00010")


def test_it_does_not_overwrite_a_manifest(volumes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(volumes)
    with pytest.raises(SystemExit):
        run(volumes)
    assert "index.csv exists already" in capsys.readouterr().err


def test_pictures_are_taken_as_they_are(pictures: Path) -> None:
    lines = run(pictures, "pictures")
    assert [line["lesion_px"] for line in lines] == ["2", "4"]
    assert [line["mask_resolution"] for line in lines] == ["9", "9"]
    sample = read_sample(read_manifest(pictures / "out" / "index.csv")[1])
    assert np.array_equal(sample.image, np.full((6, 9), 100, np.uint8))
    assert np.count_nonzero(sample.lesion == 255) == 4


def test_pictures_of_a_patient_are_counted(pictures: Path) -> None:
    table = pictures / "patients.csv"
    table.write_text("stem,patient,split\nf2,jo,val\nf1,jo,val\n", encoding="utf-8-sig")
    lines = run(pictures, "pictures", "--patients", str(table))
    assert [(line["volume"], line["slice"], line["split"]) for line in lines] == [
        ("jo", "0", "val"),
        ("jo", "1", "val"),
    ]


def test_pictures_may_have_lung_masks(pictures: Path) -> None:
    write_png(pictures / "lungs" / "f2.png", np.full((6, 9), 7, np.uint8))
    run(pictures, "pictures")
    assert read_gray(pictures / "out" / "lungs" / "f2.png").min() == 255


def test_a_picture_and_its_mask_may_differ_in_kind(pictures: Path) -> None:
    coloured = np.full((6, 9, 3), 80, np.uint8)
    (pictures / "scans" / "f1.png").rename(pictures / "scans" / "f1.bmp")
    (pictures / "scans" / "f1.bmp").write_bytes(bytes(cv2.imencode(".bmp", coloured)[1]))
    run(pictures, "pictures")
    assert np.array_equal(read_gray(pictures / "out" / "images" / "f1.png"), coloured[..., 0])


@pytest.mark.parametrize(
    ("name", "picture", "sentence"),
    [
        ("scans/f1.png", np.zeros((6, 9), np.uint16), "is uint16, not 8 bit"),
        ("scans/f1.png", np.zeros((9, 6), np.uint8), "the mask is (6, 9) (height, width), the scan (9, 6)"),
        ("masks/f1.png", np.arange(54, dtype=np.uint8).reshape(6, 9), "f1.png holds 53 labels"),
    ],
    ids=["16 bit", "another shape", "a mask with edges"],
)
def test_it_refuses_a_wrong_picture(
    name: str, picture: Voxels, sentence: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(pictures / name, picture)
    assert sentence in complaint(pictures, capsys, "pictures")


def test_it_refuses_a_file_that_is_no_picture(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pictures / "masks" / "f2.png").write_text("no picture")
    assert "f2.png does not exist or is no picture" in complaint(pictures, capsys, "pictures")


def test_the_recipe_lies_beside_the_manifest(volumes: Path) -> None:
    run(volumes)
    assert json.loads((volumes / "out" / "prepare.json").read_text()) == {
        "kind": "volumes",
        "source": "here",
        "lesion_labels": [],
        "window_hu": [-1250.0, 250.0],
        "crop_lungs_percent": None,
        "clahe": None,
    }


def test_slices_are_shaped_as_asked_for(pictures: Path) -> None:
    lung = np.zeros((6, 9), np.uint8)
    lung[1:5, 2:6] = 255
    write_png(pictures / "lungs" / "f2.png", lung)
    lines = run(pictures, "pictures", "--crop-lungs", "25", "--clahe")
    whole, cropped = (read_sample(row) for row in read_manifest(pictures / "out" / "index.csv"))
    # A box of 4×4 with one pixel more on each side; of the four pixels of lesion, column 0 is cut off.
    assert whole.image.shape == (6, 9)
    assert cropped.image.shape == cropped.lesion.shape == (6, 6)
    assert [line["lesion_px"] for line in lines] == ["2", "3"]
    assert [line["mask_resolution"] for line in lines] == ["9", "6"]
    recipe = json.loads((pictures / "out" / "prepare.json").read_text())
    assert recipe["crop_lungs_percent"] == 25.0
    assert recipe["clahe"] == {"clip_limit": 2.0, "tiles": 8}
    assert recipe["window_hu"] is None


def test_it_refuses_a_negative_margin(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(pictures / "lungs" / "f2.png", np.full((6, 9), 255, np.uint8))
    assert "margin_percent must be at least 0, got -1.0" in complaint(
        pictures, capsys, "pictures", "--crop-lungs", "-1"
    )
