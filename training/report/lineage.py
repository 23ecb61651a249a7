"""The card of weights -> tables in Markdown of the data and the training that it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.report.markdown import table
from training.report.numbers import DASH, counted, three_digits

Card = Mapping[str, Any]


def data_table(card: Card) -> str:
    """Return who trained and who validated: a row for each split."""
    data = card["data"]
    rows = [
        [split, str(data["slices"][split]), f"{len(patients)}: {', '.join(patients)}"]
        for split, patients in data["patients"].items()
    ]
    return table([f"Split of `{data['manifest']}`", "Slices", "Patients"], rows)


def training_tables(card: Card) -> str:
    """Return the stages of all runs in their order, and what was beside the labelled slices in each run."""
    runs = card["training"]
    header = ["Run", "Input", "Epochs", "Slices per epoch", "Batch", "Peak rate", "Best epoch", "Lesion Dice there"]
    stages = [[str(number), *row] for number, run in enumerate(runs, start=1) for row in _stage_rows(run)]
    parts = [table(header, stages)] if stages else []
    return "\n\n".join([*parts, "\n".join(f"{number}. {_tell(run)}" for number, run in enumerate(runs, start=1))])


def _stage_rows(run: Card) -> list[list[str]]:
    config = run["config"]
    return [
        [
            f"{stage['size']}×{stage['size']}",
            str(found["epochs"]),
            str(config.get("slices_per_epoch") or "all"),
            str(stage["batch_size"]),
            f"{stage['learning_rate']:g}",
            str(found["best_epoch"]),
            three_digits(found["best_validation_lesion_dice_at_this_size"]),
        ]
        for stage, found in zip(config.get("stages", []), run["epochs"], strict=True)
    ]


def _tell(run: Card) -> str:
    """Return how a run began and what it learned from beside the labelled slices, or what went into a soup."""
    config = run["config"]
    if "soup" in config:
        parts = "; ".join(f"{share:g} of `{weights}`" for weights, share in config["soup"].items())
        return f"The mean of weights: {parts}."
    begun = f"from `{config['start_from']}`" if config.get("start_from") else "from random weights"
    drawn = [f"{name} {share:g}" for name, share in config.get("augmentation", {}).items()]
    further = [_tell_further(*pair) for pair in zip(config.get("extra", []), run["further_slices"], strict=True)]
    return ". ".join(
        [
            f"Began {begun}, seed {config['seed']}",
            f"Augmentation: {', '.join(drawn) or 'the default'}",
            f"Further slices: {'; '.join(further) or 'none'}.",
        ]
    )


def _tell_further(extra: Card, found: Card) -> str:
    labels = found["labels"] or {}
    made = f", by `{labels['made_by']}` from `{labels['manifest']}`" if labels else ""
    return (
        f"{100 * extra['share']:g} % of an epoch from {counted(found['slices'], 'slice')} of "
        f"{counted(found['patients_or_series'], 'patient')} or series ({', '.join(found['sources']) or DASH}){made}"
    )
