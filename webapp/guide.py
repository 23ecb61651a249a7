"""Blueprint: the help page, its figures from the card beside the served weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template

from model.card import read_card
from model.decode.picture import FORMATS, MAX_FILE_MB, MAX_MEGAPIXELS, MIN_SIDE_PX
from model.errors import WeightsError
from webapp.uploads.requests import MAX_PICTURES, current_settings

blueprint = Blueprint("guide", __name__)

COLLECTIONS = {
    "coronacases": "COVID-19-CT-Seg (Zenodo 3757476), CC BY-NC-SA",
    "radiopaedia": "Radiopaedia, masks by MedSeg, CC BY-NC-SA 3.0",
    "covid-ct-md": "COVID-CT-MD (Afshar et al. 2021), for non-commercial research",
    "sars-cov-2-ct": "SARS-CoV-2 CT-scan (Soares et al. 2020), CC BY-NC-SA 4.0",
}
"""What the sources that cards name are collections of, and their licences."""


@blueprint.get("/help")
def help_page() -> str:
    """Show what the figures mean, what can be sent, the limits, the data and the model card."""
    return render_template(
        "help.html",
        card=_card(),
        formats=FORMATS,
        max_file_mb=MAX_FILE_MB,
        max_megapixels=MAX_MEGAPIXELS,
        min_side_px=MIN_SIDE_PX,
        max_pictures=MAX_PICTURES,
    )


def _card() -> dict[str, Any] | None:
    """Return what the page tells of the card of the served weights; None where they have none that tells anything."""
    try:
        card = read_card(current_settings().weights)
    except WeightsError:
        return None
    return summary_of(card) if {"model_id", "data", "validation"} <= set(card) else None


def summary_of(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a card that people without knowledge of statistics can use.

    card : as `training.card` writes it. Dice figures are 0 ... 1, shares too.
    """
    data, overall = card["data"], card["validation"]["overall"]
    by_patient = [found["lesion_dice"] for found in card["validation"].get("patients", {}).values()]
    dices = [dice for dice in by_patient if dice is not None]
    return {
        "model_id": card["model_id"],
        "licence": card.get("licence", "unknown"),
        "train_slices": data["slices"]["train"],
        "train_patients": len(data["patients"]["train"]),
        "val_slices": data["slices"]["val"],
        "val_patients": len(data["patients"]["val"]),
        "threshold": card["validation"]["threshold"],
        "lowest_dice": min(dices, default=None),
        "highest_dice": max(dices, default=None),
        "sources": [COLLECTIONS.get(name, name) for name in data["sources"]],
        "further": [COLLECTIONS.get(name, name) for name in _further_sources(card)],
        "overall": overall,
    }


def _further_sources(card: Mapping[str, Any]) -> list[str]:
    """Return the sources of slices without drawn masks that the training saw, each once."""
    parts = [part for run in card.get("training", []) for part in run.get("further_slices", [])]
    found = {name for part in parts for name in part["sources"]} - set(card["data"]["sources"])
    return sorted(found)
