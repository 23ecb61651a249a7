"""The content of report.json, figures and panels -> one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from training.measures.groups import GROUPINGS
from training.report.figures import Drawing
from training.report.markdown import (
    COLUMNS,
    EMPTY_MASK_RULE,
    group_rows,
    headline_rows,
    patients_sentence,
    reading,
)
from training.report.numbers import counted, interval, three_digits
from training.report.panels import Panel
from training.report.trust import robustness_rows, trust_sentences

TEMPLATES = Path(__file__).parent / "templates"


def report_page(
    report: Mapping[str, Any], drawings: Sequence[Drawing], *, panels: Sequence[Panel], maps: Sequence[Panel]
) -> str:
    """Return report.html. Without panels and maps it holds no pixel of a scan."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html").render(
        report=report,
        overall=report["overall"]["all"],
        headlines=headline_rows(report),
        columns=list(COLUMNS.values()),
        groups=[
            (grouping, group_rows(report[name]), patients_sentence(report, name))
            for name, grouping in GROUPINGS.items()
        ],
        sections=_by_section(drawings),
        panels=[(panel, _data_url(panel.png)) for panel in panels],
        maps=[(panel, _data_url(panel.png)) for panel in maps],
        trust={name: _bold(sentence) for name, sentence in trust_sentences(report).items()},
        robustness=robustness_rows(report) if "robustness" in report else [],
        empty_mask_rule=EMPTY_MASK_RULE,
        reading=reading(report),
        digits=three_digits,
        interval=interval,
        counted=counted,
    )


def _by_section(drawings: Sequence[Drawing]) -> dict[str, list[tuple[Drawing, Markup]]]:
    """Return the figures of each section; the SVG is our own, so it goes in as it is."""
    sections: dict[str, list[tuple[Drawing, Markup]]] = {}
    for drawing in drawings:
        sections.setdefault(drawing.section, []).append((drawing, Markup(drawing.svg)))
    return sections


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _bold(sentence: str) -> Markup:
    """Turn the **words** of a sentence to bold ones."""
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(sentence))))
