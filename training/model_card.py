"""report.json -> the figures of MODEL_CARD.md, which stand between two comments.

python -m training.model_card --report docs/report/report.json --labels docs/report/slice-labels.json \\
    --card MODEL_CARD.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.commands import sentences
from training.report.markdown import (
    EMPTY_MASK_RULE,
    groups_table,
    headline_table,
    reading,
    three_digits,
    trust_sentences,
)

BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"

REPORT = Path("docs/report/report.json")
CARD = Path("MODEL_CARD.md")


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


def refresh(card: str, report: Mapping[str, Any], labels: Mapping[str, Any] | None = None) -> str:
    """Return the text of a card with new figures.

    Raises
    ------
    ValueError : the comments are missing or in the wrong order, or report and labels are of different weights.
    """
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the card lacks {BEGIN!r} followed by {END!r}: put both where its figures belong")
    return f"{before}{BEGIN}\n{figures_block(report, labels)}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and refresh the card."""
    parser = argparse.ArgumentParser(prog="python -m training.model_card", description="Refresh the card's figures.")
    parser.add_argument("--report", type=Path, default=REPORT, help="a report.json (default: %(default)s)")
    parser.add_argument("--card", type=Path, default=CARD, help="the card (default: %(default)s)")
    parser.add_argument("--labels", type=Path, help="what training.screen wrote")
    options = parser.parse_args(arguments)
    with sentences(parser):
        report = json.loads(options.report.read_text(encoding="utf-8"))
        labels = json.loads(options.labels.read_text(encoding="utf-8")) if options.labels else None
        card = refresh(options.card.read_text(encoding="utf-8"), report, labels)
    options.card.write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
