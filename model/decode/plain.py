"""A DICOM file of any kind -> a plain picture, where the sender asks for it: a secondary capture, say."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut

from model.decode.apart import Decoder
from model.decode.ct import CtSlice
from model.decode.dataset import open_dataset, sentences, syntax_of
from model.decode.kinds import SourceFile
from model.decode.picture import check_size, colour_share
from model.decode.pixels import refuse_unreadable, stored_pixels
from model.errors import NotCt

FloatArray = NDArray[np.float32]

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
    opened = open_dataset(source, pixels=True)
    dataset = opened.dataset
    if not opened.pixel_bytes:
        raise NotCt("This DICOM file has no pixels: it is a report or another document. Upload the images.")
    with sentences():
        check_size(int(dataset.Columns), int(dataset.Rows))
        if int(dataset.get("NumberOfFrames") or 1) != 1:
            raise NotCt("This DICOM file holds several frames. Export the slice alone.")
        refuse_unreadable(dataset)
        values = stored_pixels(source, syntax_of(dataset), Decoder())
        shown = _looked_up(values, dataset)
        return CtSlice(_to_bytes(shown), (0.0, 255.0), notes=(NOTE,), colour_share=_colour_share(shown))


def _looked_up(values: FloatArray, dataset: Dataset) -> FloatArray:
    """Return gray that counts up, or the colours of a palette."""
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return np.asarray(apply_color_lut(values.astype(np.uint16), dataset), np.float32)
    return -values if dataset.PhotometricInterpretation == "MONOCHROME1" else values


def _colour_share(values: FloatArray) -> float:
    """Return the share of coloured pixels of (H, W) or (H, W, 3) float32; palettes and samples may have 16 bits."""
    if values.ndim == 2:
        return 0.0
    scale = 255.0 / max(255.0, float(values.max()))
    return colour_share(np.clip(scale * values, 0.0, 255.0).astype(np.uint8))


def _to_bytes(values: FloatArray) -> NDArray[np.uint8]:
    """Return (H, W) uint8 of (H, W) or (H, W, 3) float32."""
    gray = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY) if values.ndim == 3 else values
    low, high = float(gray.min()), float(gray.max())
    return np.asarray(np.rint(255.0 * (gray - low) / (high - low or 1.0)), np.uint8)
