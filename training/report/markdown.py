"""The content of report.json -> tables in Markdown, for report.md and for the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.measures.finding import MEANINGS
from training.measures.groups import GROUPINGS
from training.measures.results import CLEAN_SHARE
from training.measures.surfaces import TOLERANCE_PX

Report = Mapping[str, Any]

HEADLINES = {
    "lesion_dice": "Lesion Dice, pooled",
    "lesion_iou": "IoU, pooled",
    "lesion_precision": "Precision, pooled",
    "lesion_recall": "Recall, pooled",
    "lesion_specificity": "Specificity, pooled",
    "lesion_accuracy": "Accuracy, pooled",
    "roc_auc": "ROC AUC of pixels",
    "average_precision": "Average precision of pixels",
    "mean_slice_dice": "Dice, mean of the {lesion_slices} slices with lesion",
    "surface_dice": f"Surface Dice at {TOLERANCE_PX:g} pixels, mean of the {{lesion_slices}} slices with lesion",
    "hd95_px": "95th-percentile Hausdorff distance, mean of {hd95_slices} slices, pixels",
    "hd95_median_px": "95th-percentile Hausdorff distance, median of them, pixels",
    "lesion_sensitivity": "Lesions found, share",
    "false_lesions_per_slice": "False lesions per slice",
    "area_pearson": "Area, drawn and called: Pearson",
    "area_spearman": "Area, drawn and called: Spearman",
    "area_bias_px": "Area, called less drawn, mean, pixels",
    "finding_auc": "Slices with and without lesion: AUC",
    "clean_share": f"Slices without lesion with at most {100 * CLEAN_SHARE:g} % of the lung called",
    "lung_dice": "Lung Dice, pooled",
}
"""The figures of the whole data set, in the order to show them; in braces a figure that one rests on."""

COLUMNS = {
    "lesion_dice": "Dice",
    "lesion_iou": "IoU",
    "lesion_precision": "precision",
    "lesion_recall": "recall",
    "mean_slice_dice": "mean slice Dice",
    "hd95_px": "HD95, px",
    "surface_dice": "surface Dice",
    "lesion_sensitivity": "lesions found",
    "false_lesions_per_slice": "false per slice",
    "clean_share": "clean",
    "lung_dice": "lung Dice",
}
"""The figures of each group."""

EMPTY_MASK_RULE = (
    "Where truth and call are both empty, Dice, IoU, surface Dice and distance of that slice are undefined and left "
    "out of means; where exactly one is empty, Dice, IoU and surface Dice are 0 and the distance is left out, so the "
    "distances tell nothing of lesions missed altogether. Pooled figures add the pixels of all slices first."
)
DASH = "–"


def three_digits(value: float | None) -> str:
    """Return a figure for people: three decimals, one where it is 10 or more; a dash where it is undefined."""
    if value is None:
        return DASH
    digits = f"{value:.1f}" if abs(value) >= 10.0 else f"{value:.3f}"
    return digits.replace("-", "−")


def counted(number: int, thing: str) -> str:
    """Return a number of things.

    >>> counted(1, "patient")
    '1 patient'
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def reading(report: Report) -> str:
    """Return how the slices were read: by which network, in how many looks, at which size of its input."""
    looks = "the mean of four looks" if report["quality"] else "one look"
    return f"{report['architecture']}, {looks} at {report['size']} × {report['size']} pixels"


def headline_rows(report: Report) -> list[tuple[str, str, str]]:
    """Return, for each of HEADLINES, its words, its figure and its interval."""
    overall, intervals = report["overall"]["all"], report["intervals"]
    return [
        (words.format(**overall), three_digits(overall[name]), interval(intervals[name]))
        for name, words in HEADLINES.items()
    ]


def interval(ends: Sequence[float | None]) -> str:
    """Return the ends of an interval for people; a single dash where it is undefined."""
    return DASH if None in ends else f"{three_digits(ends[0])} to {three_digits(ends[1])}"


def group_rows(groups: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return a row for each group: its name, its slices (with lesion), and COLUMNS."""
    return [
        [
            name,
            f"{figures['lesion_slices'] + figures['left_out_slices']} ({figures['lesion_slices']})",
            *(_cell(figures, column) for column in COLUMNS),
        ]
        for name, figures in groups.items()
    ]


def _cell(figures: Mapping[str, Any], column: str) -> str:
    """Return a group's figure; a dash for overlap where no slice has a lesion, since any call would make it 0."""
    alone = figures["lesion_slices"] == 0 and column in ("lesion_dice", "lesion_iou", "lesion_precision")
    return DASH if alone else three_digits(figures[column])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def headline_table(report: Report) -> str:
    """Return the figures of the whole data set with their intervals."""
    return table(["", "Figure", "95 % interval"], headline_rows(report))


def groups_table(report: Report, groupings: Sequence[str]) -> str:
    """Return the figures of each group of some of GROUPINGS, in turn; of several, each row names its grouping."""
    titles = {name: f"{GROUPINGS[name].title}: " if len(groupings) > 1 else "" for name in groupings}
    rows = [[titles[name] + row[0], *row[1:]] for name in groupings for row in group_rows(report[name])]
    return table(["", "Slices (with lesion)", *COLUMNS.values()], rows)


def trust_sentences(report: Report) -> dict[str, str]:
    """Return what each part of the report came to in a sentence or two; what was not measured is left out."""
    sentences = {"finding": _finding(report["finding"]), "calibration": _calibration(report["calibration"])}
    if report["uncertainty"]["slices"]:
        sentences["uncertainty"] = _uncertainty(report["uncertainty"])
    if "robustness" in report:
        sentences["robustness"] = _robustness(report["robustness"])
    if report.get("explanation", {}).get("likeness_randomised") is not None:
        sentences["explanation"] = _explanation(report["explanation"])
    return sentences


def _calibration(found: Report) -> str:
    sentence = (
        f"**Calibration**, within {found['near_px']} pixels of drawn or called lesions: the expected calibration error "
        f"is {three_digits(found['expected_calibration_error'])}"
    )
    if found["temperature"] is None:
        return f"{sentence}."
    return sentence + (
        f"; with the lesion logit divided by the temperature {three_digits(found['temperature'])}, fitted on these "
        f"very slices, {three_digits(found['expected_calibration_error_at_temperature'])}."
    )


def _finding(found: Report) -> str:
    slices = (
        f"**Lesion present or not**, {counted(found['slices_with_lesion'], 'slice')} with and "
        f"{found['slices_without_lesion']} without"
    )
    point = found.get("operating_point")
    if point is None:
        return f"{slices}: there is nothing to tell apart."
    return (
        f"{slices}: AUC {three_digits(found['auc'][found['score']])}, by {MEANINGS[found['score']]}."
        f" At the score {three_digits(point['score'])}, the best sum on these very slices, sensitivity is "
        f"{three_digits(point['sensitivity'])} and specificity {three_digits(point['specificity'])}."
    )


def _uncertainty(found: Report) -> str:
    slices = counted(found["slices"], "slice")
    if found["spearman_with_dice"] is None:
        return (
            "**Uncertainty**: the mean disagreement between mirrored readings is "
            f"{three_digits(found['mean_disagreement'])} over {slices}, too few or too alike to hold against the Dice."
        )
    sentence = (
        f"**Uncertainty**: Spearman's correlation of the disagreement between mirrored readings with the Dice of a "
        f"slice is {three_digits(found['spearman_with_dice'])} over {slices}"
    )
    if found["spearman_with_dice_where_lesion"] is None:
        return f"{sentence}."
    ill, area, rest = (
        three_digits(found[f"spearman_{name}_where_lesion"])
        for name in ("with_dice", "of_called_area", "at_equal_called_area")
    )
    return (
        f"{sentence}, and {ill} over the {found['slices_with_lesion']} with lesion. There the called area alone "
        f"correlates by {area}, and at equal area {rest} is left for the disagreement." + _unwarned(found)
    )


def _unwarned(found: Report) -> str:
    missed, unwarned = found["missed_slices"], found["missed_slices_without_disagreement"]
    if not unwarned:
        return ""
    return (
        f" In {counted(missed, 'slice')} with lesion nothing is called, and in {unwarned} of them all readings agree "
        "on that: the disagreement does not warn of them."
    )


def _robustness(found: Report) -> str:
    ends = {name: _steps(found, name) for name in found["dice"]}
    plain = next(iter(ends.values()))[0]
    worst = ", ".join(f"{name} {_pair(steps[-1])}" for name, steps in ends.items())
    return (
        f"**Robustness**, pooled Dice of {counted(found['lesion_slices'], 'slice')} with lesion / share of clean ones "
        f"of {found['left_out_slices']} without: {_pair(plain)} as they are, and at the strongest of five steps: "
        f"{worst}."
    )


def _steps(found: Report, name: str) -> list[tuple[str, float | None, float | None]]:
    """Return strength, Dice and share of clean slices of each step of a perturbation."""
    dice, clean = found["dice"][name], found["clean"][name]
    return [(strength, dice[strength], clean[strength]) for strength in dice]


def _pair(step: tuple[str, float | None, float | None]) -> str:
    _, dice, clean = step
    return f"{three_digits(dice)} / {DASH if clean is None else f'{clean:.2f}'}"


def _explanation(found: Report) -> str:
    called, trained, randomised, likeness = (
        three_digits(found[name])
        for name in ("called_share", "inside_trained", "inside_randomised", "likeness_randomised")
    )
    return (
        f"**Explanation**: over {counted(found['slices'], 'slice')}, {trained} of the Seg-Grad-CAM map lies inside the "
        f"called lesion, with randomised weights {randomised}; a map that knew nothing would have {called} there. The "
        f"two maps correlate by {likeness} (Spearman; 1 would mean that the map does not depend on what was learned)."
    )


def robustness_rows(report: Report) -> list[list[str]]:
    """Return a row for each perturbation: its name, its unit, and "strength: Dice / clean" of each step."""
    found = report["robustness"]
    return [
        [name, found["units"][name], *(f"{step[0]}: {_pair(step)}" for step in _steps(found, name))]
        for name in found["dice"]
    ]


def report_markdown(report: Report) -> str:
    """Return report.md."""
    facts = [
        f"- {name}: {report[name]}" for name in ("model_id", "sha256", "weights", "manifest", "split", "threshold")
    ]
    facts.append(f"- reading: {reading(report)}")
    parts = ["# Evaluation", "\n".join(facts), _what(report), headline_table(report), EMPTY_MASK_RULE]
    for name, grouping in GROUPINGS.items():
        parts += [f"## {grouping.title}", f"{grouping.meaning[0].upper()}{grouping.meaning[1:]}."]
        parts.append(groups_table(report, [name]))
    parts += ["## Trust", *trust_sentences(report).values()]
    if "robustness" in report:
        header = ["", "Strength", "as it is", "1", "2", "3", "4", "5"]
        parts.append(table(header, robustness_rows(report)))
    parts += ["## Not measurable", "\n".join(f"- {name}: {why}" for name, why in report["not_measurable"].items())]
    return "\n\n".join(parts) + "\n"


def _what(report: Report) -> str:
    return (
        f"{counted(report['slices'], 'slice')} of {counted(report['patients'], 'patient')}. The intervals come from "
        f"{report['interval_draws']} bootstrap samples of patients, not of slices: the fewer patients, the wider and "
        "coarser they are, and one alone has none."
    )
