"""The sheet of a report: its head, legend, table and foot, and the file; what is on it is for others to say."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from model.export.names import JSON, NOTICE
from model.overlay import COLOUR_MAP, draw_scale

A4_INCHES = (8.27, 11.69)
LEFT, WIDTH = 0.07, 0.86
INK, PALE, CAUTION = "#1f2225", "#5c6268", "#8a5a00"

FOOT_TOP, FOOT_STEP, FOOT_LINES, FOOT_POINTS = 0.118, 0.0105, 10, 6.5


def new_sheet() -> Figure:
    """Return an empty sheet of A4."""
    figure = Figure(figsize=A4_INCHES)
    FigureCanvasPdf(figure)
    return figure


def as_pdf(figure: Figure, *, dpi: float = 100.0) -> bytes:
    """Return a sheet as a file of one page, the same for the same content.

    dpi : pixels to the inch, of the pictures on it.
    """
    stream = io.BytesIO()
    # A date of creation would make every report differ; nothing else is told of the machine.
    metadata = {"Title": "Groundglass report", "Creator": "Groundglass", "CreationDate": None, "Producer": None}
    with PdfPages(stream, metadata=metadata) as pages, _any_script():
        pages.savefig(figure, dpi=dpi)
    return stream.getvalue()


def draw_head(figure: Figure, told: str, *, name: str = "", patient: str = "", made: str = "") -> None:
    """Write what the report is of, and that it is for research only.

    told : of size and spacing. name, patient, made : as `model.export.pdf.report_pdf` takes them.
    """
    figure.text(LEFT, 0.958, "Groundglass: lesions in chest CT", fontsize=16, weight="bold", color=INK)
    figure.text(LEFT, 0.943, NOTICE, fontsize=9, color=PALE)
    # Beside what is always short: what is told of a size may need the whole line.
    figure.text(LEFT + WIDTH, 0.943, made, fontsize=9, color=PALE, ha="right")
    # Dollar signs would be read as formulas.
    if patient:
        figure.text(LEFT + WIDTH, 0.958, patient, fontsize=10, ha="right", color=INK, parse_math=False)
    for place, line in enumerate(reversed(wrapped(name, 10.0)[:2])):
        figure.text(LEFT, 0.911 + 0.015 * place, line, fontsize=10, color=INK, parse_math=False)
    figure.text(LEFT, 0.896, told, fontsize=9, color=PALE)


def draw_legend(figure: Figure, threshold: float, *, y: float, colours: str = COLOUR_MAP, beside: str = "") -> None:
    """Draw what the colours mean, at a height of 0.0 ... 1.0 of the sheet.

    colours : one of `model.overlay.COLOUR_MAPS`. beside : what is written at the right.
    """
    figure.text(LEFT, y, "probability of lesion", fontsize=8, color=PALE)
    scale = figure.add_axes((0.36, y - 0.0015, 0.28, 0.009))
    draw_scale(scale, threshold, ink=INK, size=8, colours=colours)
    figure.text(LEFT + WIDTH, y, beside, fontsize=8, color=PALE, ha="right")


def draw_table(figure: Figure, rows: Sequence[tuple[str, str]], *, top: float) -> None:
    """Write names and values below each other, from a height of 0.0 ... 1.0 of the sheet down."""
    for place, (name, value) in enumerate(rows):
        y = top - 0.0155 * place
        figure.text(LEFT, y, name, fontsize=9, color=PALE)
        figure.text(0.36, y, value, fontsize=9, color=INK)


def draw_foot(figure: Figure, told: Sequence[str], notes: Sequence[str], *, more_in: str = JSON) -> None:
    """Write what must be told, and as many whole notes as there is room for.

    more_in : what holds the notes for which there is none.
    """
    for place, line in enumerate(_fitted(told, notes, more_in)):
        y = FOOT_TOP - FOOT_STEP * place
        figure.text(LEFT, y, line, fontsize=FOOT_POINTS, color=PALE, parse_math=False)


def _fitted(told: Sequence[str], notes: Sequence[str], more_in: str) -> list[str]:
    """Return the lines of the foot."""
    kept = [line for sentence in told for line in wrapped(sentence, FOOT_POINTS)]
    for place, note in enumerate(notes):
        added = wrapped(note, FOOT_POINTS)
        left = len(notes) - place
        # The last note may have the line that tells of more.
        if len(kept) + len(added) > FOOT_LINES - (left > 1):
            return [*kept, f"And {left} more {'note' if left == 1 else 'notes'}, see {more_in}."]
        kept += added
    return kept


def wrapped(sentence: str, points: float, *, weight: str = "normal") -> list[str]:
    """Return a sentence as lines that fit on the page; points is the size of the letters, weight "normal" or "bold"."""
    room = WIDTH * A4_INCHES[0] * 72.0
    letters = int(room / (0.45 * points))
    while letters > 1:
        found = textwrap.wrap(sentence, letters)
        if all(_width(line, points, weight) <= room for line in found):
            return found
        letters = int(0.97 * letters)
    return textwrap.wrap(sentence, 1)


def _width(line: str, points: float, weight: str) -> float:
    font = FontProperties(size=points, weight=weight)
    with _any_script():
        return float(text_to_path.get_text_width_height_descent(line, font, ismath=False)[0])


@contextmanager
def _any_script() -> Iterator[None]:
    """Let names and notes be in a script that the font lacks: boxes stand for it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield
