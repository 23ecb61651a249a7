from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from model.decode.nifti import NiftiGrid
from model.decode.study import VolumeStudy
from model.errors import DamagedImage, InputError, NotAnImage, NotCt, TooLarge, TooSmall
from model.preprocess import WINDOW_HU
from tests.phantoms import AFFINE, SHAPE, nifti_bytes, opened, phantom, put, read_all, values_of, volume_of

# Places in the header of NIfTI-1.
DIM, DATATYPE, PIXDIM, VOX_OFFSET, SLOPE, QFORM_CODE = 40, 70, 76, 108, 112, 252


def affine(rows: list[list[float]]) -> NDArray[np.float64]:
    return np.array([*rows, [0.0, 0.0, 0.0, 1.0]])


XYZ = phantom().T
"""(columns, rows, slices): to the left, the back and the head."""

COSINE, SINE = np.cos(np.radians(10)), np.sin(np.radians(10))
TURN = affine([[COSINE, -SINE, 0, 0], [SINE, COSINE, 0, 0], [0, 0, 1, 0]])

# Voxels as stored, and where they lie to the right, the front and the head. The last column lies 24.5 mm further to
# the left than the first, the last row 31.2 mm further to the back, the last slice 20 mm further to the head.
STORED: dict[str, tuple[NDArray[np.int16], NDArray[np.float64]]] = {
    "LPS": (XYZ, affine([[-0.7, 0, 0, 10], [0, -0.8, 0, 20], [0, 0, 5, 100]])),
    "RAS": (XYZ[::-1, ::-1], affine([[0.7, 0, 0, -14.5], [0, 0.8, 0, -11.2], [0, 0, 5, 100]])),
    "LAS": (XYZ[:, ::-1], affine([[-0.7, 0, 0, 10], [0, 0.8, 0, -11.2], [0, 0, 5, 100]])),
    "PIR": (XYZ[::-1, :, ::-1].transpose(1, 2, 0), affine([[0, 0, 0.7, -14.5], [-0.8, 0, 0, 20], [0, -5, 0, 120]])),
}


@pytest.mark.parametrize("name", STORED)
def test_a_volume_comes_as_displayed_however_it_is_stored(name: str, tmp_path: Path) -> None:
    voxels, stored = STORED[name]
    assert "".join(nibabel.aff2axcodes(stored)) == name
    study = opened(tmp_path, nifti_bytes(voxels, stored))
    assert isinstance(study, VolumeStudy)
    volume = study.volume
    np.testing.assert_array_equal(values_of(volume), phantom())
    assert (volume.shape, volume.sides_known, volume.notes) == (SHAPE, True, ())
    assert volume.affine is not None
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    assert volume.spacing_mm == pytest.approx((0.8, 0.7))
    assert volume.extents_mm == pytest.approx((5.0,) * 5)
    assert volume.read(0).value_range == WINDOW_HU
    assert volume.read(0).spacing_mm == pytest.approx((0.8, 0.7))


@pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 1)], ids=["both", "sform", "qform"])
def test_an_oblique_volume_keeps_its_angle(codes: tuple[int, int], tmp_path: Path) -> None:
    stored = np.diag([-1.0, -1.0, 1.0, 1.0]) @ TURN @ AFFINE
    volume = volume_of(tmp_path, nifti_bytes(XYZ, stored, codes=codes))
    np.testing.assert_array_equal(values_of(volume), phantom())
    assert volume.affine is not None
    np.testing.assert_allclose(volume.affine, TURN @ AFFINE, atol=1e-4)
    assert volume.extents_mm == pytest.approx((5.0,) * 5)


def test_where_a_slice_lies_is_told_of_its_centre(tmp_path: Path) -> None:
    # By 10 degrees about the axis from right to left: 31.2 mm further back, the slice lies higher.
    lean = affine([[1, 0, 0, 0], [0, COSINE, -SINE, 0], [0, SINE, COSINE, 0]])
    volume = volume_of(tmp_path, nifti_bytes(XYZ, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lean @ AFFINE))
    middle = lean @ AFFINE @ [17.5, 19.5, 2.0, 1.0]
    assert volume.places[2].z_mm == pytest.approx(middle[2], abs=1e-3)


def _big_endian(voxels: NDArray[Any]) -> bytes:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(voxels.dtype)
    stored = np.diag([-1.0, -1.0, 1.0, 1.0]) @ AFFINE
    return bytes(nibabel.Nifti1Image(voxels, stored, header).to_bytes())


@pytest.mark.parametrize(
    "content",
    [
        nifti_bytes(),
        gzip.compress(nifti_bytes()),
        nifti_bytes(kind=nibabel.Nifti2Image),
        gzip.compress(nifti_bytes(kind=nibabel.Nifti2Image)),
        _big_endian(XYZ),
        nifti_bytes(XYZ.astype(np.float64)),
        nifti_bytes(XYZ.astype(np.float32)),
        nifti_bytes(XYZ.astype(np.int32)),
        nifti_bytes(XYZ[..., np.newaxis]),
        nifti_bytes(((XYZ + 1024) * 2).astype(np.uint16), change=put(SLOPE, "<2f", 0.5, -1024.0)),
        nifti_bytes(change=put(SLOPE, "<2f", 0.0, 99.0)),
    ],
    ids=["nii", "gz", "NIfTI-2", "NIfTI-2 gz", "big endian", "float64", "float32", "int32", "one point in time",
         "scaled", "slope 0"],
)  # fmt: skip
def test_each_kind_of_file_holds_the_same_volume(content: bytes, tmp_path: Path) -> None:
    volume = volume_of(tmp_path, content)
    np.testing.assert_array_equal(values_of(volume), phantom())
    assert volume.notes == ()
    assert volume.read(0).pixels.dtype == np.float32


def test_a_flat_file_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, nifti_bytes(XYZ[:, :, 0]))
    assert (volume.shape, volume.extents_mm) == ((1, 40, 36), None)
    np.testing.assert_array_equal(volume.read(0).pixels, phantom()[0])


def test_what_is_no_number_is_air(tmp_path: Path) -> None:
    voxels = XYZ.astype(np.float32)
    voxels[0, 0, 0], voxels[1, 0, 0], voxels[2, 0, 0] = np.nan, -np.inf, np.inf
    volume = volume_of(tmp_path, nifti_bytes(voxels))
    assert volume.read(0).pixels[0, :3].tolist() == [-1024.0, -1024.0, 32767.0]


def test_gray_values_are_read_as_gray(tmp_path: Path) -> None:
    gray = (XYZ + 1000) // 10
    volume = volume_of(tmp_path, nifti_bytes(gray.astype(np.uint8)))
    # -1000 + 4 * 200 + 39 * 40 + 35 is 1395, which becomes 239.
    assert (volume.read(0).value_range, volume.read(4).pixels.max()) == ((0.0, 255.0), 239.0)
    assert volume.notes == (
        "The values lie between 0 and 255: they are no Hounsfield units and were read as gray values.",
    )


def test_without_codes_sides_are_unknown(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, nifti_bytes(codes=(0, 0)))
    assert not volume.sides_known
    (note,) = volume.notes
    assert note.startswith("The header does not say which side is which (sform_code and qform_code are 0)")
    assert volume.spacing_mm == pytest.approx((0.8, 0.7))


@pytest.mark.parametrize(
    "content",
    [
        nifti_bytes(codes=(0, 1), change=put(PIXDIM + 4, "<3f", 0.0, 0.0, 0.0)),
        nifti_bytes(codes=(0, 0), change=put(PIXDIM + 12, "<f", 0.0)),
        nifti_bytes(affine=np.diag([-0.0007, -0.0008, 0.005, 1.0])),
        nifti_bytes(affine=np.diag([-700.0, -800.0, 5000.0, 1.0])),
    ],
    ids=["zeros in qform", "slices 0 mm apart", "metres", "micrometres"],
)
def test_a_spacing_that_cannot_be_is_unknown(content: bytes, tmp_path: Path) -> None:
    volume = volume_of(tmp_path, content)
    assert (volume.affine, volume.spacing_mm, volume.extents_mm, volume.read(0).spacing_mm) == (None,) * 4
    assert volume.notes[0] == "The header does not state a plausible size of a voxel: nothing is given in millimetres."
    assert volume.shape == SHAPE


@pytest.mark.parametrize(("unit", "factor"), [(0, 1.0), (1, 0.001), (2, 1.0), (3, 1000.0), (0o10 + 1, 0.001)])
def test_the_unit_of_the_header_counts(unit: int, factor: float, tmp_path: Path) -> None:
    stored = np.diag([factor, factor, factor, 1.0]) @ np.diag([-1.0, -1.0, 1.0, 1.0]) @ AFFINE
    study = opened(tmp_path, nifti_bytes(affine=stored, change=put(123, "B", unit)))
    assert isinstance(study, VolumeStudy)
    assert study.volume.affine is not None
    np.testing.assert_allclose(study.volume.affine, AFFINE, atol=1e-4)
    assert isinstance(study.origin, NiftiGrid)
    # Masks are written in mm.
    for form in (study.origin.sform, study.origin.qform):
        np.testing.assert_allclose(form.affine, study.origin.affine, atol=1e-4)


@pytest.mark.parametrize(("step", "is_known"), [(50.0, True), (150.0, False)])
@pytest.mark.parametrize("name", ["LPS", "PIR"])
def test_slices_may_lie_far_apart(name: str, step: float, is_known: bool, tmp_path: Path) -> None:
    voxels, stored = STORED[name]
    far = np.diag([1.0, 1.0, step / 5.0, 1.0]) @ stored
    assert (volume_of(tmp_path, nifti_bytes(voxels, far)).affine is not None) == is_known


def test_pixels_may_not_be_as_large_as_slices_may_lie_apart(tmp_path: Path) -> None:
    assert volume_of(tmp_path, nifti_bytes(affine=np.diag([-50.0, -0.8, 5.0, 1.0]))).affine is None


def test_a_header_that_contradicts_itself_leaves_sides_unknown(tmp_path: Path) -> None:
    image: Any = nibabel.Nifti1Image(XYZ, STORED["LPS"][1])
    image.set_sform(np.diag([0.7, -0.8, 5.0, 1.0]), 1)
    image.set_qform(np.diag([-0.7, -0.8, 5.0, 1.0]), 1)
    volume = volume_of(tmp_path, image.to_bytes())
    assert not volume.sides_known
    (note,) = volume.notes
    assert note.startswith("The header contradicts itself: its axes go to RPS by the sform and to LPS by the qform, ")
    assert volume.spacing_mm == pytest.approx((0.8, 0.7))


def test_an_sform_that_spans_no_space_leaves_all_unknown(tmp_path: Path) -> None:
    flat = affine([[-0.7, -0.7, 0, 10], [0.1, 0.1, 0, 20], [0, 0, 5, 100]])
    for rows in (flat, np.zeros((4, 4))):
        content = nifti_bytes(change=put(280, "<12f", *rows[:3].ravel()))
        volume = volume_of(tmp_path / str(rows.sum()), content)
        assert (volume.affine, volume.sides_known, len(volume.notes)) == (None, False, 2)


def test_an_sform_states_the_spacing_whatever_pixdim_says(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, nifti_bytes(codes=(1, 0), change=put(PIXDIM + 4, "<3f", 0.0, 0.0, 0.0)))
    assert volume.spacing_mm == pytest.approx((0.8, 0.7))


RGB = np.zeros((36, 40, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        (nifti_bytes(np.stack([XYZ, XYZ], 3)), NotCt, "has the dimensions 36 × 40 × 5 × 2. Upload one volume"),
        (nifti_bytes(RGB), NotCt, "holds colours, not gray ones"),
        (nifti_bytes(XYZ.astype(np.complex64)), NotCt, "holds complex64 values"),
        (nifti_bytes(XYZ + 1024), NotCt, "go from 24 to 2419: no Hounsfield units"),
        (nifti_bytes(XYZ.astype(np.float32) / 2000.0), NotCt, "no Hounsfield units"),
        (nifti_bytes(np.zeros_like(XYZ)), NotCt, "go from 0 to 0"),
        (nifti_bytes(np.full(XYZ.shape, np.nan, np.float32)), NotCt, "go from -1024 to -1024"),
        (nifti_bytes(change=put(SLOPE, "<2f", 1e30, 0.0)), NotCt, "no Hounsfield units"),
        (nifti_bytes(XYZ[:20]), TooSmall, "20 × 40 pixels"),
        (nifti_bytes(change=put(DIM, "<4h", 3, -36, 40, 5)), NotCt, "dimensions -36 × 40 × 5"),
        (nifti_bytes(change=put(DIM, "<4h", 3, 36, 40, 0)), NotCt, "dimensions 36 × 40 × 0"),
        (nifti_bytes(change=put(DIM, "<2h", 1, 7200)), NotCt, "dimensions 7200"),
        (nifti_bytes(change=put(DIM, "<h", 99)), InputError, "."),
        (nifti_bytes(change=put(DIM, "<4h", 3, 32767, 32767, 32767)), DamagedImage, "70,368,744,177,664 bytes|bytes"),
        (nifti_bytes(change=put(VOX_OFFSET, "<f", 1e30)), DamagedImage, "cut short"),
        (nifti_bytes(change=put(VOX_OFFSET, "<f", float("nan"))), DamagedImage, "cut short"),
        (nifti_bytes(change=put(VOX_OFFSET, "<f", -1e6)), InputError, "."),
        (nifti_bytes(change=put(DATATYPE, "<h", 12345)), DamagedImage, "damaged"),
        (nifti_bytes(change=put(PIXDIM + 4, "<f", float("nan")), codes=(0, 1)), NotCt, "where its voxels lie"),
        (nifti_bytes(change=put(344, "4s", b"ni1\0")), NotAnImage, "the header of a NIfTI pair"),
        (gzip.compress(gzip.compress(nifti_bytes())), NotAnImage, "holds no NIfTI volume"),
        (gzip.compress(b"hello", mtime=0), NotAnImage, "holds no NIfTI volume"),
    ],
)
def test_what_is_no_volume_of_a_ct_is_refused_with_its_reason(
    content: bytes, error: type[InputError], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        read_all(opened(tmp_path, content))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["nii", "gz"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_volume_is_refused_before_its_slices_are_asked_for(
    share: float, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    content = pack(nifti_bytes())
    with pytest.raises(InputError, match="cut short|not a picture"):
        opened(tmp_path, content[: int(len(content) * share)])


def test_a_compressed_bomb_is_refused_while_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.decode.archive.MAX_UNPACKED_MB", 3)
    content = gzip.compress(nifti_bytes() + bytes(4_000_000))
    assert len(content) < 20_000
    with pytest.raises(TooLarge, match="more than 3 MB"):
        opened(tmp_path, content)


def test_bytes_after_the_voxels_do_not_matter(tmp_path: Path) -> None:
    np.testing.assert_array_equal(values_of(volume_of(tmp_path, nifti_bytes() + b"more")), phantom())


def test_an_extension_before_the_voxels_is_skipped(tmp_path: Path) -> None:
    content = bytearray(nifti_bytes())
    content[348] = 1
    content[352:352] = struct.pack("<2i24s", 32, 6, b"a comment")
    struct.pack_into("<f", content, VOX_OFFSET, 384.0)
    np.testing.assert_array_equal(values_of(volume_of(tmp_path, bytes(content))), phantom())


def test_a_volume_of_too_many_slices_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.decode.nifti.MAX_SLICES", 4)
    with pytest.raises(NotCt, match="has 5 slices; at most 4 are read"):
        opened(tmp_path, nifti_bytes())


def test_a_damaged_qform_is_none_beside_a_whole_sform(tmp_path: Path) -> None:
    # At byte 268 stands qoffset_x.
    study = opened(tmp_path, nifti_bytes(change=put(268, "<f", float("nan"))))
    assert isinstance(study, VolumeStudy)
    assert isinstance(study.origin, NiftiGrid)
    assert (study.origin.sform.code, study.origin.qform.code) == (1, 0)
    np.testing.assert_array_equal(study.origin.qform.affine, study.origin.sform.affine)
