"""The content of report.json -> what each part of it came to, in a sentence or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.measures.calibration import LEAST_SHARE
from training.measures.finding import MEANINGS
from training.report.numbers import DASH, counted, three_digits

Report = Mapping[str, Any]


def trust_sentences(report: Report) -> dict[str, str]:
    """Return what each part of the report came to in a sentence or two; what was not measured is left out."""
    sentences = {"finding": _finding(report["finding"]), "calibration": _calibration(report["calibration"])}
    if report["uncertainty"]["slices"]:
        sentences["uncertainty"] = _uncertainty(report["uncertainty"])
    if "robustness" in report:
        sentences["robustness"] = _robustness(report["robustness"])
    if report.get("explanation", {}).get("inside_trained") is not None:
        sentences["explanation"] = _explanation(report["explanation"])
    return sentences


def _calibration(found: Report) -> str:
    sentence = (
        f"**Calibration**, within {found['near_px']} pixels of drawn or called lesions: the expected calibration error "
        f"is {three_digits(found['expected_calibration_error'])}"
    )
    if found["temperature"] is None:
        return f"{sentence}.{_gap(found)}"
    return sentence + (
        f"; with the lesion logit divided by the temperature {three_digits(found['temperature'])}, fitted on these "
        f"very slices, {three_digits(found['expected_calibration_error_at_temperature'])}. That temperature comes on "
        f"top of any that the weights divide by already.{_gap(found)}"
    )


def _gap(found: Report) -> str:
    """Return where stated and found lie furthest apart; nothing for a report that does not tell."""
    gap = found.get("largest_gap")
    if gap is None:
        return ""
    return (
        f" The largest gap of any bin with at least {100 * LEAST_SHARE:g} % of these pixels is "
        f"{three_digits(gap['size'])}: stated {three_digits(gap['probability'])}, found {three_digits(gap['share'])}."
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
        f"{worst}.{_coarseness(found)}"
    )


def _coarseness(found: Report) -> str:
    if not found["left_out_slices"]:
        return ""
    return f" There are no intervals, and one slice is {1.0 / found['left_out_slices']:.2f} of the clean share."


def _steps(found: Report, name: str) -> list[tuple[str, float | None, float | None]]:
    """Return strength, Dice and share of clean slices of each step of a perturbation."""
    dice, clean = found["dice"][name], found["clean"][name]
    return [(strength, dice[strength], clean[strength]) for strength in dice]


def _pair(step: tuple[str, float | None, float | None]) -> str:
    _, dice, clean = step
    return f"{three_digits(dice)} / {DASH if clean is None else f'{clean:.2f}'}"


def _explanation(found: Report) -> str:
    trained, called = three_digits(found["inside_trained"]), three_digits(found["called_share"])
    sentence = (
        f"**Explanation**: over {counted(found['slices'], 'slice')}, {trained} of the Seg-Grad-CAM map lies inside the "
        f"called lesion; a map that knew nothing would have {called} there."
    )
    # A report from before the randomised copy saw the picture compares with nothing.
    return sentence + _control(found) if "flat_randomised" in found else sentence


def _control(found: Report) -> str:
    """Return how the trained maps spread, what the maps of the randomised copy came to, and what was left out."""
    median, above, randomised, randomised_median, likeness = (
        three_digits(found[name])
        for name in (
            "inside_trained_median",
            "above_chance",
            "inside_randomised",
            "inside_randomised_median",
            "likeness_randomised",
        )
    )
    return (
        f" The median is {median}, and in {above} of the slices more lies inside than by chance. With the weights of "
        "each kernel shuffled and the batch normalisation measured anew, so that the copy still sees the picture, it "
        f"is {randomised}, median {randomised_median}. The two maps correlate by {likeness} (Spearman; 1 would mean "
        f"that the map does not depend on what was learned).{_flat(found)}"
    )


def _flat(found: Report) -> str:
    if not found["flat_trained"] and not found["flat_randomised"]:
        return ""
    return (
        f" Of the maps {found['flat_trained']} of the trained network and {found['flat_randomised']} of the copy are "
        "flat, because nothing at that layer speaks for a lesion: they point nowhere and are left out of that "
        "network's figures."
    )


def robustness_rows(report: Report) -> list[list[str]]:
    """Return a row for each perturbation: its name, its unit, and "strength: Dice / clean" of each step."""
    found = report["robustness"]
    return [
        [name, found["units"][name], *(f"{step[0]}: {_pair(step)}" for step in _steps(found, name))]
        for name in found["dice"]
    ]
