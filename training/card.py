"""Fill in the card of exported weights: data, training, figures, licence.

python -m training.card --card model/weights/groundglass-2.json --workdir runs/first runs/second --report docs/report
python -m training.card --card model/weights/groundglass-2.json --report docs/report     the figures alone
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.commands import sentences
from training.data.dataset import DATA_FOLDER, Row, describe_manifest, read_manifest
from training.data.labels import LABELS
from training.learning.ancestry import origins
from training.learning.history import MONITOR, read_history

CURVES = ("loss", "val_loss", "lesion_dice", "val_lesion_dice")
"""The columns of a run's log.csv that a card keeps, for the learning curves of the report."""

LICENCE = "CC BY-NC-SA 4.0"


def fill_card(card: Path, workdirs: Sequence[Path], report: Path, *, data: Path = DATA_FOLDER) -> None:
    """Add to a card what the runs in `workdirs` were and what `training.evaluate` wrote into `report`.

    Parameters
    ----------
    card : the .json that `training.export` wrote.
    workdirs : folders of the training runs and soups in order, each after those whose weights it began with; the
        last one is what was exported.
    report : folder with the report.json of the exported weights on the last run's own validation patients.
    data : folder that the runs' manifest is relative to.

    Raises
    ------
    ValueError : a run is missing, out of order or led to no other; or the report is of other weights than the card's,
        or of another manifest or split than the last run's.
    """
    content, figures = _read_pair(card, report)
    runs = [describe_run(workdir) for workdir in workdirs]
    _refuse_gaps(workdirs, runs)
    config = runs[-1]["config"]
    manifest = data / config["manifest"]
    if ((data / figures["manifest"]).resolve(), figures["split"]) != (manifest.resolve(), "val"):
        raise ValueError(f"{report} is of {figures['manifest']}, {figures['split']}; the run's is {manifest}, val")
    content |= {
        "licence": LICENCE,
        "data": describe_data(read_manifest(manifest), config["manifest"]),
        "training": runs,
        "validation": describe_figures(figures),
    }
    card.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def fill_figures(card: Path, report: Path) -> None:
    """Replace the figures of a card alone: those of an earlier form of the same weights, say.

    card, report : as in `fill_card`.

    Raises
    ------
    ValueError : the report is of other weights than the card's, or of another manifest or split than the card's.
    """
    content, figures = _read_pair(card, report)
    told = content.get("data", {}).get("manifest", figures["manifest"])
    if (figures["manifest"], figures["split"]) != (told, "val"):
        raise ValueError(f"{report} is of {figures['manifest']}, {figures['split']}; the card's is {told}, val")
    content["validation"] = describe_figures(figures)
    card.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read_pair(card: Path, report: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a card and a report hold.

    Raises
    ------
    ValueError : they are of different weights.
    """
    content = json.loads(card.read_text(encoding="utf-8"))
    figures = json.loads((report / "report.json").read_text(encoding="utf-8"))
    if figures["sha256"] not in content["sha256"].values():
        raise ValueError(f"{report} is of weights with SHA-256 {figures['sha256']}, which {card} does not list")
    return content, figures


def describe_run(workdir: Path) -> dict[str, Any]:
    """Return a run's configuration, the further slices that it was given, and its epochs; of a soup what went in."""
    config = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
    if "soup" in config:
        # The rest of it is a copy from the last run that went in; see training.soup.
        return {"config": {name: config[name] for name in ("manifest", "soup")}, "further_slices": [], "epochs": []}
    further = [_describe_further(Path(extra["manifest"])) for extra in config.get("extra", [])]
    return {"config": config, "further_slices": further, "epochs": describe_epochs(workdir)}


def _describe_further(manifest: Path) -> dict[str, Any]:
    rows = read_manifest(manifest)
    labels = manifest.with_name(LABELS)
    return {
        "manifest": describe_manifest(manifest),
        "sources": sorted({row.source for row in rows}),
        "patients_or_series": len({row.patient for row in rows}),
        "slices": len(rows),
        "labels": json.loads(labels.read_text(encoding="utf-8")) if labels.exists() else None,
    }


def _refuse_gaps(workdirs: Sequence[Path], runs: Sequence[dict[str, Any]]) -> None:
    """Raise where weights that a run began with come from no run named before it, or a run led to no later one."""
    waiting: list[Path] = []
    known: set[Path] = set()
    for workdir, run in zip(workdirs, runs, strict=True):
        begun = [weights.resolve() for weights in origins(run["config"])]
        for weights in begun:
            if weights not in known:
                raise ValueError(f"{workdir} began with {weights}, of no run before it: name all runs in their order")
        waiting = [weights for weights in waiting if weights not in begun]
        waiting.append((workdir / "best.weights.h5").resolve())
        known.add(waiting[-1])
    if len(waiting) > 1:
        raise ValueError(f"{waiting[0]} went into no later run: name only the runs that led to {workdirs[-1]}")


def describe_data(rows: Sequence[Row], manifest: str) -> dict[str, Any]:
    """Return sources, patients and numbers of slices of each split."""
    splits = sorted({row.split for row in rows})
    chosen = {split: [row for row in rows if row.split == split] for split in splits}
    return {
        "manifest": manifest,
        "sources": sorted({row.source for row in rows}),
        "patients": {split: sorted({row.patient for row in chosen[split]}) for split in splits},
        "slices": {split: len(chosen[split]) for split in splits},
    }


def describe_epochs(workdir: Path) -> list[dict[str, Any]]:
    """Return, for each stage in order, its epochs and the best of them by validation lesion Dice."""
    stages = []
    for folder in sorted(workdir.glob("stage*-*")):
        history = read_history(folder / "log.csv")
        best = max(history, key=lambda row: float(row[MONITOR]))
        stages.append(
            {
                "stage": folder.name,
                "epochs": len(history),
                "history": [{name: round(float(row[name]), 4) for name in CURVES if name in row} for row in history],
                "best_epoch": int(best["epoch"]) + 1,
                "best_validation_lesion_dice_at_this_size": round(float(best[MONITOR]), 4),
            }
        )
    return stages


def describe_figures(report: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a report by patient, by source and overall, and the temperature that was fitted."""
    return {
        "threshold": report["threshold"],
        "temperature": report["calibration"]["temperature"],
        "overall": report["overall"]["all"],
        "sources": report["by_source"],
        "patients": report["by_patient"],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and fill in the card."""
    parser = argparse.ArgumentParser(prog="python -m training.card", description="Fill in the card of weights.")
    parser.add_argument("--card", type=Path, required=True, help="the .json that training.export wrote")
    parser.add_argument(
        "--workdir", type=Path, nargs="+", help="folders of the runs, in order; without, the figures alone are replaced"
    )
    parser.add_argument("--report", type=Path, required=True, help="folder that training.evaluate wrote")
    parser.add_argument("--data", type=Path, default=DATA_FOLDER, help="folder of the scans (default: %(default)s)")
    options = parser.parse_args(arguments)
    with sentences(parser):
        if options.workdir:
            fill_card(options.card, options.workdir, options.report, data=options.data)
        else:
            fill_figures(options.card, options.report)


if __name__ == "__main__":
    main()
