"""report.json -> the figures of MODEL_CARD.md, which stand between two comments.

python -m training.model_card --report docs/report/report.json --card MODEL_CARD.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.report.markdown import EMPTY_MASK_RULE, groups_table, headline_table, trust_sentences

BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"

REPORT = Path("docs/report/report.json")
CARD = Path("MODEL_CARD.md")


def figures_block(report: Mapping[str, Any]) -> str:
    """Return what stands between the comments: who was measured on what, figures by group, trust."""
    data = f"{report['slices']} slices of {report['patients']} patients in split `{report['split']}`"
    what = (
        f"`{report['model_id']}`, SHA-256 `{report['sha256']}`, on the {data} of `{report['manifest']}`, at threshold "
        f"{report['threshold']:g}, at the slices' own height and width. The intervals come from resampling patients: "
        f"with {report['patients']} they are wide and coarse."
    )
    parts = [what, headline_table(report), EMPTY_MASK_RULE]
    parts.append(groups_table(report, ["by_source", "by_patient", "by_size", "by_level"]))
    return "\n\n".join([*parts, *trust_sentences(report).values()])


def refresh(card: str, report: Mapping[str, Any]) -> str:
    """Return the text of a card with new figures.

    Raises
    ------
    ValueError : the comments are missing or in the wrong order.
    """
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the card lacks {BEGIN!r} followed by {END!r}: put both where its figures belong")
    return f"{before}{BEGIN}\n{figures_block(report)}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and refresh the card."""
    parser = argparse.ArgumentParser(prog="python -m training.model_card", description="Refresh the card's figures.")
    parser.add_argument("--report", type=Path, default=REPORT, help="a report.json (default: %(default)s)")
    parser.add_argument("--card", type=Path, default=CARD, help="the card (default: %(default)s)")
    options = parser.parse_args(arguments)
    report = json.loads(options.report.read_text(encoding="utf-8"))
    options.card.write_text(refresh(options.card.read_text(encoding="utf-8"), report), encoding="utf-8")


if __name__ == "__main__":
    main()
