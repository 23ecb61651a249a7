"""The space of a search: keys of a training configuration, each with a range or with choices, read strictly.

lung_weight = {low = 0.1, high = 1.0}
arch = {choices = ["unet", "resnet34-unet"]}
augmentation.haze = {low = 0.0, high = 0.5}
stages.learning_rate = {low = 1e-4, high = 3e-3, log = true}     # of all stages
stages.2.epochs = {low = 2, high = 8}                            # of the second
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.learning.config import Config, check_type

Value = str | int | float | bool


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both among them; whole ones, or by their logarithm, where it says so."""

    low: float
    high: float
    whole: bool
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """Values without an order."""

    values: tuple[Value, ...]


Space = Mapping[str, Range | Choices]
"""By key, in the order of the file."""

FIXED = ("manifest", "hold_out", "max_slices", "extra.manifest")
"""What a search may not touch: with other data, or others who validate, figures do not compare."""

LISTS = ("stages", "extra")


def read_space(path: Path, config: Config) -> Space:
    """Read a space for a configuration.

    Raises
    ------
    FileNotFoundError : the file does not exist.
    ValueError : it is no TOML, a key is unknown or may not be searched, or the configuration refuses a value.
    """
    with path.open("rb") as file:
        table = tomllib.load(file)
    try:
        space = {key: _read(key, entry, _annotation(key, config)) for key, entry in _flatten(table, "")}
        _refuse(not space, "it names no key to search")
        twice = next((key for key in space if key.split(".")[0] in LISTS and _general(key) in space.keys() - {key}), "")
        _refuse(bool(twice), f"{twice} is searched already as {_general(twice)}")
        for key, value in corners(space):
            _try(config, key, value)
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    return space


def corners(space: Space) -> Iterator[tuple[str, Value]]:
    """Yield each key with the ends of its range or with each of its choices."""
    for key, entry in space.items():
        for value in (entry.low, entry.high) if isinstance(entry, Range) else entry.values:
            yield key, value


def put(config: Config, values: Mapping[str, Value]) -> Config:
    """Return a configuration with some values in place of its own.

    Raises
    ------
    ValueError : it refuses one.
    """
    for key, value in values.items():
        head, *rest = key.split(".")
        config = replace(config, **{head: _put(getattr(config, head), rest, value)})
    return config


def _put(old: Any, rest: list[str], value: Value) -> Any:
    if not rest:
        return value
    if not isinstance(old, tuple):
        return replace(old, **{rest[0]: value})
    *number, name = rest
    return tuple(
        replace(one, **{name: value}) if number in ([], [str(place)]) else one for place, one in enumerate(old, start=1)
    )


def as_plain(space: Space) -> dict[str, Any]:
    """Return the space as plain values, for JSON."""
    return {key: dataclasses.asdict(entry) for key, entry in space.items()}


def _flatten(table: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, entry in table.items():
        if isinstance(entry, dict) and not entry.keys() & {"low", "high", "choices"}:
            _refuse(not entry, f"{before}{name} is empty")
            yield from _flatten(entry, f"{before}{name}.")
        else:
            yield before + name, entry


def _general(key: str) -> str:
    """Return what a key is called for all stages: stages.2.epochs -> stages.epochs."""
    return ".".join(part for part in key.split(".") if not part.isdecimal())


def _annotation(key: str, config: Config) -> str:
    """Return the type that the configuration has at a key."""
    *folders, name = key.split(".")
    owner: Any = config
    for folder in folders:
        owner = _enter(owner, folder)
    owner = owner[0] if isinstance(owner, tuple) and owner else owner
    known = (
        {field.name: str(field.type) for field in dataclasses.fields(owner)} if dataclasses.is_dataclass(owner) else {}
    )
    _refuse(name not in known, f"unknown key {key!r}; known here are {', '.join(known) or 'none'}")
    _refuse(_general(key) in FIXED, f"{key} cannot be searched: it decides on what trials are measured")
    holds_more = isinstance(getattr(owner, name), tuple) or dataclasses.is_dataclass(getattr(owner, name))
    _refuse(holds_more, f"{key} is a table: name a key in it")
    return known[name]


def _enter(owner: Any, folder: str) -> Any:
    """Return what lies below a part of a key, None for nothing."""
    if isinstance(owner, tuple):
        # As it is written normally: 01 would be read here, and nothing would be put there.
        numbers = {str(number): one for number, one in enumerate(owner, start=1)}
        return numbers.get(folder)
    return getattr(owner, folder, None)


def _read(key: str, entry: Any, annotation: str) -> Range | Choices:
    shape = "{low = 1, high = 2} or {choices = [1, 2]}"
    _refuse(not isinstance(entry, dict), f"{key} must be a table such as {shape}, got {entry!r}")
    if "choices" in entry:
        _refuse_others(key, entry, ("choices",))
        return _read_choices(key, entry["choices"], annotation)
    _refuse_others(key, entry, ("low", "high", "log"))
    return _read_range(key, entry, annotation)


def _refuse_others(key: str, entry: dict[str, Any], known: tuple[str, ...]) -> None:
    other = sorted(set(entry) - set(known))
    _refuse(bool(other), f"{key}: unknown {', '.join(other)}; known beside each other are {', '.join(known)}")


def _read_choices(key: str, values: Any, annotation: str) -> Choices:
    _refuse(not isinstance(values, list) or len(values) < 2, f"{key}: choices must be a list of two or more")
    for value in values:
        _refuse(not isinstance(value, Value), f"{key}: a choice must be a plain value, got {value!r}")
        check_type(value, annotation, f"{key}: a choice")
    _refuse(len(set(values)) < len(values), f"{key}: a choice is named twice")
    return Choices(tuple(values))


def _read_range(key: str, entry: dict[str, Any], annotation: str) -> Range:
    _refuse(_general(key) == "stages.size", f"{key}: size is a multiple of 32: give choices")
    kind = annotation.removesuffix(" | None")
    _refuse(kind not in ("int", "float"), f"{key} is no number: give choices")
    for name in ("low", "high"):
        _refuse(name not in entry, f"{key}: {name} is missing")
        check_type(entry[name], annotation, f"{key}: {name}")
        _refuse(not math.isfinite(entry[name]), f"{key}: {name} must be finite, got {entry[name]}")
    low, high, log = entry["low"], entry["high"], entry.get("log", False)
    _refuse(not isinstance(log, bool), f"{key}: log must be true or false, got {log!r}")
    _refuse(low >= high, f"{key}: low must be below high, got {low} and {high}")
    _refuse(log and low <= 0, f"{key}: low must be above 0 where log is true, got {low}")
    return Range(low, high, kind == "int", log)


def _try(config: Config, key: str, value: Value) -> None:
    try:
        put(config, {key: value})
    except ValueError as exc:
        raise ValueError(f"{key}: {exc}") from exc


def _refuse(condition: bool, sentence: str) -> None:
    if condition:
        raise ValueError(sentence)
