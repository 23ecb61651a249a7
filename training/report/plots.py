"""The report's figures: matplotlib's Figure in, SVG text out; never pyplot, whose state is global.

Lines and letters that are drawn in INK come out as `currentColor`, so that a figure inside a page follows its theme.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from training.measures.calibration import Reliability
from training.measures.curves import Curve
from training.measures.finding import OperatingPoint
from training.measures.metrics import Overlap
from training.measures.robustness import Robustness

INK = "#010203"
"""Stands for the page's own colour of letters."""
COLOUR = "#21918c"  # the middle of viridis, which shows on white and on black
COLOUR_MAP = "cividis"
SIZE = (5.0, 4.2)  # inches
UNIT_WIDTH = 26  # letters in a line under a small figure

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def svg(figure: Figure, name: str) -> str:
    """Return a figure as an <svg> element; `name` keeps the ids of several on one page apart."""
    content = io.StringIO()
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    text = content.getvalue()
    lines = [line.rstrip() for line in text[text.index("<svg") :].splitlines()]
    return "\n".join(lines).replace(INK, "currentColor") + "\n"


def draw_roc(curve: Curve, area: float, point: OperatingPoint | None = None) -> Figure:
    """Draw a ROC curve, and where it is given the operating point."""
    figure, axes = _axes("1 − specificity", "sensitivity")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    axes.plot(curve.x, curve.y, color=COLOUR, linewidth=2, label=f"area {_figure(area, 3)}")
    if point is not None:
        label = f"operating point: {point.sensitivity:.2f} / {point.specificity:.2f}"
        axes.plot(1.0 - point.specificity, point.sensitivity, "o", color=INK, label=label)
    _unit_square(axes)
    _legend(axes, "lower right")
    return figure


def draw_precision_recall(curve: Curve, average: float, pooled: Overlap) -> Figure:
    """Draw precision against recall, and the point of the threshold in use."""
    figure, axes = _axes("recall", "precision")
    axes.plot(curve.x, curve.y, color=COLOUR, linewidth=2, label=f"average precision {_figure(average, 3)}")
    axes.plot(pooled.recall, pooled.precision, "o", color=INK, label="at the threshold in use")
    _unit_square(axes)
    _legend(axes, "lower left")
    return figure


def draw_confusion(pooled: Overlap) -> Figure:
    """Draw the pixel-wise confusion matrix; a cell says its share of the row, and the pixels.

    A row without pixels has no shares: a dash stands for them.
    """
    counts = np.array(
        [
            [pooled.true_negative_px, pooled.false_positive_px],
            [pooled.false_negative_px, pooled.true_positive_px],
        ]
    )
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    figure, axes = _axes("called", "drawn")
    # Not imshow, which would put a bitmap into the SVG.
    axes.pcolormesh(np.nan_to_num(shares), cmap=COLOUR_MAP, vmin=0.0, vmax=1.0)
    axes.invert_yaxis()
    for (row, column), share in np.ndenumerate(shares):
        ink = "black" if share > 0.5 else "white"
        stated = "–" if math.isnan(share) else f"{100 * share:.2f} %"
        label = f"{stated}\n{counts[row, column]:,} px"
        axes.text(column + 0.5, row + 0.5, label, ha="center", va="center", color=ink, fontsize=11)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0.5, 1.5], ["no lesion", "lesion"])
    axes.tick_params(length=0)
    return figure


def draw_dice_by_threshold(curve: Curve, threshold: float) -> Figure:
    """Draw the pooled Dice at each threshold, and the threshold in use."""
    figure, axes = _axes("threshold", "pooled Dice")
    axes.axvline(threshold, color=INK, linewidth=0.8, linestyle=":")
    # Beside its line, on the side with more room.
    left = threshold > 0.5
    place: Any = {"xytext": (-6 if left else 6, 6), "textcoords": "offset points", "ha": "right" if left else "left"}
    axes.annotate(f"in use: {threshold:g}", (threshold, 0.0), color=INK, **place)
    axes.plot(curve.x, curve.y, color=COLOUR, linewidth=2)
    axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    return figure


def draw_reliability(before: Reliability, after: tuple[float, Reliability] | None) -> Figure:
    """Draw how often a stated probability came true, and below how many pixels stated it.

    after : a temperature, and the same with the logit divided by it.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(SIZE[0], SIZE[1] + 1.2), layout="constrained")
        parts: Any = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes, below = parts
    axes.set(ylabel="share of lesion")
    below.set(xlabel="stated probability", ylabel="pixels", yscale="log")
    # Within one power of ten the letters of all steps would lie over each other.
    below.yaxis.set_minor_formatter(NullFormatter())
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    axes.plot(before.probability, before.share, "o-", color=COLOUR, label="as the network says it")
    if after is not None:
        temperature, found = after
        label = f"at temperature {temperature:.2f}"
        axes.plot(found.probability, found.share, "s--", color=INK, markersize=4, label=label)
    edges = np.linspace(0.0, 1.0, len(before.pixels) + 1)
    # Hollow bars: the filled ones of one series would hide those of the other.
    below.stairs(before.pixels, edges, color=COLOUR, linewidth=2)
    if after is not None:
        below.stairs(after[1].pixels, edges, color=INK, linestyle="--")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    _legend(axes, "upper left")
    return figure


def draw_dice_by_size(dice: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the Dice of each slice by lesion size: every slice a dot, the bar their median."""
    figure, axes = _axes("share of the picture that is lesion", "Dice of a slice")
    for position, values in enumerate(dice.values()):
        # A fixed pattern instead of random jitter, so that the same slices give the same figure.
        offsets = 0.3 * (((np.arange(len(values)) * 0.618) % 1.0) - 0.5)
        axes.plot(position + offsets, values, "o", color=COLOUR, alpha=0.6, markersize=4)
        axes.hlines(float(np.median(values)), position - 0.25, position + 0.25, color=INK, linewidth=2)
    axes.set_xticks(range(len(dice)), [f"{name}\n({len(values)})" for name, values in dice.items()])
    axes.set_ylim(-0.02, 1.02)
    return figure


def draw_areas(true_px: Sequence[int], called_px: Sequence[int]) -> Figure:
    """Draw the called area against the true area of each slice, in pixels; logarithmic above 100."""
    figure, axes = _axes("drawn, pixels", "called, pixels")
    limit = 1.3 * max([100, *true_px, *called_px])
    axes.plot([0, limit], [0, limit], color=INK, linewidth=0.8, linestyle=":")
    axes.plot(true_px, called_px, "o", color=COLOUR, alpha=0.6, markersize=4)
    axes.set_xscale("symlog", linthresh=100)
    axes.set_yscale("symlog", linthresh=100)
    axes.set(xlim=(-10, limit), ylim=(-10, limit))
    return figure


def draw_uncertainty(disagreement: Sequence[float], dice: Sequence[float], correlation: float) -> Figure:
    """Draw the Dice of each slice against the disagreement of its flips."""
    figure, axes = _axes("disagreement of flips", "Dice of a slice")
    axes.plot(
        disagreement, dice, "o", color=COLOUR, alpha=0.6, markersize=4, label=f"Spearman {_figure(correlation, 2)}"
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _legend(axes, "upper right")
    return figure


def draw_robustness(found: Robustness, units: Mapping[str, str]) -> Figure:
    """Draw Dice and share of clean slices against the strength, one small figure for each perturbation."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(11.0, 5.8), layout="constrained")
        grid = np.ravel(figure.subplots(2, 5, sharey=True))
    for axes, (name, steps) in zip(grid, found.steps.items(), strict=True):
        strengths, dice, clean = zip(*steps, strict=True)
        axes.plot(strengths, dice, "o-", color=COLOUR, markersize=4, label="Dice")
        axes.plot(strengths, clean, "s--", color=INK, markersize=3, linewidth=1, label="clean")
        axes.set_title(name, fontsize=11)
        axes.set_xlabel(fill(units[name], UNIT_WIDTH), fontsize=9)
        axes.set_ylim(0.0, 1.03)
    for axes in grid[::5]:
        axes.set_ylabel("pooled Dice, share of clean")
    _legend(grid[0], "lower left")
    return figure


def draw_learning(stages: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw loss and validation Dice of each epoch; stages follow one another, with a line between them."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(10.0, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
    first = 1
    for rows in stages.values():
        epochs = range(first, first + len(rows))
        for axes, key, style in (
            (left, "loss", "o-"),
            (left, "val_loss", "s--"),
            (right, "lesion_dice", "o-"),
            (right, "val_lesion_dice", "s--"),
        ):
            colour = INK if key.startswith("val_") else COLOUR
            label = {"val_": "validation"}.get(key[:4], "training") if first == 1 else None
            values = [float(row.get(key) or "nan") for row in rows]
            axes.plot(epochs, values, style, color=colour, markersize=3, label=label)
        first += len(rows)
        for axes in (left, right):
            axes.axvline(first - 0.5, color=INK, linewidth=0.5, linestyle=":")
    left.set(xlabel="epoch", ylabel="loss")
    right.set(xlabel="epoch", ylabel="lesion Dice", ylim=(0.0, 1.0))
    _legend(left, "best")
    return figure


def _axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes: Any = figure.subplots()
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure, axes


def _figure(value: float, decimals: int) -> str:
    """Return a figure for people; a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{value:.{decimals}f}"


def _legend(axes: Axes, place: Any) -> None:
    axes.legend(loc=place, frameon=False, labelcolor=INK)


def _unit_square(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
