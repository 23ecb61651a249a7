"""A NIfTI file -> a volume, turned to the closest axial orientation and read slice by slice."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from model.decode.archive import unpack_gzip
from model.decode.ct import MAX_SLICES, Affine, CtSlice, CtVolume, Place
from model.decode.kinds import GZIP, NIFTI, SourceFile, kind_of
from model.decode.nifti_header import claimed_header, class_of, contradiction, in_mm, is_spacing, shape_of, spans_space
from model.decode.nifti_values import NO_NUMBERS, in_numbers, judged
from model.decode.picture import check_size
from model.errors import DamagedImage, GroundglassError, NotAnImage, NotCt

LOOKED_AT = 24
"""On how many slices, spread over the volume, the values are held against Hounsfield units."""

DISPLAYED = nibabel.orientations.axcodes2ornt(("L", "P", "S"))
"""The axes of a volume as displayed: columns to the patient's left, rows to the back, slices to the head."""

BETWEEN_FRAMES = np.diag([-1.0, -1.0, 1.0, 1.0])
"""NIfTI counts to the patient's right and front, DICOM to the left and back: this leads from either to the other."""


@dataclass(frozen=True)
class Form:
    """One of the two affines of a NIfTI header, and the code that says what it leads to."""

    affine: Affine
    code: int


@dataclass(frozen=True)
class NiftiGrid:
    """How the input stores its voxels, so that a mask can be written the same way.

    shape : the three stored axes.
    affine : (4, 4) stored indices -> mm to the patient's right, front, head, by which the volume was turned.
    sform, qform : both affines of the header, which may differ, each with its code.
    """

    shape: tuple[int, int, int]
    affine: Affine
    sform: Form
    qform: Form


@dataclass(frozen=True)
class NiftiVolume:
    """A volume and the grid it came from."""

    grid: NiftiGrid
    volume: CtVolume


def read_nifti(source: SourceFile, folder: Path, *, value_range: tuple[float, float] | None = None) -> NiftiVolume:
    """Read a .nii or .nii.gz file.

    Parameters
    ----------
    folder : where a compressed file is unpacked, so that its slices can be read one at a time.
    value_range : the values that are black and white, where they are known: of labels, say. Else the values tell.

    Raises
    ------
    NotCt : it is not three-dimensional, or its values are neither Hounsfield units nor gray values.
    DamagedImage, TooLarge, TooSmall, NotAnImage : each with a sentence for the sender.
    """
    source = _unpacked(source, folder)
    with _sentences():
        # The path is ours and may have no ending, by which nibabel would tell the format.
        kind = class_of(source)
        claimed = claimed_header(source, kind)
        image: Any = kind.from_file_map(kind.make_file_map({"image": str(source.path)}))
        stored = _Stored(image, claimed)
        check_size(stored.shape_displayed[2], stored.shape_displayed[1])
        if stored.shape_displayed[0] > MAX_SLICES:
            raise NotCt(f"The volume has {stored.shape_displayed[0]:,} slices; at most {MAX_SLICES:,} are read.")
        value_range, notes = (value_range, []) if value_range else stored.judge()
    volume = CtVolume(
        shape=stored.shape_displayed,
        read=partial(_read_slice, stored, value_range),
        affine=stored.affine_displayed if stored.spacing_known else None,
        extents_mm=stored.extents_mm(),
        sides_known=stored.sides_known,
        places=stored.places(),
        notes=tuple([*notes, *stored.notes()]),
    )
    return NiftiVolume(stored.grid, volume)


def _unpacked(source: SourceFile, folder: Path) -> SourceFile:
    if kind_of(source.head()) != GZIP:
        # nibabel would unpack by the name, whatever the content is.
        plain = folder / "plain.nii"
        plain.symlink_to(source.path.absolute())
        return replace(source, path=plain)
    unpacked = unpack_gzip(source, folder / "unpacked.nii")
    if kind_of(unpacked.head()) != NIFTI:
        raise NotAnImage(
            "The compressed file holds no NIfTI volume. Upload a .nii.gz file, or a zip of a DICOM series."
        )
    return replace(source, path=unpacked.path)


class _Stored:
    """The voxels of a file as they lie there, and how they are turned to be displayed.

    claimed : the header before nibabel mended it, which turns a spacing of 0 into 1.
    """

    def __init__(self, image: Any, claimed: Any) -> None:
        shape = shape_of(claimed)
        # A view of the file, not a copy: slices are read when they are asked for.
        self.voxels = np.reshape(image.dataobj.get_unscaled(), shape, order="F")
        self.slope, self.intercept = float(image.dataobj.slope), float(image.dataobj.inter)
        codes = int(image.header["sform_code"]), int(image.header["qform_code"])
        affine = in_mm(image.affine, claimed)
        if not np.isfinite(affine).all():
            raise NotCt("The header of this NIfTI file does not say where its voxels lie. Convert it again from DICOM.")
        is_space = spans_space(affine)
        self.contradiction = contradiction(image.header)
        self.sides_known = any(codes) and is_space and not self.contradiction
        self.spacing_known = is_space and is_spacing(affine, claimed, codes)
        affine = affine if is_space else np.eye(4)
        self.grid = NiftiGrid(shape, affine, *_forms(image.header, affine, is_space=is_space))
        self._turn = nibabel.orientations.ornt_transform(io_orientation(affine), DISPLAYED)

    @property
    def displayed(self) -> NDArray[Any]:
        """A view of the voxels, (columns, rows, slices) as displayed."""
        return np.asanyarray(apply_orientation(self.voxels, self._turn))

    @property
    def shape_displayed(self) -> tuple[int, int, int]:
        """Slices, height and width as displayed."""
        width, height, slices = self.displayed.shape
        return int(slices), int(height), int(width)

    @property
    def affine_displayed(self) -> NDArray[np.float64]:
        """The affine of (column, row, slice) as displayed, in DICOM's frame."""
        affine = self.grid.affine @ inv_ornt_aff(self._turn, self.grid.shape)
        return np.asarray(BETWEEN_FRAMES @ affine, np.float64)

    def extents_mm(self) -> tuple[float, ...] | None:
        """Return what each slice stands for; None where spacing is unknown, or for a single slice."""
        slices = self.shape_displayed[0]
        if not self.spacing_known or slices == 1:
            return None
        axes = self.affine_displayed[:3, :3]
        area = np.linalg.norm(np.cross(axes[:, 0], axes[:, 1]))
        return (float(abs(np.linalg.det(axes)) / area),) * slices

    def places(self) -> tuple[Place, ...]:
        """Return how high the centre of each slice lies; NIfTI has no numbers of images."""
        slices, height, width = self.shape_displayed
        if not (self.spacing_known and self.sides_known):
            return (Place(),) * slices
        centres = [self.affine_displayed @ [(width - 1) / 2, (height - 1) / 2, n, 1.0] for n in range(slices)]
        return tuple(Place(z_mm=float(centre[2])) for centre in centres)

    def slice(self, number: int) -> NDArray[np.float32]:
        """Return (H, W) float32, scaled as the header says; what is no number becomes air."""
        return in_numbers(self.scaled(number))

    def scaled(self, number: int) -> NDArray[np.float32]:
        """Return (H, W) float32, scaled as the header says."""
        raw = np.asarray(self.displayed[:, :, number].T, np.float32)
        return np.ascontiguousarray(raw * np.float32(self.slope) + np.float32(self.intercept))

    def judge(self) -> tuple[tuple[float, float], list[str]]:
        """Tell Hounsfield units from gray values; return black and white, and notes.

        Raises
        ------
        NotCt : the values are neither.
        """
        numbers = np.unique(np.linspace(0, self.shape_displayed[0] - 1, LOOKED_AT).astype(int))
        ends = np.array([(values.min(), values.max()) for values in map(self.slice, numbers)])
        low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
        return judged(low, high)

    def notes(self) -> list[str]:
        """Say what the header leaves unknown."""
        notes = []
        if not self.spacing_known:
            notes.append("The header does not state a plausible size of a voxel: nothing is given in millimetres.")
        if self.contradiction:
            notes.append(self.contradiction)
        elif not self.sides_known:
            notes.append(
                "The header does not say which side is which (sform_code and qform_code are 0), so right and left are "
                "not told apart and the picture may be mirrored."
            )
        return notes


def _read_slice(stored: _Stored, value_range: tuple[float, float], number: int) -> CtSlice:
    spacing = None
    if stored.spacing_known:
        columns, rows = np.linalg.norm(stored.affine_displayed[:3, :2], axis=0)
        spacing = float(rows), float(columns)
    with _sentences():
        values = stored.scaled(number)
        if np.isfinite(values).all():
            return CtSlice(values, value_range, spacing)
        return CtSlice(in_numbers(values), value_range, spacing, (NO_NUMBERS,))


def _forms(header: Any, affine: Affine, *, is_space: bool) -> tuple[Form, Form]:
    """Return sform and qform as the header has them, `affine` standing in for one that is not coded, or damaged."""
    forms = []
    for own, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        is_damaged = own is not None and not np.isfinite(own).all()
        is_own = own is not None and is_space and not is_damaged
        forms.append(Form(in_mm(own, header) if is_own else affine, 0 if is_damaged else int(code)))
    return forms[0], forms[1]


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Turn what nibabel raises into our errors. Damaged headers bring it to raise nearly everything there is."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except GroundglassError:
        raise
    except Exception as exc:
        logging.getLogger(__name__).info("a NIfTI file cannot be read: %s", type(exc).__name__)
        raise DamagedImage(
            "The NIfTI file is damaged or was cut short. Send it again, or check that the upload was complete."
        ) from exc
