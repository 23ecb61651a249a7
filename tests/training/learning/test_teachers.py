from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.learning import teachers as module
from training.learning.teachers import ask, load_teachers


class Teacher:
    """Calls lesion what is brighter than `above` and lung what is brighter than 0.2."""

    def __init__(self, above: float, size: int = 64) -> None:
        self.above = above
        self.input_shape = (None, size, size, 1)
        self.looks: list[np.ndarray[Any, Any]] = []

    def predict_on_batch(self, batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        self.looks.extend(batch)
        return np.concatenate([batch > self.above, batch > 0.2], axis=-1).astype(np.float32)

    def load_weights(self, file: Path) -> None:
        self.file = file


def picture() -> np.ndarray[Any, Any]:
    """A lung at gray 100 in 64×64, to the left of the middle, with a lesion at gray 200."""
    image = np.zeros((64, 64), np.uint8)
    image[8:56, 4:44] = 100
    image[20:36, 10:26] = 200
    return image


def test_every_teacher_looks_at_five_views() -> None:
    teacher = Teacher(0.6)
    ask([teacher], picture())
    plain, mirrored, flat, hard, cropped = teacher.looks
    assert np.array_equal(mirrored, plain[:, ::-1])
    assert flat[28, 16, 0] < plain[28, 16, 0] < hard[28, 16, 0]
    assert np.count_nonzero(cropped) > np.count_nonzero(plain)


def test_where_all_agree_nobody_is_in_doubt() -> None:
    agreement = ask([Teacher(0.6), Teacher(0.65, size=32)], picture())
    for part in (agreement.mean, agreement.least, agreement.highest):
        assert part.shape == (64, 64, 2)
        assert part[28, 16] == pytest.approx([1.0, 1.0])
        assert part[50, 40] == pytest.approx([0.0, 1.0])
        assert part[2, 60] == pytest.approx([0.0, 0.0])


def test_where_teachers_differ_the_extremes_say_so() -> None:
    # 200 of 255 is 0.78: the second calls it in the hard window alone.
    agreement = ask([Teacher(0.6), Teacher(0.82)], picture())
    assert agreement.least[28, 16, 0] == 0.0
    assert agreement.highest[28, 16, 0] == 1.0
    assert agreement.mean[28, 16, 0] == pytest.approx(6 / 10)


def test_without_lungs_there_is_no_closer_look() -> None:
    teacher = Teacher(0.6)
    agreement = ask([teacher], np.zeros((40, 64), np.uint8))
    assert len(teacher.looks) == 4
    assert agreement.mean.shape == (40, 64, 2)


def test_each_teacher_is_built_at_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "build_network", lambda *, size, mixed_bfloat16: Teacher(0.5, size))
    monkeypatch.setattr(module, "load_into", lambda teacher, file: teacher.load_weights(file))
    first, second = load_teachers([Path("a.h5"), Path("b.h5")], [64, 32])
    assert (first.file, first.input_shape[1]) == (Path("a.h5"), 64)
    assert (second.file, second.input_shape[1]) == (Path("b.h5"), 32)
    with pytest.raises(ValueError, match="there are 2 teachers and 1 sizes"):
        load_teachers([Path("a.h5"), Path("b.h5")], [64])
