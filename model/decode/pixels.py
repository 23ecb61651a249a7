"""A DICOM file -> its pixels as they are stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, JPEGExtended12Bit

from model.decode.apart import Decoder
from model.decode.dataset import is_compressed, open_dataset, sentences, syntax_of
from model.decode.kinds import SourceFile
from model.errors import DamagedImage, NotCt

FloatArray = NDArray[np.float32]


def refuse_unreadable(dataset: Dataset) -> None:
    """Raise NotCt where the pixels are compressed in a way for which there is no decoder."""
    syntax = syntax_of(dataset)
    if is_compressed(syntax) and not _is_decoded(syntax, dataset):
        raise NotCt(
            f"The pixels of this DICOM file are compressed as {syntax.name[:80]}, which cannot be read. Export the "
            "series without compression."
        )


def _is_decoded(syntax: UID, dataset: Dataset) -> bool:
    # GDCM takes JPEG Extended of 8 bits only.
    if syntax == JPEGExtended12Bit and dataset.get("BitsStored") != 8:
        return False
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def stored_pixels(source: SourceFile, syntax: UID, decoder: Decoder) -> FloatArray:
    """Return (H, W) float32, or (H, W, 3) of colours; not rescaled, not turned.

    Parameters
    ----------
    syntax : the transfer syntax of the file.
    decoder : takes compressed pixels.

    Raises
    ------
    DamagedImage : the pixels are damaged, or do not fit the header.
    """
    if is_compressed(syntax):
        pixels = decoder.decode(source.path)
    else:
        with sentences():
            pixels = np.asarray(open_dataset(source, pixels=True).dataset.pixel_array, np.float32)
    if pixels is None:
        raise DamagedImage(f"The compressed pixels of {source.title} are damaged. Send it again, or export it again.")
    if not np.isfinite(pixels).all():
        raise DamagedImage(f"Some pixels of {source.title} are no numbers. Export the slice again.")
    return pixels
