"""The trials of a search -> report.json, report.md, trials.svg."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, TrialState

from training.report.plots import COLOUR, INK, SIZE, svg

ENOUGH = 4
"""Whole trials from which the share of each key is worth a look, where they differ."""

CAUTION = (
    "The patients who validate chose among these trials, so the best figure flatters: it is no estimate of how the "
    "network holds on other patients. Measure the chosen one on patients who took no part in training or choosing."
)


def write_report(study: optuna.Study, folder: Path) -> None:
    """Write what a study has found so far."""
    folder.mkdir(parents=True, exist_ok=True)
    found = summarise(study)
    (folder / "report.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(as_markdown(found), encoding="utf-8")
    (folder / "trials.svg").write_text(svg(draw_trials(found["trials"]), "trials"), encoding="utf-8")


def summarise(study: optuna.Study) -> dict[str, Any]:
    """Return the report as plain values, for JSON; `best` and `importance` are None where there is none."""
    trials = study.get_trials()
    whole = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    worth = len(whole) >= ENOUGH and len({trial.value for trial in whole}) > 1
    best = max(whole, key=lambda trial: trial.value or 0.0, default=None)
    return {
        "caution": CAUTION,
        "counts": dict(Counter(trial.state.name.lower() for trial in trials)),
        "best": None if best is None else _plain(best),
        "importance": get_param_importances(study) if worth else None,
        "trials": [_plain(trial) for trial in trials],
        "study": study.user_attrs,
    }


def _plain(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value,
        "epochs": len(trial.intermediate_values),
        "attempts": trial.user_attrs.get("attempts", 0),
        "reason": trial.user_attrs.get("reason"),
        "parameters": trial.params,
    }


def as_markdown(found: dict[str, Any]) -> str:
    """Return the report for people, from what `summarise` returns."""
    counts = ", ".join(f"{count} {state}" for state, count in sorted(found["counts"].items())) or "none yet"
    parts = [
        "# Search",
        f"Trials: {counts}. Values are validation lesion Dice.",
        f"**{CAUTION}**",
        _best(found["best"]),
    ]
    if found["importance"] is not None:
        parts += ["## How much each key explains", _table(("key", "share"), _shares(found["importance"]))]
    keys = list(dict.fromkeys(key for trial in found["trials"] for key in trial["parameters"]))
    head = ("trial", "state", "value", "epochs", "attempts", *keys, "reason")
    parts += ["## Trials", "![Value by trial](trials.svg)", _table(head, [_row(one, keys) for one in found["trials"]])]
    return "\n\n".join(parts) + "\n"


def _best(best: dict[str, Any] | None) -> str:
    if best is None:
        return "No trial has come to its end yet."
    values = ", ".join(f"{key} = {_word(value)}" for key, value in best["parameters"].items())
    return f"Best: trial {best['number']} with {best['value']:.4f}: {values}. Its weights: trial-{best['number']:04d}/."


def _shares(importance: dict[str, float]) -> list[list[str]]:
    return [[key, f"{share:.2f}"] for key, share in importance.items()]


def _row(trial: dict[str, Any], keys: list[str]) -> list[str]:
    words = [trial["number"], trial["state"], trial["value"], trial["epochs"], trial["attempts"]]
    return [_word(word) for word in (*words, *(trial["parameters"].get(key) for key in keys), trial["reason"])]


def _word(value: Any) -> str:
    """Return a value as a cell of a table; empty for None."""
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").split())


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw_trials(trials: list[dict[str, Any]]) -> Figure:
    """Draw the value of each trial that has one, hollow where it was pruned, and the best of the whole ones so far."""
    figure = Figure(figsize=SIZE)
    axes = figure.add_subplot()
    axes.set_xlabel("trial")
    axes.set_ylabel("validation lesion Dice")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for state, fill in (("complete", COLOUR), ("pruned", "none")):
        some = [trial for trial in trials if trial["state"] == state and trial["value"] is not None]
        numbers, values = [trial["number"] for trial in some], [trial["value"] for trial in some]
        axes.plot(numbers, values, "o", color=COLOUR, markerfacecolor=fill, label=state)
    numbers, bests = _bests(trials)
    axes.step(numbers, bests, where="post", color=INK, linewidth=0.8, label="best so far")
    axes.legend(frameon=False)
    return figure


def _bests(trials: list[dict[str, Any]]) -> tuple[list[int], list[float]]:
    whole = [trial for trial in trials if trial["state"] == "complete"]
    values = [trial["value"] for trial in whole]
    return [trial["number"] for trial in whole], [max(values[: place + 1]) for place in range(len(values))]
