"""The training configuration: a TOML file with a few annotated numbers, read strictly."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.augment import Augmentation


@dataclass(frozen=True)
class Stage:
    """One run over the data at one size; a stage starts from the best weights of the stage before."""

    size: int  # side of the input in pixels, a multiple of 32
    epochs: int
    batch_size: int
    learning_rate: float  # peak of the schedule
    warmup_epochs: float = 0.0  # linear rise from 0 to the peak

    def __post_init__(self) -> None:
        # Checked here, not when the stage begins: that may be hours after the start.
        if self.size < 32 or self.size % 32:
            raise ValueError(f"size must be a positive multiple of 32, got {self.size}")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0.0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        if not 0.0 <= self.warmup_epochs <= self.epochs:
            raise ValueError(f"warmup_epochs must be 0 to {self.epochs}, the epochs, got {self.warmup_epochs}")


@dataclass(frozen=True)
class Extra:
    """Further slices for training, all rows of a manifest, such as `training.pseudo` writes."""

    manifest: str  # relative to the folder that training is started in
    share: float  # of the slices of an epoch

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise ValueError(f"share must be above 0 and below 1, got {self.share}")


@dataclass(frozen=True)
class Config:
    """All that a training run depends on beside the data."""

    manifest: str  # relative to the data folder
    stages: tuple[Stage, ...]
    schedule: str = "cosine"  # "cosine" to 0 over a stage, or "plateau": halve when validation stalls
    patience: int = 10  # early stopping, in epochs without a better validation Dice
    lung_weight: float = 0.5  # of the lung term in the loss
    mixed_bfloat16: bool = False  # 1.6 times faster on processors with AVX-512 BF16
    seed: int = 0
    max_slices: int | None = None  # per split, evenly spaced; for trying the loop out
    arch: str = "resnet34-unet"  # a key of model.network.ARCHITECTURES
    loss: str | None = None  # a key of losses.LOSSES; unless given, what the architecture is trained with
    start_from: str | None = None  # weights to begin with, relative to the folder that training is started in
    hold_out: str | None = None  # who validates in place of the manifest's split; see training.data.splits
    averaging: float = 0.0  # share kept at each step by the moving average of the weights; 0 = none, 0.99 = 100 steps
    slices_per_epoch: int | None = None  # unless given, each labelled slice comes once
    augmentation: Augmentation = Augmentation()
    extra: tuple[Extra, ...] = ()

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("stages is empty: name at least one size to train at")
        for name, least in (("patience", 1), ("seed", 0), ("max_slices", 1), ("slices_per_epoch", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if not self.lung_weight >= 0.0:
            raise ValueError(f"lung_weight must be at least 0, got {self.lung_weight}")
        if not 0.0 <= self.averaging < 1.0:
            raise ValueError(f"averaging must be at least 0 and below 1, got {self.averaging}")
        if self.schedule not in ("cosine", "plateau"):
            raise ValueError(f"schedule must be 'cosine' or 'plateau', got {self.schedule!r}")


def read_config(path: Path) -> Config:
    """Read a configuration.

    Raises
    ------
    FileNotFoundError : the file does not exist.
    ValueError : it is no TOML, or a key is unknown, missing, of another type or out of range.
    """
    with path.open("rb") as file:
        table = tomllib.load(file)
    tables = {"stages": Stage, "extra": Extra}
    built: dict[str, Any] = {name: _build_all(kind, table.pop(name, []), path, name) for name, kind in tables.items()}
    augmentation = table.pop("augmentation", {})
    if not isinstance(augmentation, dict):
        raise ValueError(f"{path}: augmentation must be a table, headed [augmentation], got {augmentation!r}")
    built["augmentation"] = _build(Augmentation, augmentation, f"{path} [augmentation]")
    config: Config = _build(Config, table | built, str(path))
    return config


def _build_all(kind: Any, tables: Any, path: Path, name: str) -> tuple[Any, ...]:
    if not isinstance(tables, list):
        raise ValueError(f"{path}: {name} must be tables, each headed [[{name}]], got {tables!r}")
    return tuple(_build(kind, table, f"{path} [[{name}]]") for table in tables)


def as_dict(config: Config) -> dict[str, Any]:
    """Return the configuration as plain values, for JSON."""
    return dataclasses.asdict(config)


def _build(kind: Any, table: dict[str, Any], where: str) -> Any:
    known = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(known)}")
    required = [name for name, field in known.items() if field.default is dataclasses.MISSING]
    missing = [name for name in required if name not in table]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing")
    for name, value in table.items():
        check_type(value, str(known[name].type), f"{where}: {name}")
    return kind(**table)


def check_type(value: Any, annotation: str, where: str) -> None:
    """Hold a TOML value against a field's annotation; bool is no number here, and an int may stand for a float."""
    accepted = {"int": (int,), "int | None": (int,), "float": (float, int), "str": (str,), "bool": (bool,)} | {
        "str | None": (str,)
    }
    kinds = accepted.get(annotation, (object,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
        raise ValueError(f"{where} must be {annotation}, got {value!r}")
