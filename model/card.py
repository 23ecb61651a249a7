"""A file of weights and the card beside it -> which model it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import WeightsError

SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "groundglass-2.xml"


@dataclass(frozen=True)
class Identity:
    """Which model answered: a readable name, and the SHA-256 of the file that holds the weights, in hexadecimal."""

    model_id: str
    sha256: str

    def as_dict(self) -> dict[str, str]:
        """Return name and hash as pages and API give them."""
        return {"id": self.model_id, "sha256": self.sha256}


def identify(weights: Path) -> Identity:
    """Hash the weights and hold the hash against their card, where there is one.

    Raises
    ------
    WeightsError : a file is missing, or is not what its card states.
    """
    holder = weights.with_suffix(".bin") if weights.suffix == ".xml" else weights
    for file in (weights, holder):
        if not file.is_file():
            raise WeightsError(f"{file} does not exist. {advice(weights)}")
    card = read_card(weights)
    sha256 = {file.name: file_sha256(file) for file in {weights, holder}}
    for name, expected in card.get("sha256", {}).items():
        if sha256.get(name, expected) != expected:
            raise WeightsError(
                f"{weights.with_name(name)} is damaged: its SHA-256 is {sha256[name]}, its card says {expected}. "
                f"{advice(weights)}"
            )
    return Identity(card.get("model_id", weights.stem), sha256[holder.name])


def join_identities(identities: Sequence[Identity]) -> Identity:
    """Return one as it is, and of several, which answer together, what they are together.

    The name joins theirs by "+"; the hash is the SHA-256 of theirs, written one behind the other in hexadecimal.
    """
    if len(identities) == 1:
        return identities[0]
    hashes = "".join(identity.sha256 for identity in identities)
    names = "+".join(identity.model_id for identity in identities)
    return Identity(names, hashlib.sha256(hashes.encode()).hexdigest())


def read_card(weights: Path) -> dict[str, Any]:
    """Return the card beside the weights, or an empty one.

    Raises
    ------
    WeightsError : the card is damaged.
    """
    name = weights.name.removesuffix(weights.suffix).removesuffix(".weights").removesuffix(".float")
    card = weights.with_name(f"{name}.json")
    if not card.exists():
        return {}
    try:
        content: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise WeightsError(f"{card} is damaged: {exc}. {advice(weights)}") from exc
    if not isinstance(content, dict) or not isinstance(content.get("sha256", {}), dict):
        raise WeightsError(f"{card} is damaged: it is no card. {advice(weights)}")
    return content


def advice(weights: Path) -> str:
    """Return what to do about a file that is missing or damaged."""
    if weights.absolute().parent == SHIPPED_WEIGHTS.parent:
        return "Restore it with: git checkout -- model/weights"
    return "Check the path, or export the network again."


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
