from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from model.card import Identity
from model.engine import FloatArray
from model.ensemble import EnsembleEngine
from model.errors import WeightsError
from model.look import look, look_closely, lung_box
from model.preprocess import Gray


class Echo:
    """Answers with a function of its input and remembers what it was shown."""

    identity = Identity("echo", "00")
    input_size = 448

    def __init__(
        self, channels: tuple[str, ...] = ("lesion", "lung"), *, lungs: bool = True, lean: float = 0.0
    ) -> None:
        self.channels, self.lungs, self.lean = channels, lungs, lean
        self.shown: list[FloatArray] = []

    def predict(self, batch: FloatArray) -> FloatArray:
        self.shown.append(batch.copy())
        # It leans to the right, as no network should: the mirrored look takes that away.
        ramp = np.linspace(0.0, self.lean, batch.shape[2], dtype=np.float32)[None, None, :, None]
        lesion = np.clip(batch + ramp, 0.0, 1.0)
        lung = (batch > 0.3).astype(np.float32) * self.lungs
        return np.concatenate([lesion, lung], axis=-1)[..., : len(self.channels)]


def square() -> np.ndarray:
    """224×224, gray 0 but for 128 in rows 56 to 167 and columns 28 to 195."""
    pixels = np.zeros((224, 224), np.uint8)
    pixels[56:168, 28:196] = 128
    return pixels


RANGE = (0.0, 255.0)


def test_one_look_gives_the_answer_at_the_size_of_the_slice() -> None:
    answer = look(square(), RANGE, Echo())
    assert answer.shape == (224, 224, 2)
    assert answer[112, 112, 0] == pytest.approx(128 / 255, abs=1e-6)


def test_a_close_look_is_four_looks_two_of_them_at_the_lungs() -> None:
    engine = Echo()
    look_closely(square(), RANGE, engine)
    assert len(engine.shown) == 4
    assert np.array_equal(engine.shown[1], engine.shown[0][:, :, ::-1])
    # 168 columns of 188 with the margins fill most of the picture, which they did not before.
    assert np.count_nonzero(engine.shown[2][0, 224]) > 390 > np.count_nonzero(engine.shown[0][0, 224])


def test_the_mirrored_look_takes_away_a_lean_to_one_side() -> None:
    answer = look_closely(square(), RANGE, Echo(("lesion",), lean=0.2)).probability[..., 0]
    assert answer[112, 60] == pytest.approx(answer[112, 223 - 60], abs=1e-5)
    assert answer[112, 60] == pytest.approx(128 / 255 + 0.1, abs=1e-3)


def test_without_lungs_there_is_no_second_pair_of_looks() -> None:
    engine = Echo(lungs=False)
    look_closely(square(), RANGE, engine)
    assert len(engine.shown) == 2


def test_without_a_lung_channel_there_is_no_second_pair_of_looks() -> None:
    engine = Echo(("lesion",))
    look_closely(square(), RANGE, engine)
    assert len(engine.shown) == 2


def test_outside_of_the_lung_box_the_first_looks_count() -> None:
    class Far(Echo):
        """Sees what is bright as lung, and lung in the uppermost rows of whatever it is shown."""

        def predict(self, batch: FloatArray) -> FloatArray:
            answer = super().predict(batch)
            answer[:, :20, :, 1] = 0.4
            return answer

    answer = look_closely(square(), RANGE, Far()).probability
    # Rows 0 to 9 of the slice; the closer looks are at rows 49 to 174.
    assert answer[4, 112, 1] == pytest.approx(0.4, abs=1e-6)
    assert answer[112, 112, 0] == pytest.approx(128 / 255, abs=0.01)


def closely(pixels: Gray, value_range: tuple[float, float], engine: Echo) -> FloatArray:
    return look_closely(pixels, value_range, engine).probability


@pytest.mark.parametrize("ask", [look, closely])
def test_lesions_are_bounded_to_the_lungs_where_lungs_are_told(ask: Callable[..., FloatArray]) -> None:
    pixels = square()
    pixels[0:8, 100:108] = 60
    assert ask(pixels, RANGE, Echo())[4, 104, 0] == 0.0
    assert ask(pixels, RANGE, Echo(("lesion",)))[4, 104, 0] == pytest.approx(60 / 255, abs=0.01)


def test_the_first_two_looks_of_a_close_one_are_given_apart() -> None:
    looks = look_closely(square(), RANGE, Echo(("lesion",), lean=0.2))
    np.testing.assert_array_equal(looks.plain, look(square(), RANGE, Echo(("lesion",), lean=0.2)))
    # Echo leans to one side of whatever it is shown: turned back, the mirrored answer leans to the other.
    assert looks.mirrored[112, 60, 0] == pytest.approx(looks.plain[112, 223 - 60, 0], abs=1e-5)
    assert abs(looks.mirrored[112, 60, 0] - looks.plain[112, 60, 0]) > 0.05
    np.testing.assert_allclose(looks.probability, (looks.plain + looks.mirrored) / 2.0, atol=1e-6)


def test_the_box_is_about_the_lungs_with_a_margin() -> None:
    lung = np.zeros((100, 200), np.float32)
    lung[20:70, 50:150] = 1.0
    # 6 % of 50 rows and of 100 columns.
    assert lung_box(lung) == (slice(17, 73), slice(44, 156))


def test_the_margin_ends_at_the_edge() -> None:
    assert lung_box(np.ones((50, 60), np.float32)) == (slice(0, 50), slice(0, 60))


@pytest.mark.parametrize("side", [0, 24])
def test_there_is_no_box_about_nothing_or_a_sliver(side: int) -> None:
    lung = np.zeros((100, 100), np.float32)
    lung[:side, :side] = 1.0
    assert lung_box(lung) is None


def batch() -> FloatArray:
    return np.random.default_rng(0).random((2, 448, 448, 1), np.float32)


def test_an_ensemble_answers_with_the_mean() -> None:
    members = [Echo(), Echo(lungs=False), Echo(lean=0.3)]
    engine = EnsembleEngine(members)
    expected = sum(member.predict(batch()) for member in members) / 3.0
    assert engine.predict(batch()) == pytest.approx(expected, abs=1e-6)
    assert engine.predict(batch()).dtype == np.float32


def test_an_ensemble_says_who_is_in_it() -> None:

    engine = EnsembleEngine([Echo(), Echo()])
    assert engine.channels == ("lesion", "lung")
    assert engine.identity == Identity("echo+echo", hashlib.sha256(b"0000").hexdigest())


def test_the_networks_of_an_ensemble_must_have_the_same_channels() -> None:
    with pytest.raises(
        WeightsError, match="have the same channels and size; they have echo: lesion, lung at 448; echo: lesion at 448"
    ):
        EnsembleEngine([Echo(), Echo(("lesion",))])
