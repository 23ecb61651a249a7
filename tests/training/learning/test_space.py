from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from training.data.augment import Augmentation
from training.learning.config import Config, Extra, Stage, read_config
from training.learning.space import Choices, Range, Space, as_plain, corners, put, read_space

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
STAGE = Stage(size=64, epochs=4, batch_size=2, learning_rate=1e-3)
CONFIG = Config("a.csv", (STAGE, replace(STAGE, size=96)))


def write(folder: Path, text: str) -> Path:
    file = folder / "space.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_ranges_and_choices_are_read_by_the_types_of_the_configuration(tmp_path: Path) -> None:
    text = """
lung_weight = {low = 0, high = 1.5}
patience = {low = 1, high = 5, log = true}
arch = {choices = ["unet", "resnet34-unet"]}
augmentation.haze = {low = 0.0, high = 0.5}
[stages]
learning_rate = {low = 1e-4, high = 1e-2, log = true}
2.epochs = {choices = [2, 4]}
"""
    assert read_space(write(tmp_path, text), CONFIG) == {
        "lung_weight": Range(0, 1.5, whole=False),
        "patience": Range(1, 5, whole=True, log=True),
        "arch": Choices(("unet", "resnet34-unet")),
        "augmentation.haze": Range(0.0, 0.5, whole=False),
        "stages.learning_rate": Range(1e-4, 1e-2, whole=False, log=True),
        "stages.2.epochs": Choices((2, 4)),
    }


def test_values_are_put_where_their_keys_point() -> None:
    config = replace(CONFIG, extra=(Extra("b.csv", 0.25),))
    values = {"lung_weight": 0.75, "augmentation.haze": 0.5, "stages.batch_size": 8, "stages.2.epochs": 9}
    changed = put(config, values | {"extra.share": 0.5})
    assert changed.lung_weight == 0.75
    assert changed.augmentation == Augmentation(haze=0.5)
    assert [(stage.size, stage.batch_size, stage.epochs) for stage in changed.stages] == [(64, 8, 4), (96, 8, 9)]
    assert changed.extra == (Extra("b.csv", 0.5),)
    assert put(changed, {"lung_weight": 0.5}) != config
    assert put(config, {}) == config


def test_corners_are_the_ends_of_ranges_and_all_choices() -> None:
    space: Space = {"seed": Range(1, 3, whole=True), "arch": Choices(("a", "b", "c"))}
    assert list(corners(space)) == [("seed", 1), ("seed", 3), ("arch", "a"), ("arch", "b"), ("arch", "c")]
    assert as_plain(space)["seed"] == {"low": 1, "high": 3, "whole": True, "log": False}


@pytest.mark.parametrize("file", sorted((CONFIGS / "search").glob("*.toml")), ids=lambda file: file.name)
def test_the_spaces_of_the_project_fit_its_default_configuration(file: Path) -> None:
    assert read_space(file, read_config(CONFIGS / "default.toml"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it names no key to search"),
        ("lung_weight =", "Invalid value"),
        ("speed = {low = 1, high = 2}", "unknown key 'speed'; known here are manifest, stages"),
        ("stages.speed = {low = 1, high = 2}", "unknown key 'stages.speed'; known here are size, epochs"),
        ("stages.3.epochs = {low = 1, high = 2}", "unknown key 'stages.3.epochs'; known here are none"),
        ("stages.01.epochs = {low = 1, high = 2}", "unknown key 'stages.01.epochs'; known here are none"),
        ("stages.size = {low = 64, high = 128}", "stages.size: size is a multiple of 32: give choices"),
        ("extra.share = {low = 0.1, high = 0.2}", "unknown key 'extra.share'; known here are none"),
        ("arch.size = {low = 1, high = 2}", "unknown key 'arch.size'"),
        ("lung_weight = 3", r"lung_weight must be a table such as \{low = 1, high = 2\} or .*, got 3"),
        ("stages = {choices = [1, 2]}", "stages is a table: name a key in it"),
        ("augmentation = {choices = [1, 2]}", "augmentation is a table: name a key in it"),
        ("[augmentation]", "augmentation is empty"),
        ("lung_weight = {low = 0.1}", "lung_weight: high is missing"),
        ("lung_weight = {low = 1, high = 1}", "lung_weight: low must be below high, got 1 and 1"),
        ("lung_weight = {low = 2, high = 1}", "lung_weight: low must be below high, got 2 and 1"),
        ("lung_weight = {low = 0, high = 1, log = true}", "low must be above 0 where log is true, got 0"),
        ("lung_weight = {low = 0, high = 1, log = 1}", "log must be true or false, got 1"),
        ("lung_weight = {low = 0, high = inf}", "lung_weight: high must be finite, got inf"),
        ("lung_weight = {low = 0, high = 1, step = 1}", "lung_weight: unknown step; known beside each other are low"),
        ("lung_weight = {low = 0, choices = [1, 2]}", "lung_weight: unknown low"),
        ("patience = {low = 1.5, high = 3}", "patience: low must be int, got 1.5"),
        ("arch = {low = 1, high = 2}", "arch is no number: give choices"),
        ("arch = {choices = []}", "arch: choices must be a list of two or more"),
        ("arch = {choices = [1, 2]}", "arch: a choice must be str, got 1"),
        ("arch = {choices = [[1], [2]]}", r"arch: a choice must be a plain value, got \[1\]"),
        ('arch = {choices = ["unet", "unet"]}', "arch: a choice is named twice"),
        ("lung_weight = {low = -1, high = 1}", "lung_weight: lung_weight must be at least 0, got -1"),
        ("stages.size = {choices = [64, 65]}", "stages.size: size must be a positive multiple of 32, got 65"),
        ('schedule = {choices = ["cosine", "linear"]}', "schedule must be 'cosine' or 'plateau', got 'linear'"),
        ('hold_out = {choices = ["fold=1/2", "fold=2/2"]}', "hold_out cannot be searched: it decides on what trials"),
        ("max_slices = {low = 1, high = 2}", "max_slices cannot be searched"),
        (
            "stages.epochs = {low = 1, high = 2}\nstages.1.epochs = {low = 1, high = 2}",
            "stages.1.epochs is searched already as stages.epochs",
        ),
    ],
)
def test_a_wrong_space_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        read_space(write(tmp_path, text), CONFIG)
    if "Invalid" not in sentence:
        assert str(refusal.value).startswith(f"{tmp_path / 'space.toml'}: ")
