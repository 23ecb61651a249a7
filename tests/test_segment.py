from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from model.decode.ct import CtSlice
from model.engine import Engine
from model.errors import NotAnImage
from model.phantom import EXAMPLES, SIZE, draw_phantom, phantom_png
from model.segment import segment, segment_slice


def as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(512, 512), (300, 411), (97, 64)])
def test_masks_and_probabilities_have_the_inputs_height_and_width(engine: Engine, shape: tuple[int, int]) -> None:
    height, width = shape
    picture = np.asarray(Image.fromarray(draw_phantom(EXAMPLES["many"])).resize((width, height)))
    segmentation = segment(as_png(picture), engine)
    assert segmentation.mask.shape == shape
    assert segmentation.lesion_probability.shape == shape
    assert segmentation.lesion_probability.dtype == np.float32
    assert segmentation.lung_probability is not None
    assert segmentation.lung_probability.shape == shape
    assert 0.0 <= segmentation.lesion_probability.min() <= segmentation.lesion_probability.max() <= 1.0


def test_the_drawn_lesion_is_found_where_it_is_and_unmirrored(engine: Engine) -> None:
    (blob,) = EXAMPLES["one"]
    mask = segment(phantom_png("one"), engine).mask
    rows, columns = np.nonzero(mask)
    assert np.hypot(rows.mean() - blob.y, columns.mean() - blob.x) < blob.radius
    assert not mask[:, SIZE // 2 :].any()


def test_16_bit_finds_what_8_bit_finds(engine: Engine) -> None:
    pixels = draw_phantom(EXAMPLES["many"])
    shallow, deep = segment(as_png(pixels), engine), segment(as_png(pixels.astype(np.uint16) * 257), engine)
    np.testing.assert_allclose(deep.lesion_probability, shallow.lesion_probability, atol=1e-4)


def test_a_higher_threshold_gives_a_subset(engine: Engine) -> None:
    low, high = (segment(phantom_png("many"), engine, threshold=t) for t in (0.3, 0.7))
    assert np.count_nonzero(low.mask) > np.count_nonzero(high.mask) > 0
    assert not np.any(high.mask & ~low.mask)


def test_what_is_no_picture_is_refused(engine: Engine) -> None:
    with pytest.raises(NotAnImage):
        segment(b"Dear radiologist,", engine)


@pytest.mark.parametrize("squeezed", [(2, 1), (1, 2)])
def test_pixels_that_are_not_square_are_read_in_their_proportions(engine: Engine, squeezed: tuple[int, int]) -> None:
    pixels = draw_phantom(EXAMPLES["many"])
    whole = segment_slice(CtSlice(pixels, (0.0, 255.0), (0.7, 0.7)), engine)
    fewer = np.asarray(Image.fromarray(pixels).resize((SIZE // squeezed[1], SIZE // squeezed[0]), Image.Resampling.BOX))
    spacing = 0.7 * squeezed[0], 0.7 * squeezed[1]
    part = segment_slice(CtSlice(fewer, (0.0, 255.0), spacing), engine)
    assert part.mask.shape == fewer.shape
    assert part.findings.lesion_area_mm2 == pytest.approx(whole.findings.lesion_area_mm2, rel=0.03)
    back = np.asarray(Image.fromarray(part.mask).resize((SIZE, SIZE)))
    assert 2 * np.count_nonzero(back & whole.mask) > 0.95 * (np.count_nonzero(back) + np.count_nonzero(whole.mask))
