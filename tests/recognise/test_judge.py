from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.decode.ct import CtSlice
from model.engine import SeeingEngine, Seen, can_see, load_engine
from model.errors import NotChestCt, WeightsError
from model.phantom import EXAMPLES, draw_phantom
from model.recognise.features import CELLS, GRID, features
from model.recognise.head import Head, load_head
from model.recognise.judge import (
    CHEST,
    COLOURED,
    SHIPPED_HEAD,
    SIDEWAYS,
    SOFT,
    UPSIDE_DOWN,
    Recogniser,
    features_of,
    judge,
    load_recogniser,
)
from model.segment import segment_slice
from tests.training.stub import FakeEngine

FEATURES = (64 + 128 + 256) * (GRID**2 + 1)


@pytest.fixture(scope="module")
def engine() -> SeeingEngine:
    loaded = load_engine()
    assert can_see(loaded)
    return loaded


@pytest.fixture(scope="module")
def recogniser(engine: SeeingEngine) -> Recogniser:
    return load_recogniser(engine)


def seen(image: np.ndarray, engine: SeeingEngine, value_range: tuple[float, float] = (0.0, 255.0)) -> np.ndarray:
    return features_of(CtSlice(image, value_range), engine)


def test_features_tell_up_from_down_and_left_from_right(engine: SeeingEngine) -> None:
    image = draw_phantom(EXAMPLES["one"])
    features = [seen(np.ascontiguousarray(turn), engine) for turn in (image, image[::-1], image[:, ::-1])]
    assert features[0].shape == (FEATURES,)
    assert features[0].dtype == np.float32
    assert np.isfinite(features[0]).all()
    for other in features[1:]:
        assert np.abs(other - features[0]).max() > 0.01


def test_features_come_from_gray_values_and_hounsfield_units_alike(engine: SeeingEngine) -> None:
    image = draw_phantom(EXAMPLES["many"])
    hounsfield = (image / 255.0 * 1500.0 - 1250.0).astype(np.float32)
    np.testing.assert_allclose(seen(hounsfield, engine, (-1250.0, 250.0)), seen(image, engine), atol=1e-3)


def test_features_are_those_of_the_levels_computed_by_hand() -> None:
    """A graph of three levels that are their input, made smaller: what comes out is counted by numpy."""
    import openvino
    from openvino import opset13

    given = opset13.parameter([1, 448, 448, 1], np.float32)
    planes = opset13.transpose(given, np.array([0, 3, 1, 2], np.int64))
    level, levels = planes, []
    for factor in (4, 2, 2):
        level = opset13.relu(opset13.avg_pool(level, [factor] * 2, [0, 0], [0, 0], [factor] * 2, True))
        levels.append(level)
    network = openvino.Model([level.output(0)], [given], "levels")
    found = features(network)
    assert found is not None
    compiled = openvino.compile_model(
        openvino.Model([found], [given], "features"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    image = np.random.default_rng(3).uniform(0.0, 9.0, (448, 448)).astype(np.float32)
    (answer,) = compiled(image[np.newaxis, ..., np.newaxis]).to_tuple()
    # All levels have the same means, that of the cells of 32 by 32 pixels.
    cells = np.log1p(image.reshape(CELLS, 32, CELLS, 32).mean(axis=(1, 3)))
    bounds = [(0, 5), (5, 9), (9, 14)]
    means = [cells[top:bottom, left:right].mean() for top, bottom in bounds for left, right in bounds]
    np.testing.assert_allclose(answer[0], [*means, cells.std()] * 3, rtol=1e-4)


def test_a_graph_without_the_levels_has_no_features() -> None:
    import openvino
    from openvino import opset13

    given = opset13.parameter([1, 448, 448, 1], np.float32)
    assert features(openvino.Model([opset13.relu(given).output(0)], [given], "none")) is None


def test_what_reads_by_the_same_network_is_judged_by_what_that_saw(
    recogniser: Recogniser, engine: SeeingEngine
) -> None:
    ct_slice = CtSlice(draw_phantom(EXAMPLES["one"]), (0.0, 255.0))
    assert recogniser.before_reading(ct_slice, engine) is None
    assert recogniser.by_features(features_of(ct_slice, engine)) == recogniser.recognise(ct_slice)


def test_colours_are_judged_before_anything_is_read(recogniser: Recogniser, engine: SeeingEngine) -> None:
    coloured = recogniser.before_reading(CtSlice(np.zeros((64, 64), np.uint8), (0.0, 255.0), colour_share=0.9), engine)
    assert coloured is not None
    assert (coloured.kind, coloured.refused) == (COLOURED, True)


def test_for_another_network_the_recogniser_looks_for_itself(recogniser: Recogniser) -> None:
    ct_slice = CtSlice(np.zeros((64, 64), np.uint8), (0.0, 255.0))
    assert recogniser.before_reading(ct_slice, FakeEngine()) == recogniser.recognise(ct_slice)
    assert load_recogniser(FakeEngine()).recognise(ct_slice).refused


def test_a_network_that_tells_no_features_cannot_be_judged_by_them(recogniser: Recogniser) -> None:
    with pytest.raises(WeightsError, match="groundglass-2 has no levels"):
        recogniser.by_features(None)


def test_what_is_likely_decides() -> None:
    assert judge({CHEST: 0.6, "photograph": 0.4}).refused is False
    answer = judge({CHEST: 0.3, SOFT: 0.1, "photograph": 0.2, "chest X-ray": 0.4})
    assert (answer.kind, answer.refused) == ("chest X-ray", True)
    assert answer.sentence == "This does not look like a chest CT; it looks more like a chest X-ray."


@pytest.mark.parametrize(
    ("kind", "words"), [(SOFT, "soft-tissue window"), (UPSIDE_DOWN, "upside down"), (SIDEWAYS, "on its side")]
)
def test_what_is_read_with_a_warning_has_a_sentence_of_its_own(kind: str, words: str) -> None:
    answer = judge({kind: 0.4, CHEST: 0.2, "photograph": 0.3, "ultrasound": 0.1})
    assert (answer.kind, answer.refused) == (kind, False)
    assert words in answer.sentence


def test_every_refused_kind_has_its_article() -> None:
    for kind in load_head(SHIPPED_HEAD).kinds:
        sentence = judge({kind: 1.0}).sentence
        assert "a abdominal" not in sentence and "a ultrasound" not in sentence and "a scanned text" not in sentence


@pytest.mark.parametrize(
    "image", [np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8)], ids=["black", "white"]
)
def test_a_picture_of_nothing_is_refused(image: np.ndarray, recogniser: Recogniser) -> None:
    assert recogniser.recognise(CtSlice(image, (0.0, 255.0))).refused


def test_stripes_like_text_are_refused(recogniser: Recogniser) -> None:
    image = np.full((300, 200), 255, np.uint8)
    rng = np.random.default_rng(0)
    for top in range(20, 280, 12):
        image[top : top + 6, 20:180] = np.where(rng.random((6, 160)) < 0.5, 0, 255)
    assert recogniser.recognise(CtSlice(image, (0.0, 255.0))).refused


def test_a_head_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    head = Head(("a", "b"), np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.zeros(2, np.float32), "abc")
    head.save(tmp_path / "head.npz")
    loaded = load_head(tmp_path / "head.npz")
    assert (loaded.kinds, loaded.encoder_sha256) == (("a", "b"), "abc")
    found = loaded.probabilities(np.array([np.log(3.0), 0.0], np.float32))
    assert found == pytest.approx({"a": 0.75, "b": 0.25})
    with pytest.raises(ValueError, match="features must be"):
        loaded.probabilities(np.zeros(3, np.float32))


def test_a_head_of_another_network_is_refused(tmp_path: Path) -> None:
    Head(("a",), np.zeros((1, FEATURES), np.float32), np.zeros(1, np.float32), "abc").save(tmp_path / "head.npz")
    with pytest.raises(WeightsError, match="fitted on another network"):
        load_recogniser(head=tmp_path / "head.npz")


def test_a_damaged_head_is_told(tmp_path: Path) -> None:
    (tmp_path / "head.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(WeightsError, match=r"head\.npz is missing or damaged"):
        load_head(tmp_path / "head.npz")
    with pytest.raises(WeightsError, match="missing or damaged"):
        load_head(tmp_path / "none.npz")


@pytest.mark.parametrize(("share", "refused"), [(0.0, False), (0.09, False), (0.1, True), (0.63, True)])
def test_a_picture_in_colour_is_refused(share: float, refused: bool, recogniser: Recogniser) -> None:
    answer = recogniser.recognise(CtSlice(draw_phantom(EXAMPLES["one"]), (0.0, 255.0), colour_share=share))
    assert answer.refused is refused
    assert (f"{100 * share:.0f} % of the picture is in colour" in answer.sentence) is refused


def test_pixels_that_are_not_square_are_seen_in_proportion(recogniser: Recogniser, engine: SeeingEngine) -> None:
    image = draw_phantom(EXAMPLES["one"])
    squeezed = np.ascontiguousarray(image[::6])
    features = features_of(CtSlice(squeezed, (0.0, 255.0), spacing_mm=(4.2, 0.7)), engine)
    whole = features_of(CtSlice(image, (0.0, 255.0), spacing_mm=(0.7, 0.7)), engine)
    as_stored = features_of(CtSlice(squeezed, (0.0, 255.0)), engine)
    assert np.abs(features - whole).mean() < 0.5 * np.abs(as_stored - whole).mean()
    # As whatever reads it by the same network sees it.
    segmentation = segment_slice(
        CtSlice(squeezed, (0.0, 255.0), spacing_mm=(4.2, 0.7)), engine, recogniser=recogniser, force=True
    )
    assert segmentation.recognition == recogniser.by_features(features)


def test_what_is_refused_is_looked_at_once_whatever_the_quality(recogniser: Recogniser, engine: SeeingEngine) -> None:
    class Counted:
        identity, channels, input_size = engine.identity, engine.channels, engine.input_size
        asked = 0

        def predict(self, batch: np.ndarray) -> np.ndarray:
            return self.see(batch).probability

        def see(self, batch: np.ndarray) -> Seen:
            self.asked += 1
            return engine.see(batch)

    counted = Counted()
    with pytest.raises(NotChestCt):
        segment_slice(CtSlice(np.zeros((64, 64), np.uint8), (0.0, 255.0)), counted, quality=True, recogniser=recogniser)
    assert counted.asked == 1
