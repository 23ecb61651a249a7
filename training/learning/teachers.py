"""What several networks, and each of them under several views of one picture, agree upon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from model.look import lung_box
from model.network import build_network, load_into
from model.preprocess import preprocess, restore
from training.data.augment import Appearance, change_window
from training.data.strokes import ByteImage

FloatArray = NDArray[np.float32]

WINDOWS = (Appearance(black=-20.0, white=290.0, gamma=0.9), Appearance(black=25.0, white=230.0, gamma=1.1))
"""Two windows about that of the picture: one flatter, one harder."""


@dataclass(frozen=True)
class Agreement:
    """Mean, least and highest probability over teachers and views: (H, W, 2) float32 each, lesion and lung."""

    mean: FloatArray
    least: FloatArray
    highest: FloatArray


def load_teachers(weights: Sequence[Path], sizes: Sequence[int]) -> list[keras.Model]:
    """Build networks, each at the size that it was trained at, and load their weights (Keras).

    Raises
    ------
    WeightsError : a file is missing or damaged, or holds another network.
    ValueError : there is not one size for each file.
    """
    if len(weights) != len(sizes):
        raise ValueError(f"there are {len(weights)} teachers and {len(sizes)} sizes: give one size, or one for each")
    teachers = []
    for file, size in zip(weights, sizes, strict=True):
        teacher = build_network(size=size, mixed_bfloat16=True)
        load_into(teacher, file)
        teachers.append(teacher)
    return teachers


def ask(teachers: Sequence[keras.Model], image: ByteImage) -> Agreement:
    """Ask every teacher about every view of a picture, (H, W) uint8: as it is, mirrored, in two windows, cropped.

    The crop is to the lungs that the first look finds; without lungs there is none.
    """
    looks = [image, image[:, ::-1], *(change_window(image, window) for window in WINDOWS)]
    answers = [look for teacher in teachers for look in _look(teacher, looks)]
    if (box := lung_box(np.mean([answer[..., 1] for answer in answers], axis=0, dtype=np.float32))) is not None:
        answers += [_look_at_box(teacher, image, box) for teacher in teachers]
    stacked = np.stack(answers)
    return Agreement(*(reduce(stacked, axis=0).astype(np.float32) for reduce in (np.mean, np.min, np.max)))


def _look(teacher: keras.Model, looks: Sequence[ByteImage]) -> list[FloatArray]:
    """Return an answer (H, W, 2) for each look; the second look is mirrored, and its answer mirrored back."""
    shape = (looks[0].shape[0], looks[0].shape[1])
    batch = np.stack([preprocess(look, size=int(teacher.input_shape[1])) for look in looks])
    answers = [restore(answer, shape) for answer in np.asarray(teacher.predict_on_batch(batch), np.float32)]
    return [answer[:, ::-1] if number == 1 else answer for number, answer in enumerate(answers)]


def _look_at_box(teacher: keras.Model, image: ByteImage, box: tuple[slice, slice]) -> FloatArray:
    """Return the answer (H, W, 2) of a look at a part; outside of it there is nothing: no lungs, no lesion."""
    part = np.ascontiguousarray(image[box])
    answer = np.zeros((*image.shape, 2), np.float32)
    answer[box] = _look(teacher, [part])[0]
    return answer
