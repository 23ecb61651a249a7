"""Whole files of every format that is read, small, of drawn slices: what mutations begin with."""

from __future__ import annotations

import gzip
import io
import zipfile
from functools import cache

import nibabel
import numpy as np
from PIL import Image

from model.phantom import EXAMPLES, draw_phantom
from tests.phantoms import (
    COMPRESSED,
    NATIVE,
    compress,
    dicom_bytes,
    nifti_bytes,
    phantom,
    series_bytes,
    slice_bytes,
    slice_dataset,
    zip_bytes,
)

SIDE = 48


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@cache
def samples() -> dict[str, tuple[bytes, ...]]:
    """Return files by format."""
    gray = Image.fromarray(draw_phantom(EXAMPLES["many"])).resize((SIDE, SIDE))
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 16)
    colours, palette = gray.convert("RGBA"), gray.convert("P")
    pages = [gray.copy(), gray.copy()]
    return {
        "PNG": tuple(_encoded(image, "PNG") for image in (gray, deep, colours, palette, gray.convert("1"))),
        "JPEG": (
            _encoded(gray, "JPEG"),
            _encoded(gray.convert("RGB"), "JPEG", progressive=True),
            _encoded(gray.convert("CMYK"), "JPEG"),
        ),
        "TIFF": (
            _encoded(gray, "TIFF"),
            _encoded(deep, "TIFF", compression="tiff_lzw"),
            _encoded(colours, "TIFF", compression="tiff_adobe_deflate"),
            _encoded(gray, "TIFF", save_all=True, append_images=pages),
            _encoded(gray.convert("1"), "TIFF", compression="group4"),
        ),
        "BMP": (_encoded(gray, "BMP"), _encoded(gray.convert("RGB"), "BMP")),
        "DICOM": (*(dicom_bytes(slice_dataset(phantom()[0]), syntax) for syntax in NATIVE.values()), slice_bytes(1)),
        "compressed DICOM": tuple(compress(slice_bytes(), codec) for codec, _ in COMPRESSED.values()),
        "NIfTI": (
            nifti_bytes(),
            nifti_bytes(kind=nibabel.Nifti2Image),
            nifti_bytes(phantom().T.astype(np.float32), codes=(0, 1)),
        ),
        "gzip": (
            gzip.compress(nifti_bytes()),
            gzip.compress(nifti_bytes()[:4000]) + gzip.compress(nifti_bytes()[4000:]),
        ),
        "zip": (
            zip_bytes({f"{number}.dcm": content for number, content in enumerate(series_bytes(range(3)))}),
            zip_bytes({"a/a.nii": nifti_bytes()}, zipfile.ZIP_STORED),
            zip_bytes({"a.png": _encoded(gray, "PNG"), "notes.txt": b"none"}),
        ),
    }
