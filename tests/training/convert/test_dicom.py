from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLosslessSV1, generate_uid

from tests.phantoms import changed
from training.convert.dicom import read_series, series_files
from training.convert.volumes import read_volume, to_gray
from training.data.dataset import DATA_FOLDER

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SPACING_MM = (2.0, 3.0)
"""Between rows, and between columns."""
ORIGIN_MM = (-10.0, -20.0, 100.0)
"""Left, back and head positive: where the first pixel of the lowest slice lies."""
REAL = DATA_FOLDER / "dicom-p002"

NAMES = ("c.dcm", "a.dcm", "d.dcm", "b.dcm")
"""Of the slices from the feet to the head."""


def phantom() -> NDArray[np.int16]:
    """(4 slices, 40 rows, 48 columns) in HU, every voxel another value: feet to head, as displayed."""
    return np.arange(-1000, -1000 + 4 * 40 * 48 * 2, 2, dtype=np.int16).reshape(4, 40, 48)


def ct_slice(stored: NDArray[np.uint16], position: Sequence[float], **elements: Any) -> Dataset:
    """A header as scanners write it; `elements` replace its values, None takes one out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.SeriesInstanceUID = "CT", "1.2.3"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, -1024
    dataset.PixelSpacing, dataset.ImageOrientationPatient = list(SPACING_MM), list(UPRIGHT)
    dataset.ImagePositionPatient = list(position)
    dataset.PixelData = stored.tobytes()
    return changed(dataset, elements)


def position_of(number: float) -> list[float]:
    return [ORIGIN_MM[0], ORIGIN_MM[1], ORIGIN_MM[2] + 2.5 * number]


def stored_of(hounsfield: NDArray[Any]) -> NDArray[np.uint16]:
    """The inverse of slope 2 and intercept -1024."""
    return ((hounsfield.astype(np.int32) + 1024) // 2).astype(np.uint16)


def save(folder: Path, name: str, dataset: Dataset) -> None:
    folder.mkdir(exist_ok=True)
    dataset.save_as(folder / name, enforce_file_format=True)


def save_series(folder: Path, names: Sequence[str] = NAMES) -> Path:
    """Write the phantom; the names are those of the slices from the feet to the head."""
    for number, name in enumerate(names):
        save(folder, name, ct_slice(stored_of(phantom()[number]), position_of(number)))
    return folder


def replace(folder: Path, number: int, **elements: Any) -> None:
    """Write one slice of the series again, with other elements."""
    save(folder, NAMES[number], ct_slice(stored_of(phantom()[number]), position_of(number), **elements))


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return save_series(tmp_path / "scan")


@pytest.mark.parametrize("names", [NAMES, ("4.dcm", "3.dcm", "2.dcm", "1.dcm")], ids=["shuffled", "reversed"])
def test_slices_are_ordered_by_their_place_and_rescaled(names: Sequence[str], tmp_path: Path) -> None:
    volume = read_series(save_series(tmp_path / "scan", names))
    assert volume.values.dtype == np.float32
    assert np.array_equal(volume.values, phantom())


def test_corners_are_where_the_header_says(series: Path) -> None:
    # 48 columns 3 mm apart, 40 rows 2 mm apart, 4 slices 2.5 mm apart; left, back and head are positive.
    corners = read_series(series).corners_mm
    assert corners.min(axis=0).tolist() == list(ORIGIN_MM)
    assert corners.max(axis=0).tolist() == [-10.0 + 47 * 3.0, -20.0 + 39 * 2.0, 107.5]


def test_a_series_is_the_volume_of_its_nifti_file(series: Path, tmp_path: Path) -> None:
    # The affine by hand: x and y change their signs on the way from DICOM to NIfTI.
    affine = np.diag([-3.0, -2.0, 2.5, 1.0])
    affine[:3, 3] = 10.0, 20.0, 100.0
    nibabel.save(nibabel.Nifti1Image(phantom().transpose(2, 1, 0), affine), tmp_path / "a.nii")
    ours, other = read_series(series), read_volume(tmp_path / "a.nii")
    assert np.array_equal(ours.values, other.values)
    np.testing.assert_allclose(ours.corners_mm, other.corners_mm)


@pytest.mark.parametrize(
    ("orientation", "reversed_axes"),
    [
        ((-1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (2,)),
        ((1.0, 0.0, 0.0, 0.0, -1.0, 0.0), (1,)),
        ((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0), (1, 2)),
    ],
    ids=["columns to the right", "rows to the front", "both"],
)
def test_slices_come_as_displayed_however_they_are_stored(
    orientation: tuple[float, ...], reversed_axes: tuple[int, ...], tmp_path: Path
) -> None:
    for number in range(4):
        stored = np.flip(phantom(), reversed_axes)[number]
        header = {"ImageOrientationPatient": list(orientation)}
        save(tmp_path / "scan", f"{number}.dcm", ct_slice(stored_of(stored), position_of(number), **header))
    assert np.array_equal(read_series(tmp_path / "scan").values, phantom())


def test_each_slice_has_its_own_rescaling(series: Path) -> None:
    replace(series, 1, RescaleIntercept=-2024)
    assert np.array_equal(read_series(series).values[1], phantom()[1] - 1000)


def test_stored_values_may_be_signed(series: Path) -> None:
    for number in range(4):
        signed = phantom()[number].tobytes()
        rescale = {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "RescaleSlope": 1, "RescaleIntercept": 0}
        replace(series, number, PixelData=signed, **rescale)
    assert np.array_equal(read_series(series).values, phantom())


def test_a_single_slice_is_a_volume(tmp_path: Path) -> None:
    save(tmp_path / "scan", "a.dcm", ct_slice(stored_of(phantom()[0]), position_of(0)))
    assert np.array_equal(read_series(tmp_path / "scan").values, phantom()[:1])


def test_invalid_uids_do_not_matter(series: Path) -> None:
    for path in series_files(series):
        content = path.read_bytes()
        assert b"1.2.3\0" in content
        path.write_bytes(content.replace(b"1.2.3\0", b"9-f:a\0"))
    assert np.array_equal(read_series(series).values, phantom())


def test_what_is_no_dicom_file_is_left_out(series: Path) -> None:
    (series / "README.md").write_text("Notes")
    (series / ".hidden.dcm").write_text("damage")
    (series / "a.dcm").rename(series / "IM0001")
    (series / "DICOMDIR").write_bytes((series / "b.dcm").read_bytes())
    assert [path.name for path in series_files(series)] == ["IM0001", "b.dcm", "c.dcm", "d.dcm"]
    assert np.array_equal(read_series(series).values, phantom())


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        ({"Modality": "MR"}, "a.dcm: .* is no CT: its modality is MR"),
        ({"Modality": None}, "a.dcm: .* does not state its modality"),
        ({"PixelData": None}, "a.dcm: .* has no pixels"),
        ({"ImagePositionPatient": None}, "scan: .* not say where in the patient"),
        ({"ImagePositionPatient": [1.0, 2.0]}, "not say where in the patient"),
        ({"RescaleSlope": None}, "a.dcm: The header does not tell how to"),
        ({"RescaleIntercept": None}, "a.dcm: The header does not tell how to"),
        ({"PixelSpacing": ""}, r"1 of 4 files do not go with the others \(a.dcm\)"),
        (
            {"SeriesInstanceUID": "1.2.4"},
            r"others \(a.dcm\).* Of 2 series the largest was read.* Keep the slices of one",
        ),
        ({"Rows": 48, "Columns": 40}, r"others \(a.dcm\), by series, size"),
        ({"PixelSpacing": [2.0, 3.1]}, r"others \(a.dcm\), by series, size, spacing"),
        ({"ImageOrientationPatient": [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]}, r"others \(a.dcm\)"),
        ({"NumberOfFrames": 2}, "a.dcm: .* several frames"),
        ({"SamplesPerPixel": 3}, "a.dcm: .* in colours"),
        ({"PixelData": b"\0\1" * 7}, "a.dcm: .* there are fewer"),
        ({"ImagePositionPatient": position_of(0)}, r"others \([ac].dcm\).* lie at a place where another lies"),
        ({"ImagePositionPatient": position_of(2.5)}, "lie 1.25 to 5 mm apart: one is missing"),
        ({"ImagePositionPatient": [-10.0, -18.0, 102.5]}, "do not lie above each other"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a.dcm: .* is a localizer"),
        ({"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}, "a.dcm: .*MONOCHROME1"),
    ],
)
def test_it_refuses_a_wrong_slice(elements: dict[str, Any], sentence: str, series: Path) -> None:
    replace(series, 1, **elements)
    with pytest.raises(ValueError, match=sentence):
        read_series(series)


def test_it_refuses_a_series_with_a_missing_slice(series: Path) -> None:
    (series / "a.dcm").unlink()
    with pytest.raises(ValueError, match="neighbouring slices lie 2.5 to 5 mm apart: one is missing"):
        read_series(series)


@pytest.mark.parametrize(
    "orientation",
    [
        (1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
        (1.0, 0.0, 0.0, 0.0, 0.866, 0.5),
        (1.0, 0.0, 0.0, 0.0, 0.9781, 0.2079),
        (0.8, 0.6, 0.0, -0.6, 0.8, 0.0),
    ],
    ids=["coronal", "oblique", "oblique by 12 degrees", "turned"],
)
def test_it_refuses_slices_that_are_not_axial(orientation: tuple[float, ...], series: Path) -> None:
    for number in range(4):
        replace(series, number, ImageOrientationPatient=list(orientation))
    with pytest.raises(ValueError, match="scan.* not axial"):
        read_series(series)


@pytest.mark.parametrize("orientation", [(2.0, 0.0, 0.0, 0.0, 0.5, 0.0), (0.0,) * 6], ids=["no unit vectors", "zeros"])
def test_it_refuses_slices_of_which_nobody_knows_how_they_lie(orientation: tuple[float, ...], series: Path) -> None:
    for number in range(4):
        replace(series, number, ImageOrientationPatient=list(orientation))
    with pytest.raises(ValueError, match="not say where in the patient"):
        read_series(series)


@pytest.mark.parametrize("name", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_it_refuses_a_single_slice_that_does_not_say_where_it_lies(name: str, tmp_path: Path) -> None:
    save(tmp_path / "scan", "a.dcm", ct_slice(stored_of(phantom()[0]), position_of(0), **{name: None}))
    with pytest.raises(ValueError, match="a.dcm does not say where in the patient it lies"):
        read_series(tmp_path / "scan")


@pytest.mark.parametrize("third", [1.95, 2.05], ids=["nearer", "farther"])
def test_positions_may_be_rounded(third: float, series: Path) -> None:
    # Gaps of 2.375 and 2.625 mm: serving says so, training takes them.
    replace(series, 2, ImagePositionPatient=position_of(third))
    assert read_series(series).values.shape == (4, 40, 48)


def test_it_refuses_a_file_that_is_no_dicom_but_is_named_so(series: Path) -> None:
    (series / "e.dcm").write_text("no slice")
    with pytest.raises(ValueError, match="e.dcm: "):
        read_series(series)


def test_it_refuses_a_file_that_was_cut_short(series: Path) -> None:
    content = (series / "b.dcm").read_bytes()
    (series / "b.dcm").write_bytes(content[:-20])
    with pytest.raises(ValueError, match="b.dcm"):
        read_series(series)


def test_it_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no DICOM file"):
        read_series(tmp_path)


def test_there_is_a_decoder_for_what_scanners_send() -> None:
    assert get_decoder(JPEGLosslessSV1).is_available


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")
def test_a_real_series_is_read() -> None:
    volume = read_series(REAL)
    assert volume.values.shape == (40, 512, 512)
    # 39 steps of 4 mm, and 511 pixels of 0.603515625 mm each way.
    span = volume.corners_mm.max(axis=0) - volume.corners_mm.min(axis=0)
    np.testing.assert_allclose(span, [511 * 0.603515625, 511 * 0.603515625, 39 * 4.0])
    gray = to_gray(volume.values, "p002")
    # Air around the body at the top, the table below the back: the front of the patient is on top.
    assert np.median(gray[:, 0, :]) < 60
    # Neighbouring slices look alike when the order is right; the names give another order.
    steps = np.abs(np.diff(volume.values, axis=0)).mean(axis=(1, 2))
    assert steps.max() < 2.5 * np.median(steps)
