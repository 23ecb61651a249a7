"""A DICOM file of any kind -> a plain picture, where the sender asks for it: a secondary capture, say."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from model.decode.ct import CtSlice
from model.decode.dicom import sentences
from model.decode.kinds import SourceFile
from model.decode.picture import check_size
from model.errors import NotCt

NOTE = "Read as a plain picture, as was asked: its values are no Hounsfield units, and its size is unknown."


def decode_plain(source: SourceFile) -> CtSlice:
    """Read the first frame of a DICOM file, gray or in colours, as a picture.

    Returns
    -------
    (H, W) uint8, from the smallest to the largest value of the frame; colours become gray by their luminance.

    Raises
    ------
    NotCt, DamagedImage, TooLarge, TooSmall : each with a sentence for the sender.
    """
    with sentences():
        dataset = dcmread(source.path, force=True)
        if "PixelData" not in dataset:
            raise NotCt("This DICOM file has no pixels: it is a report or another document. Upload the images.")
        check_size(int(dataset.Columns), int(dataset.Rows))
        if int(dataset.get("NumberOfFrames") or 1) != 1:
            raise NotCt("This DICOM file holds several frames. Export the slice alone.")
        values = np.asarray(dataset.pixel_array, np.float32)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            values = -values
    return CtSlice(_to_bytes(values), (0.0, 255.0), notes=(NOTE,))


def _to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (H, W) uint8 of (H, W) or (H, W, 3) float32."""
    gray = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY) if values.ndim == 3 else values
    low, high = float(gray.min()), float(gray.max())
    return np.asarray(np.rint(255.0 * (gray - low) / max(high - low, 1.0)), np.uint8)
