from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import HTJ2KLossless, MediaStorageDirectoryStorage, SecondaryCaptureImageStorage

from model.decode.ct import CtSlice
from model.decode.dataset import MAX_SLICE_MB
from model.decode.kinds import SourceFile
from model.decode.study import open_study
from model.errors import DamagedImage, InputError, NotCt, TooLarge, TooSmall
from model.preprocess import WINDOW_HU
from tests.phantoms import (
    AFFINE,
    COMPRESSED,
    HEIGHT,
    INTERCEPT,
    NATIVE,
    WIDTH,
    compress,
    dicom_bytes,
    opened,
    phantom,
    read_all,
    series_bytes,
    slice_bytes,
    slice_dataset,
    slices_of,
    volume_of,
)
from training.data.dataset import DATA_FOLDER

REAL = DATA_FOLDER / "dicom-p002"

SLICE = phantom()[0]


def read_one(folder: Path, content: bytes) -> CtSlice:
    (ct_slice,) = slices_of(volume_of(folder, content))
    return ct_slice


@pytest.mark.parametrize("name", NATIVE)
def test_an_uncompressed_slice_is_read_in_hounsfield_units(name: str, tmp_path: Path) -> None:
    ct_slice = read_one(tmp_path, dicom_bytes(slice_dataset(SLICE), NATIVE[name]))
    np.testing.assert_array_equal(ct_slice.pixels, SLICE)
    assert ct_slice.pixels.dtype == np.float32
    assert (ct_slice.value_range, ct_slice.spacing_mm, ct_slice.notes) == (WINDOW_HU, (0.8, 0.7), ())


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_series_is_read_without_loss(name: str, tmp_path: Path) -> None:
    gdcm_name, syntax = COMPRESSED[name]
    contents = [compress(content, gdcm_name) for content in series_bytes(range(2))]
    assert str(syntax).encode() in contents[0]
    slices = slices_of(volume_of(tmp_path, *contents))
    np.testing.assert_array_equal([ct_slice.pixels for ct_slice in slices], phantom()[:2])


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")
def test_a_real_series_in_jpeg_lossless_is_read(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, *[path.read_bytes() for path in sorted(REAL.iterdir())])
    assert volume.shape == (40, 512, 512)
    assert volume.notes == ("1 other file was left out: only the DICOM part was read.",)
    assert volume.extents_mm is not None
    np.testing.assert_allclose(volume.extents_mm, 4.0)
    assert volume.affine is not None
    np.testing.assert_allclose(np.diag(volume.affine), [0.603515625, 0.603515625, 4.0, 1.0])
    first, second = volume.read(0).pixels, volume.read(20).pixels
    # Air about the body at the front; the values are Hounsfield units.
    assert np.median(first[0]) <= -900
    assert -1100 <= second.min() <= -900


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    for name in ("implicit", "explicit"):
        dataset = slice_dataset(SLICE)
        content = dicom_bytes(dataset, NATIVE[name])
        bare = content[content.index(b"\x08\x00\x08\x00") :]
        np.testing.assert_array_equal(read_one(tmp_path / name, bare).pixels, SLICE)


def test_a_preamble_that_is_a_program_is_skipped(tmp_path: Path) -> None:
    content = b"MZ" + bytes(range(126)) + slice_bytes()[128:]
    np.testing.assert_array_equal(read_one(tmp_path, content).pixels, SLICE)


def test_signed_values_slope_and_intercept_are_heeded(tmp_path: Path) -> None:
    signed = {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "RescaleSlope": "0.5", "RescaleIntercept": "8"}
    stored = ((SLICE - 8) * 2).astype("<i2").tobytes()
    np.testing.assert_array_equal(read_one(tmp_path, slice_bytes(PixelData=stored, **signed)).pixels, SLICE)


def test_bits_above_those_stored_do_not_count(tmp_path: Path) -> None:
    # Old scanners kept overlays there.
    stored = ((SLICE - INTERCEPT).astype("<u2") | 0x8000).astype("<u2")
    np.testing.assert_array_equal(read_one(tmp_path, slice_bytes(PixelData=stored.tobytes())).pixels, SLICE)


def test_monochrome1_keeps_hounsfield_units(tmp_path: Path) -> None:
    ct_slice = read_one(tmp_path, slice_bytes(PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(ct_slice.pixels, SLICE)


@pytest.mark.parametrize("outside", [-1000, 40], ids=["air", "tissue on the rim"])
def test_monochrome1_that_counts_down_is_turned_round(outside: int, tmp_path: Path) -> None:
    chest = np.full((HEIGHT, WIDTH), outside, np.int16)
    chest[5:-5, 5:-5] = np.where(np.arange(WIDTH - 10) < 12, -850, 40)
    right = slice_bytes(PhotometricInterpretation="MONOCHROME1", PixelData=_stored(chest))
    np.testing.assert_array_equal(read_one(tmp_path / "a", right).pixels, chest)
    down = (4095 - (chest.astype(np.int32) - INTERCEPT)).astype("<u2").tobytes()
    ct_slice = read_one(tmp_path / "b", slice_bytes(PhotometricInterpretation="MONOCHROME1", PixelData=down))
    np.testing.assert_array_equal(ct_slice.pixels, chest)
    assert ct_slice.notes == ("The pixels count down from white (MONOCHROME1); they were turned round.",)


def _stored(hounsfield: Any) -> bytes:
    return bytes((hounsfield.astype(np.int32) - INTERCEPT).astype("<u2").tobytes())


@pytest.mark.parametrize(
    "rescale",
    [
        {"RescaleSlope": None},
        {"RescaleIntercept": None},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": 0},
        {"RescaleSlope": 1, "RescaleIntercept": 0},
    ],
)
def test_without_rescaling_a_slice_is_a_picture_in_its_own_window(rescale: dict[str, Any], tmp_path: Path) -> None:
    window = {"WindowCenter": [1000, 40], "WindowWidth": [800, 400]}
    ct_slice = read_one(tmp_path, slice_bytes(**rescale, **window))
    np.testing.assert_array_equal(ct_slice.pixels, SLICE + 1024.0)
    assert (ct_slice.value_range, ct_slice.hounsfield) == ((600.0, 1400.0), False)
    (note,) = ct_slice.notes
    assert note == "The header does not tell how to get Hounsfield units; the slice was read as a picture."


@pytest.mark.parametrize(
    "window",
    [{}, {"WindowCenter": 9000, "WindowWidth": 100}, {"WindowCenter": "", "WindowWidth": 100}, {"WindowWidth": 100}],
)
def test_without_a_window_in_which_values_lie_all_of_them_are_shown(window: dict[str, Any], tmp_path: Path) -> None:
    ct_slice = read_one(tmp_path, slice_bytes(RescaleSlope=None, **window))
    # -1000 + 1024 and -1000 + 40 * 39 + 35 + 1024.
    assert ct_slice.value_range == (24.0, 1619.0)


def test_a_slice_of_one_value_has_a_window_too(tmp_path: Path) -> None:
    ct_slice = read_one(tmp_path, slice_bytes(RescaleSlope=None, PixelData=bytes(2 * SLICE.size)))
    assert ct_slice.value_range == (0.0, 1.0)
    assert not ct_slice.as_bytes().any()


def test_without_rescaling_low_values_are_hounsfield_units(tmp_path: Path) -> None:
    signed = {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "RescaleSlope": None}
    ct_slice = read_one(tmp_path, slice_bytes(PixelData=SLICE.astype("<i2").tobytes(), **signed))
    np.testing.assert_array_equal(ct_slice.pixels, SLICE)
    assert ct_slice.hounsfield
    assert "values below -500" in ct_slice.notes[0]


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        ({"Modality": "MR"}, "is no CT: its modality is MR"),
        ({"Modality": None}, "does not state its modality"),
        ({"Modality": ""}, "does not state its modality"),
        ({"PixelData": None}, "has no pixels"),
        ({"PixelData": b""}, "has no pixels"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "is a localizer"),
        ({"SamplesPerPixel": 3}, "a picture in colours .* plain picture"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "a picture in colours"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"SOPClassUID": MediaStorageDirectoryStorage}, "a DICOM directory"),
    ],
)
def test_what_is_no_ct_slice_is_refused_with_its_reason(
    elements: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(NotCt, match=sentence):
        opened(tmp_path, slice_bytes(**elements))


def test_a_hostile_modality_is_shown_in_part_and_without_letters_that_turn_the_text(tmp_path: Path) -> None:
    content = slice_bytes(Modality="ABCDEFGHIJKLMNOP").replace(b"ABCDEFGHIJKLMNOP", b"M\nR<b>\x1b[0mKLMNOP")
    with pytest.raises(NotCt, match=r"its modality is MR<b>\[0mKLMNOP\."):
        opened(tmp_path, content)


def test_a_directory_is_refused_by_its_file_meta_information(tmp_path: Path) -> None:
    dataset = slice_dataset(SLICE, Modality=None, PixelData=None, SOPClassUID=None)
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    with pytest.raises(NotCt, match="a DICOM directory, not a scan"):
        opened(tmp_path, dicom_bytes(dataset))


def test_a_compression_without_a_decoder_is_named(tmp_path: Path) -> None:
    for uid, name in [(HTJ2KLossless, "High-Throughput JPEG 2000"), ("1.2.3.99", "1.2.3.99")]:
        content = _with_syntax(slice_bytes(), uid)
        with pytest.raises(NotCt, match=f"compressed as {name}.*, which cannot be read"):
            opened(tmp_path / uid, content)


def test_jpeg_of_12_bits_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotCt, match="compressed as JPEG Extended"):
        opened(tmp_path, compress(slice_bytes(), "JPEGExtendedProcess2_4"))


def _with_syntax(content: bytes, uid: str) -> bytes:
    """Change the transfer syntax of a file, which is not encoded anew."""
    old, new = b"1.2.840.10008.1.2.1\0", uid.encode() + b"\0" * (len(uid) % 2)
    at = content.index(old)
    # The group's length is a number of 4 bytes at 140.
    length = int.from_bytes(content[140:144], "little") + len(new) - len(old)
    changed = content[: at - 2] + len(new).to_bytes(2, "little") + new + content[at + len(old) :]
    return changed[:140] + length.to_bytes(4, "little") + changed[144:]


@pytest.mark.parametrize(
    ("elements", "error", "sentence"),
    [
        ({"Rows": 50}, DamagedImage, "says 36 × 50 pixels, but there are fewer"),
        ({"Rows": 1000}, TooSmall, "One side is more than 8 times"),
        ({"Rows": None}, TooSmall, "36 × 0 pixels"),
        ({"Rows": 0}, TooSmall, "36 × 0 pixels"),
        ({"Rows": 65535, "Columns": 65535}, TooLarge, "65535 × 65535 pixels"),
        ({"Rows": 31}, TooSmall, "at least 32"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, DamagedImage, "but there are fewer"),
        ({"RescaleSlope": "1e30"}, DamagedImage, "slope 1e.30, intercept -1024.* no Hounsfield units"),
        ({"RescaleIntercept": "-9e300"}, DamagedImage, "no Hounsfield units"),
        ({"BitsAllocated": None}, DamagedImage, "damaged"),
        ({"BitsAllocated": 13}, DamagedImage, "damaged"),
        ({"PhotometricInterpretation": None}, DamagedImage, "damaged"),
    ],
)
def test_a_header_that_does_not_fit_is_told(
    elements: dict[str, Any], error: type[InputError], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        read_all(opened(tmp_path, slice_bytes(**elements)))


def test_pixels_beyond_those_that_are_stated_do_not_matter(tmp_path: Path) -> None:
    ct_slice = read_one(tmp_path, slice_bytes(PixelData=_stored(SLICE) + bytes(40)))
    np.testing.assert_array_equal(ct_slice.pixels, SLICE)


@pytest.mark.parametrize(
    "elements",
    [
        {"PixelSpacing": None},
        {"PixelSpacing": [0.0, 0.7]},
        {"PixelSpacing": [-0.8, 0.7]},
        {"PixelSpacing": ["1e307", "1e307"]},
        {"PixelSpacing": [0.8, 0.7, 0.6]},
        {"PixelSpacing": 0.8},
    ],
)
def test_a_spacing_that_cannot_be_is_unknown(elements: dict[str, Any], tmp_path: Path) -> None:
    volume = volume_of(tmp_path, slice_bytes(**elements))
    assert (volume.affine, volume.spacing_mm, volume.read(0).spacing_mm) == (None, None, None)
    assert volume.notes == ("The header does not state the pixel spacing, so nothing is given in millimetres.",)


@pytest.mark.parametrize(
    "orientation",
    [None, [0.0] * 6, [1.0, 0.0], [2.0, 0.0, 0.0, 0.0, 0.5, 0.0], [1.0, 0.0, 0.0, 1.0, 0.0, 0.0], ["1e300"] * 6],
)
def test_an_orientation_that_cannot_be_is_unknown(orientation: list[float] | None, tmp_path: Path) -> None:
    volume = volume_of(tmp_path, slice_bytes(ImageOrientationPatient=orientation))
    assert not volume.sides_known
    assert volume.affine is None
    assert volume.notes == ("The header does not state the orientation, so right and left are not told apart.",)
    np.testing.assert_array_equal(volume.read(0).pixels, SLICE)


def test_a_single_slice_is_a_volume_of_one(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, slice_bytes(2))
    assert (volume.shape, volume.extents_mm, volume.sides_known, volume.notes) == ((1, 40, 36), None, True, ())
    expected = AFFINE.copy()
    expected[2, 3] = 110.0
    assert volume.affine is not None
    np.testing.assert_allclose(volume.affine, expected)


@pytest.mark.parametrize("thickness", [0, -5, "1e300", None])
def test_a_thickness_that_cannot_be_is_taken_for_1_mm(thickness: Any, tmp_path: Path) -> None:
    volume = volume_of(tmp_path, slice_bytes(SliceThickness=thickness))
    assert volume.affine is not None
    np.testing.assert_allclose(volume.affine[:3, 2], [0.0, 0.0, 1.0])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["explicit", "implicit", "big endian", "deflated", "RLE", "JPEG Lossless"])
def test_a_truncated_file_is_refused_before_its_pixels_are_asked_for(name: str, share: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-1000, 1000, (64, 64))
    syntax = NATIVE.get(name, NATIVE["explicit"])
    content = dicom_bytes(slice_dataset(noise), syntax)
    if name in COMPRESSED:
        content = compress(content, COMPRESSED[name][0])
    with pytest.raises(InputError, match="cut short"):
        opened(tmp_path, content[: int(len(content) * share)])


def test_a_file_larger_than_any_slice_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "upload" / "00000"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.write(slice_bytes())
        file.truncate(MAX_SLICE_MB * 1_000_000 + 1)
    with pytest.raises(TooLarge, match="has 100 MB; a single slice has at most 100 MB"):
        open_study([SourceFile(path, "a.dcm")], tmp_path / "unpacked")


def test_a_deflated_bomb_is_refused_while_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.decode.dataset.MAX_SLICE_MB", 2)
    content = dicom_bytes(slice_dataset(SLICE, PixelData=bytes(3_000_000)), NATIVE["deflated"])
    assert len(content) < 10_000
    with pytest.raises(TooLarge, match="more than 2 MB when it is unpacked"):
        opened(tmp_path, content)


def test_a_header_of_endless_parts_is_not_read_to_its_end(tmp_path: Path) -> None:
    content = slice_bytes()
    at = content.index(b"\x08\x00\x60\x00CS")
    sequence = b"\x08\x00\x51\x00SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * 100_000
    with pytest.raises(DamagedImage, match="far too many parts"):
        opened(tmp_path, content[:at] + sequence + content[at:])


def _colours() -> bytes:
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[:20] = 255, 0, 0
    red[20:] = 255, 255, 255
    colours = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB", "BitsAllocated": 8}
    bits = {"BitsStored": 8, "HighBit": 7, "Modality": "OT", "SOPClassUID": SecondaryCaptureImageStorage}
    return slice_bytes(**colours, **bits, RescaleSlope=None, RescaleIntercept=None, PixelData=red.tobytes())


def test_a_secondary_capture_is_a_plain_picture_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(NotCt, match="its modality is OT"):
        opened(tmp_path / "a", _colours())
    picture = opened(tmp_path / "b", _colours(), as_picture=True)
    assert isinstance(picture, CtSlice)
    # Red is 0.299 * 255 = 76, and from there to white the whole range is used.
    assert np.unique(picture.pixels[:20]).tolist() == [0]
    assert np.unique(picture.pixels[20:]).tolist() == [255]
    assert picture.notes == (
        "Read as a plain picture, as was asked: its values are no Hounsfield units, and its size is unknown.",
    )


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_ct_slice_is_a_plain_picture_too(name: str, tmp_path: Path) -> None:
    picture = opened(tmp_path, compress(slice_bytes(), COMPRESSED[name][0]), as_picture=True)
    assert isinstance(picture, CtSlice)
    assert picture.pixels.dtype == np.uint8
    assert (picture.pixels[0, 0], picture.pixels[-1, -1]) == (0, 255)


def test_a_plain_picture_with_a_palette_has_its_colours(tmp_path: Path) -> None:
    table = np.zeros(256, np.uint16)
    table[7] = 65535
    names = [f"{colour}PaletteColorLookupTable" for colour in ("Red", "Green", "Blue")]
    palette = {f"{name}Descriptor": [256, 0, 16] for name in names} | {f"{name}Data": table.tobytes() for name in names}
    indices = np.full((HEIGHT, WIDTH), 200, np.uint8)
    indices[3, 4] = 7
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PhotometricInterpretation": "PALETTE COLOR"}
    picture = opened(tmp_path, slice_bytes(PixelData=indices.tobytes(), **bits, **palette), as_picture=True)
    assert isinstance(picture, CtSlice)
    assert (picture.pixels[3, 4], picture.pixels.sum()) == (255, 255)


def test_a_plain_monochrome1_picture_is_turned_round(tmp_path: Path) -> None:
    picture = opened(tmp_path, slice_bytes(PhotometricInterpretation="MONOCHROME1"), as_picture=True)
    assert isinstance(picture, CtSlice)
    assert (picture.pixels[0, 0], picture.pixels[-1, -1]) == (255, 0)


@pytest.mark.parametrize(
    ("elements", "error", "sentence"),
    [
        ({"PixelData": None}, NotCt, "has no pixels"),
        ({"NumberOfFrames": 3}, NotCt, "several frames"),
        ({"Rows": 65535, "Columns": 65535}, TooLarge, "at most 20 million pixels"),
        ({"Rows": None}, DamagedImage, "damaged"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, DamagedImage, "damaged"),
    ],
)
def test_a_plain_picture_is_refused_with_its_reason(
    elements: dict[str, Any], error: type[InputError], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        opened(tmp_path, slice_bytes(**elements), as_picture=True)
