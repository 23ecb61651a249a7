"""The content of report.json -> tables in Markdown, for report.md and for the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.measures.groups import GROUPINGS
from training.measures.results import CLEAN_SHARE
from training.measures.surfaces import TOLERANCE_PX
from training.report.numbers import DASH, counted, interval, three_digits
from training.report.trust import robustness_rows, trust_sentences

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
    "clean_share": f"Slices without lesion with at most {100 * CLEAN_SHARE:g} % of the lung, as predicted, called",
    "lung_dice": "Lung Dice, pooled, of the {lung_slices} slices with a lung mask",
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
    "distances tell nothing of lesions missed altogether. Pooled figures add the pixels of all slices first. The lung "
    "of which a share is called is the predicted one, together with what is called."
)


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


def patients_sentence(report: Report, grouping: str) -> str:
    """Return of whom the groups of one of GROUPINGS are; empty for those by patient, and where the report is silent.

    Groups by what a picture looks like can be the patients themselves.
    """
    groups = report[grouping]
    if grouping == "by_patient" or any("patients" not in figures for figures in groups.values()):
        return ""
    told = "; ".join(f"{name}: {_whose(figures)}" for name, figures in groups.items())
    return (
        f"Patients in each group, and slices of the one with most: {told}. Groups of few differ as their patients do."
    )


def _whose(figures: Mapping[str, Any]) -> str:
    slices = figures["lesion_slices"] + figures["left_out_slices"]
    return f"{counted(figures['patients'], 'patient')}, {figures['most_slices_of_a_patient']} of {slices}"


def report_markdown(report: Report) -> str:
    """Return report.md."""
    facts = [
        f"- {name}: {report[name]}" for name in ("model_id", "sha256", "weights", "manifest", "split", "threshold")
    ]
    facts.append(f"- reading: {reading(report)}")
    parts = ["# Evaluation", "\n".join(facts), _what(report), headline_table(report), EMPTY_MASK_RULE]
    for name, grouping in GROUPINGS.items():
        parts += [f"## {grouping.title}", f"{grouping.meaning[0].upper()}{grouping.meaning[1:]}."]
        parts += [groups_table(report, [name]), *filter(None, [patients_sentence(report, name)])]
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
