from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.network import ARCHITECTURES
from training.data.augment import Augmentation
from training.learning.config import Config, Extra, Stage, as_dict, read_config

CONFIGS = Path(__file__).parents[3] / "training" / "configs"

STAGE = """
[[stages]]
size = 64
epochs = 1
batch_size = 2
learning_rate = 1e-3
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


# Those in search/ are spaces; tests.training.learning.test_space reads them.
NAMES = [str(file.relative_to(CONFIGS)) for file in sorted(CONFIGS.rglob("*.toml")) if file.parent.name != "search"]


@pytest.mark.parametrize("name", NAMES)
def test_the_configurations_of_the_project_are_read(name: str) -> None:
    config = read_config(CONFIGS / name)
    assert config.arch in ARCHITECTURES
    assert config.manifest == "ct-lesions/index.csv"
    assert all(isinstance(stage, Stage) for stage in config.stages)


def test_the_shipped_weights_are_trained_last_at_the_served_size() -> None:
    assert read_config(CONFIGS / "default.toml").stages[-1].size == 448


def test_what_is_not_said_takes_its_default(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, 'manifest = "a.csv"' + STAGE))
    assert config == Config("a.csv", (Stage(size=64, epochs=1, batch_size=2, learning_rate=1e-3),))


def test_further_data_and_augmentation_are_read(tmp_path: Path) -> None:
    text = 'manifest = "a.csv"\n[augmentation]\ngraft = 0.5\n[[extra]]\nmanifest = "b.csv"\nshare = 0.25\n'
    config = read_config(write(tmp_path, text + STAGE))
    assert config.augmentation == Augmentation(graft=0.5)
    assert config.extra == (Extra("b.csv", 0.25),)


def test_an_integer_may_stand_for_a_float(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, 'manifest = "a.csv"\nlung_weight = 1' + STAGE)).lung_weight == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('manifest = "a"\npatients = 3' + STAGE, "unknown key 'patients'; known are manifest, stages"),
        ('manifest = "a"' + STAGE + "speed = 3", r"\[\[stages\]\]: unknown key 'speed'"),
        (STAGE, "'manifest' is missing"),
        ('manifest = "a"\n[[stages]]\nsize = 64', r"\[\[stages\]\]: 'epochs' is missing"),
        ('manifest = "a"', "stages is empty"),
        ('manifest = "a"\nstages = 3', "stages must be tables"),
        ('manifest = "a"\n[stages]\nsize = 64', "stages must be tables"),
        ("manifest = 3" + STAGE, "manifest must be str, got 3"),
        ('manifest = "a"\npatience = 1.5' + STAGE, "patience must be int, got 1.5"),
        ('manifest = "a"\npatience = true' + STAGE, "patience must be int, got True"),
        ('manifest = "a"\nlung_weight = "1"' + STAGE, "lung_weight must be float, got '1'"),
        ('manifest = "a"\nmixed_bfloat16 = 1' + STAGE, "mixed_bfloat16 must be bool, got 1"),
        ('manifest = "a"\nmax_slices = "4"' + STAGE, r"max_slices must be int \| None, got '4'"),
        ('manifest = "a"\nschedule = "linear"' + STAGE, "must be 'cosine' or 'plateau', got 'linear'"),
        ('manifest = "a"' + STAGE.replace("64", "50"), "size must be a positive multiple of 32, got 50"),
        ('manifest = "a"' + STAGE.replace("epochs = 1", "epochs = 0"), "epochs must be at least 1, got 0"),
        ('manifest = "a"' + STAGE.replace("= 2", "= -2"), "batch_size must be at least 1, got -2"),
        ("manifest =", "Invalid value"),
        ('manifest = "a"\nextra = 3' + STAGE, r"extra must be tables, each headed \[\[extra\]\]"),
        ('manifest = "a"\n[[extra]]\nmanifest = "b"' + STAGE, r"\[\[extra\]\]: 'share' is missing"),
        ('manifest = "a"\naugmentation = 3' + STAGE, r"augmentation must be a table, headed \[augmentation\]"),
        ('manifest = "a"\n[augmentation]\nblur = 1.0' + STAGE, r"\[augmentation\]: unknown key 'blur'"),
        ('manifest = "a"\nstart_from = 3' + STAGE, r"start_from must be str \| None, got 3"),
        ('manifest = "a"\naveraging = 1.0' + STAGE, "averaging must be at least 0 and below 1, got 1.0"),
        ('manifest = "a"\npatience = -1' + STAGE, "patience must be at least 1, got -1"),
        ('manifest = "a"\nseed = -3' + STAGE, "seed must be at least 0, got -3"),
        ('manifest = "a"\nmax_slices = 0' + STAGE, "max_slices must be at least 1, got 0"),
        ('manifest = "a"\nslices_per_epoch = 0' + STAGE, "slices_per_epoch must be at least 1, got 0"),
        ('manifest = "a"\nlung_weight = -0.5' + STAGE, "lung_weight must be at least 0, got -0.5"),
        ('manifest = "a"' + STAGE.replace("1e-3", "-0.1"), "learning_rate must be above 0, got -0.1"),
        ('manifest = "a"' + STAGE + "warmup_epochs = 2", "warmup_epochs must be 0 to 1, the epochs, got 2"),
        (
            'manifest = "a"' + STAGE + '[[extra]]\nmanifest = "b"\nshare = 1.0',
            "share must be above 0 and below 1, got 1.0",
        ),
        ('manifest = "a"\n[augmentation]\nhaze = 7' + STAGE, "haze must be 0 to 1, a probability, got 7"),
        (
            'manifest = "a"\n[augmentation]\nfaintest_haze = -1' + STAGE,
            "faintest_haze must be 0 to 255, gray values, got -1",
        ),
    ],
)
def test_a_wrong_configuration_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_config(write(tmp_path, text))


def test_a_configuration_survives_json() -> None:
    content = json.loads(json.dumps(as_dict(read_config(CONFIGS / "tiny.toml"))))
    assert content["stages"] == [
        {"size": 64, "epochs": 1, "batch_size": 2, "learning_rate": 1e-3, "warmup_epochs": 0.0}
    ]
