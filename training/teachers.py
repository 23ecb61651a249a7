"""What several networks, and each of them under several views of one picture, agree upon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from model.network import build_network
from model.preprocess import preprocess, restore
from training.augment import Appearance, change_window, lung_box
from training.strokes import ByteImage

FloatArray = NDArray[np.float32]

WINDOWS = (Appearance(black=-20.0, white=290.0, gamma=0.9), Appearance(black=25.0, white=230.0, gamma=1.1))
"""Two windows about that of the picture: one flatter, one harder."""

CROP_MARGIN = 0.06
"""Of the lung box's sides, on each side of the view that is cropped to the lungs."""


@dataclass(frozen=True)
class Agreement:
    """Mean, least and highest probability over teachers and views: (H, W, 2) float32 each, lesion and lung."""

    mean: FloatArray
    least: FloatArray
    highest: FloatArray


def load_teachers(weights: Sequence[Path], size: int) -> list[keras.Model]:
    """Build networks at the size that they were trained at and load their weights (Keras)."""
    teachers = []
    for file in weights:
        teacher = build_network(size=size, mixed_bfloat16=True)
        teacher.load_weights(file)
        teachers.append(teacher)
    return teachers


def ask(teachers: Sequence[keras.Model], image: ByteImage) -> Agreement:
    """Ask every teacher about every view of a picture, (H, W) uint8: as it is, mirrored, in two windows, cropped.

    The crop is to the lungs that the first look finds; without lungs there is none.
    """
    size = int(teachers[0].input_shape[1])
    looks = [image, image[:, ::-1], *(change_window(image, window) for window in WINDOWS)]
    answers = [look for teacher in teachers for look in _look(teacher, looks, size)]
    lungs = (np.mean([answer[..., 1] for answer in answers], axis=0) >= 0.5).astype(np.uint8)
    if (box := lung_box(lungs)) is not None:
        answers += [_look_at_box(teacher, image, _widen(box, image.shape), size) for teacher in teachers]
    stacked = np.stack(answers)
    return Agreement(*(reduce(stacked, axis=0).astype(np.float32) for reduce in (np.mean, np.min, np.max)))


def _look(teacher: keras.Model, looks: Sequence[ByteImage], size: int) -> list[FloatArray]:
    """Return an answer (H, W, 2) for each look; the second look is mirrored, and its answer mirrored back."""
    shape = (looks[0].shape[0], looks[0].shape[1])
    batch = np.stack([preprocess(look, size=size) for look in looks])
    answers = [restore(answer, shape) for answer in np.asarray(teacher.predict_on_batch(batch), np.float32)]
    return [answer[:, ::-1] if number == 1 else answer for number, answer in enumerate(answers)]


def _look_at_box(teacher: keras.Model, image: ByteImage, box: tuple[slice, slice], size: int) -> FloatArray:
    """Return the answer (H, W, 2) of a look at a part; outside of it there is nothing: no lungs, no lesion."""
    part = np.ascontiguousarray(image[box])
    answer = np.zeros((*image.shape, 2), np.float32)
    answer[box] = _look(teacher, [part], size)[0]
    return answer


def _widen(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    top, bottom, left, right = box
    rows, columns = round(CROP_MARGIN * (bottom - top)), round(CROP_MARGIN * (right - left))
    return (
        slice(max(0, top - rows), min(shape[0], bottom + rows)),
        slice(max(0, left - columns), min(shape[1], right + columns)),
    )
