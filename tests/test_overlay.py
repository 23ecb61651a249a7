from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from model.card import Identity
from model.decode.ct import CtSlice
from model.findings import measure
from model.overlay import (
    COLOUR_MAP,
    COLOUR_MAPS,
    Style,
    colour_table,
    heat_map,
    lung_png,
    mark_sides,
    mask_png,
    original_png,
    overlay,
    overlay_png,
    probability_png,
)
from model.recognise.judge import Recognition
from model.segment import Segmentation
from model.warning import label_rows

# Higher than wide, and the lesion off the centre, so that nothing can be swapped or mirrored unseen.
GRAY = np.add.outer(np.arange(300), np.arange(200)).astype(np.uint16).clip(0, 255).astype(np.uint8)
PROBABILITY = np.zeros((300, 200), np.float32)
PROBABILITY[40:80, 20:60] = 0.8


@pytest.fixture
def segmentation() -> Segmentation:
    findings = measure(PROBABILITY, None, threshold=0.5)
    return Segmentation(CtSlice(GRAY, (0.0, 255.0)), PROBABILITY, None, findings, Identity("drawn", "0" * 64))


def read_png(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_outside_lesion_outline_and_bar_the_ct_is_untouched() -> None:
    image = overlay(GRAY, PROBABILITY, threshold=0.5)
    assert image.shape == (300, 200, 3)
    untouched = np.ones(GRAY.shape, bool)
    untouched[35:85, 15:65] = False
    untouched[190:, 136:] = False
    for channel in range(3):
        np.testing.assert_array_equal(image[..., channel][untouched], GRAY[untouched])


def test_the_lesion_is_coloured_and_the_coordinates_are_kept() -> None:
    image = overlay(GRAY, PROBABILITY, threshold=0.5).astype(int)
    inside = image[45:75, 25:55]
    assert np.all(inside.max(axis=-1) - inside.min(axis=-1) > 10)


def test_the_smallest_lesion_keeps_its_colour() -> None:
    probability = np.zeros((300, 200), np.float32)
    probability[50, 60] = 0.9
    red, green, blue = overlay(np.full((300, 200), 100, np.uint8), probability, threshold=0.5)[50, 60].astype(int)
    assert red > blue
    assert green > blue


def test_a_faint_lesion_is_coloured_less_than_a_certain_one() -> None:
    gray = np.full((300, 200), 100, np.uint8)
    faint = overlay(gray, PROBABILITY * 0.65, threshold=0.5)[60, 40].astype(int)
    certain = overlay(gray, PROBABILITY * 1.25, threshold=0.5)[60, 40].astype(int)
    assert np.abs(faint - 100).sum() < np.abs(certain - 100).sum()


def test_below_the_threshold_nothing_is_coloured() -> None:
    image = overlay(GRAY, PROBABILITY, threshold=0.9)
    assert np.all(image[:190, :, 0] == image[:190, :, 2])


def test_no_lesion_is_hidden_by_the_bar() -> None:
    probability = np.full((300, 200), 0.9, np.float32)
    image = overlay(np.full((300, 200), 100, np.uint8), probability, threshold=0.5)
    assert np.ptp(image.reshape(-1, 3), axis=0).max() == 0


def test_the_bar_avoids_the_lesion() -> None:
    probability = np.zeros((300, 200), np.float32)
    probability[220:, 120:] = 0.9  # where the bar would stand
    image = overlay(np.full((300, 200), 100, np.uint8), probability, threshold=0.5).astype(int)
    lesion = image[230:290, 130:190]
    assert np.ptp(lesion.reshape(-1, 3), axis=0).max() == 0


def test_a_small_picture_has_no_bar() -> None:
    gray = np.full((100, 100), 100, np.uint8)
    assert np.all(overlay(gray, np.zeros((100, 100), np.float32), threshold=0.5) == 100)


def test_the_bar_can_be_left_out() -> None:
    image = overlay(GRAY, np.zeros(GRAY.shape, np.float32), threshold=0.5, bar=False)
    assert np.all(image == GRAY[..., np.newaxis])


@pytest.mark.parametrize(("height", "width"), [(300, 200), (64, 512), (96, 64)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_sides_are_seen_on_any_gray(height: int, width: int, value: int) -> None:
    image = np.full((height, width, 3), value, np.uint8)
    mark_sides(image)
    written = np.abs(image.astype(int) - value).max(axis=(0, 2)) > 60
    assert written[: width // 2].any()
    assert written[width // 2 :].any()


def test_a_tiny_picture_has_no_letters() -> None:
    image = np.full((63, 200, 3), 100, np.uint8)
    mark_sides(image)
    assert np.all(image == 100)


@pytest.mark.parametrize("value", [0, 255])
def test_a_constant_slice_stays_constant(value: int) -> None:
    gray = np.full((100, 100), value, np.uint8)
    assert np.all(overlay(gray, np.zeros((100, 100), np.float32), threshold=0.5) == value)


def test_the_colour_map_is_perceptually_uniform() -> None:
    assert set(COLOUR_MAPS) <= {"magma", "inferno", "viridis", "cividis"}
    assert COLOUR_MAP in COLOUR_MAPS


def test_the_pngs_have_the_geometry_and_depth_they_promise(segmentation: Segmentation) -> None:
    assert read_png(overlay_png(segmentation)).shape == (300, 200, 3)
    np.testing.assert_array_equal(read_png(mask_png(segmentation)), np.where(PROBABILITY > 0, 255, 0))
    probability = read_png(probability_png(segmentation))
    assert probability.dtype == np.uint16
    assert probability.max() == round(0.8 * 65535)
    np.testing.assert_array_equal(read_png(original_png(segmentation)), GRAY)


def test_the_overlay_png_is_rgb_in_this_order(segmentation: Segmentation) -> None:
    expected = overlay(GRAY, PROBABILITY, threshold=0.5)
    np.testing.assert_array_equal(read_png(overlay_png(segmentation)), expected)


def test_it_refuses_arrays_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        overlay(GRAY, PROBABILITY.T, threshold=0.5)


def test_without_opacity_only_the_outline_is_drawn() -> None:
    image = overlay(GRAY, PROBABILITY, threshold=0.5, style=Style(opacity=0.0))
    for channel in range(3):
        np.testing.assert_array_equal(image[40:80, 20:60, channel], GRAY[40:80, 20:60])
    assert not np.array_equal(image, overlay(GRAY, PROBABILITY, threshold=0.5, style=Style(0.0, outline=False)))


def test_at_full_opacity_the_certain_has_the_colour_of_the_table() -> None:
    image = overlay(GRAY, PROBABILITY * 1.25, threshold=0.5, style=Style(opacity=1.0))
    assert image[60, 40].tolist() == colour_table()[255].tolist()


def test_opacity_is_that_of_the_certain() -> None:
    gray = np.full((300, 200), 100, np.uint8)
    image = overlay(gray, PROBABILITY, threshold=0.5, style=Style(opacity=0.5))
    # 0.5 · 0.8 = 0.4 of the colour at 0.8 · 255 = 204, and 0.6 of the gray.
    expected = 0.4 * colour_table()[204] + 60.0
    np.testing.assert_allclose(image[60, 40], expected, atol=0.51)


def test_without_outline_nothing_is_drawn_around_a_lesion() -> None:
    image = overlay(GRAY, PROBABILITY, threshold=0.5, bar=False, style=Style(outline=False))
    outside = PROBABILITY == 0.0
    np.testing.assert_array_equal(image[outside], np.repeat(GRAY[outside][:, np.newaxis], 3, axis=1))


@pytest.mark.parametrize("colours", COLOUR_MAPS)
def test_each_colour_map_grows_brighter(colours: str) -> None:
    brightness = colour_table(colours) @ np.array([0.299, 0.587, 0.114])
    assert np.all(np.diff(brightness[::15]) > 0)
    assert colour_table(colours).dtype == np.uint8


def test_colours_and_bar_are_those_asked_for() -> None:
    drawn = [overlay(GRAY, PROBABILITY, threshold=0.5, style=Style(colours=colours)) for colours in COLOUR_MAPS[:2]]
    assert not np.array_equal(drawn[0][45:75, 25:55], drawn[1][45:75, 25:55])
    assert not np.array_equal(drawn[0][190:, 136:], drawn[1][190:, 136:])


def test_the_heat_map_shows_what_is_below_the_threshold_too() -> None:
    faint = np.array([[0.0, 0.2], [0.6, 1.0]], np.float32)
    # 0.2 · 255 = 51 and 0.6 · 255 = 153.
    expected = colour_table("magma")[[[0, 51], [153, 255]]]
    np.testing.assert_array_equal(heat_map(faint, "magma"), expected)


def test_the_lung_is_cut_at_one_half() -> None:
    lung = np.zeros((300, 200), np.float32)
    lung[:2, 0] = 0.5, 0.49
    found = Segmentation(
        CtSlice(GRAY, (0.0, 255.0)),
        PROBABILITY,
        lung,
        measure(PROBABILITY, lung, threshold=0.5),
        Identity("drawn", "0"),
    )
    png = lung_png(found)
    assert png is not None
    assert read_png(png)[:2, 0].tolist() == [255, 0]


def test_there_is_no_lung_picture_where_the_network_tells_none(segmentation: Segmentation) -> None:
    assert lung_png(segmentation) is None


@pytest.mark.parametrize(("height", "width"), [(160, 160), (200, 900), (512, 512), (900, 160)])
def test_a_warning_and_the_colour_bar_leave_each_other_in_sight(height: int, width: int) -> None:
    # With lesion along the bottom the bar stands at the top.
    gray, probability = np.full((height, width), 90, np.uint8), np.zeros((height, width), np.float32)
    probability[-4:-2, 6:-6] = 0.8
    findings = measure(probability, None, threshold=0.5)
    read = Segmentation(CtSlice(gray, (0.0, 255.0)), probability, None, findings, Identity("drawn", "0" * 64))
    refused = Recognition("head CT", True, "This does not look like a chest CT.")
    shown = read_png(overlay_png(replace(read, recognition=refused)))
    rows = label_rows((height, width), refused)
    with_bar, without = (overlay(gray, probability, threshold=0.5, bar=bar) for bar in (True, False))
    bar = with_bar[(with_bar != without).any(axis=(1, 2))]
    np.testing.assert_array_equal(shown[rows : rows + len(bar)], bar)
    np.testing.assert_array_equal(shown[rows + len(bar) :], without[rows + len(bar) :])
    # The warning is whole.
    empty = np.zeros_like(probability)
    nothing = replace(read, lesion_probability=empty, recognition=refused)
    np.testing.assert_array_equal(shown[:rows], read_png(overlay_png(nothing))[:rows])
