"""report.json and the card of the weights -> what stands between comments in MODEL_CARD.md and README.md.

python -m training.model_card --report docs/report/report.json --labels docs/report/slice-labels.json

A document holds any of the blocks of `blocks`, each between <!-- NAME: begin --> and <!-- NAME: end -->.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.card import SHIPPED_WEIGHTS, read_card
from training.commands import sentences
from training.measures.results import CLEAN_SHARE
from training.report.lineage import data_table, training_tables
from training.report.markdown import EMPTY_MASK_RULE, groups_table, headline_table, reading
from training.report.numbers import DASH, interval, three_digits
from training.report.trust import trust_sentences

REPORT = Path("docs/report/report.json")
DOCUMENTS = (Path("MODEL_CARD.md"), Path("README.md"))


def blocks(
    report: Mapping[str, Any], weights_card: Mapping[str, Any], labels: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return what stands between the comments, by name.

    Parameters
    ----------
    report : what `training.evaluate` wrote.
    weights_card : what `training.export` and `training.card` wrote; its blocks are left out where it tells nothing.
    labels : what `training.screen` wrote, if anything.

    Raises
    ------
    ValueError : report, card and labels are of different weights, or the report is not of patients who validate.
    """
    if report["sha256"] not in weights_card["sha256"].values():
        raise ValueError(
            f"the card is of {weights_card['model_id']}, the report of {report['model_id']}: measure again"
        )
    found = {"figures": figures_block(report, labels), "summary": summary_block(report, weights_card)}
    if "data" in weights_card and "training" in weights_card:
        found |= {"data": data_table(weights_card), "training": training_tables(weights_card)}
    return found


def summary_block(report: Mapping[str, Any], weights_card: Mapping[str, Any]) -> str:
    """Return the sentences that stand where the figures would be too many.

    Raises
    ------
    ValueError : the report is of another split than `val`, or of a patient whom the card names as trained on.
    """
    _refuse_trained_patients(report, weights_card)
    overall = report["overall"]["all"]
    dices = [found["lesion_dice"] for found in report["by_patient"].values() if found["lesion_dice"] is not None]
    clean = DASH if overall["clean_share"] is None else f"{100 * overall['clean_share']:.0f} %"
    none_trained = ", none of whom it was trained on, though they" if "data" in weights_card else ", who"
    lesion, lung, auc = (three_digits(overall[name]) for name in ("lesion_dice", "lung_dice", "finding_auc"))
    spread = interval([min(dices, default=None), max(dices, default=None)])
    return (
        f"On {report['slices']} slices of the {report['patients']} validation patients{none_trained} chose among "
        f"candidates: lesion Dice **{lesion}**, by patient {spread}; lung Dice **{lung}**, on the "
        f"{overall['lung_slices']} slices with a lung mask; both pooled. Of the slices without lesion, {clean} have "
        f"at most {100 * CLEAN_SHARE:g} % of the lung (as predicted, with what is called) called lesion. Slices with "
        f"and without lesion are told apart with an AUC of {auc}."
    )


def _refuse_trained_patients(report: Mapping[str, Any], weights_card: Mapping[str, Any]) -> None:
    if report["split"] != "val":
        raise ValueError(f"the report is of split {report['split']!r}, not of the patients who validate: measure val")
    # Where two sources use one name, the source goes before it.
    measured = {name.rpartition(": ")[2] for name in report["by_patient"]}
    both = measured & set(weights_card.get("data", {}).get("patients", {}).get("train", []))
    if both:
        raise ValueError(f"the network was trained on {', '.join(sorted(both))}, of whom the report is: measure others")


def figures_block(report: Mapping[str, Any], labels: Mapping[str, Any] | None = None) -> str:
    """Return what stands between the comments: who was measured on what, figures by group, trust.

    labels : what `training.screen` wrote, if anything.

    Raises
    ------
    ValueError : the labels were measured with other weights than the report.
    """
    data = f"{report['slices']} slices of {report['patients']} patients in split `{report['split']}`"
    what = (
        f"`{report['model_id']}`, SHA-256 `{report['sha256']}`, on the {data} of `{report['manifest']}`, read by "
        f"{reading(report)}, at threshold {report['threshold']:g}, at the slices' own height and width. The intervals "
        "come from resampling patients, not slices; few patients make them wide and coarse."
    )
    parts = [what, headline_table(report), EMPTY_MASK_RULE]
    parts.append(groups_table(report, ["by_source", "by_patient", "by_size", "by_level"]))
    parts += trust_sentences(report).values()
    return "\n\n".join([*parts, _labels_sentence(labels, report)] if labels else parts)


def _labels_sentence(labels: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    if labels["sha256"] != report["sha256"]:
        raise ValueError(
            f"the labels are of {labels['model_id']}, the report is of {report['model_id']}: measure again"
        )
    return (
        f"**Lesion present or not, elsewhere**: `{labels['manifest']}`, {', '.join(labels['only']) or 'all'}, "
        f"{labels['slices_with_lesion']} slices with (`{labels['present']}`) and {labels['slices_without_lesion']} "
        f"without: AUC {three_digits(labels['auc'][labels['score']])}."
    )


def refresh(document: str, found: Mapping[str, str]) -> str:
    """Return the text of a document with new blocks.

    Raises
    ------
    ValueError : it has no block, or one that is not closed or not known.
    """
    names = re.findall(r"<!-- (\w+): begin -->", document)
    if not names:
        raise ValueError(f"the document has no block: put <!-- {next(iter(found))}: begin --> where one belongs")
    for name in names:
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not closed or name not in found:
            raise ValueError(f"{begin} must be followed by {end} and be one of {', '.join(found)}")
        document = f"{before}{begin}\n{found[name]}\n{end}{after}"
    return document


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and refresh the documents; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.model_card", description="Refresh figures in documents.")
    add = parser.add_argument
    add("--report", type=Path, default=REPORT, help="a report.json (default: %(default)s)")
    add("--labels", type=Path, help="what training.screen wrote")
    add("--weights", type=Path, default=SHIPPED_WEIGHTS, help="whose card is told (default: the shipped ones)")
    add("--document", type=Path, nargs="+", default=DOCUMENTS, help="default: MODEL_CARD.md and README.md")
    options = parser.parse_args(arguments)
    with sentences(parser):
        report = json.loads(options.report.read_text(encoding="utf-8"))
        labels = json.loads(options.labels.read_text(encoding="utf-8")) if options.labels else None
        found = blocks(report, read_card(options.weights), labels)
        # All are made before the first is written: either all are refreshed or none.
        texts = [refresh(document.read_text(encoding="utf-8"), found) for document in options.document]
        for document, text in zip(options.document, texts, strict=True):
            document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
