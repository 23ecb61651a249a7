"""Slice -> what it shows, and a sentence for its sender where that is no chest CT as the network knows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from model.decode.ct import CtSlice
from model.engine import SHIPPED_WEIGHTS, file_sha256
from model.errors import WeightsError
from model.recognise.encoder import Encoder
from model.recognise.head import Head, load_head

SHIPPED_HEAD = SHIPPED_WEIGHTS.with_name(f"{SHIPPED_WEIGHTS.stem}.kinds.npz")

CHEST, SOFT, UPSIDE_DOWN, SIDEWAYS = "chest CT", "soft-tissue window", "upside down", "sideways"
COLOURED = "colour picture"
OF_A_CHEST = (CHEST, SOFT, UPSIDE_DOWN, SIDEWAYS)
"""Kinds that are read, if with a warning; all others are refused."""

REFUSED_BELOW = 0.5
"""How likely a slice must be any of OF_A_CHEST to be read."""

COLOURED_FROM = 0.1
"""Share of coloured pixels from which a picture is refused: letters and arrows on a slice have less."""

_WARNINGS = {
    SOFT: "This looks like a chest CT in a soft-tissue window, in which lungs are black and lesions do not show. "
    "Export the slice in a lung window.",
    UPSIDE_DOWN: "This looks like a chest CT that is upside down. Turn it so that the spine is below.",
    SIDEWAYS: "This looks like a chest CT that lies on its side. Turn it so that the spine is below.",
}
_ARTICLES = {"abdominal CT": "an abdominal CT", "ultrasound": "an ultrasound image", "scanned text": "scanned text"}


@dataclass(frozen=True)
class Recognition:
    """What a slice looks like.

    kind : the likeliest. refused : whether it is to be read only when its sender insists.
    sentence : for the sender; empty where the slice looks as it should.
    """

    kind: str
    refused: bool
    sentence: str

    def as_dict(self) -> dict[str, str | bool]:
        """Return the fields by name, for JSON."""
        return asdict(self)


class Recogniser:
    """An encoder and the head that was fitted on its features."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        self._encoder, self._head = encoder, head

    def recognise(self, ct_slice: CtSlice) -> Recognition:
        """Tell what a slice shows."""
        if ct_slice.colour_share >= COLOURED_FROM:
            return coloured(ct_slice.colour_share)
        return judge(self._head.probabilities(self._encoder.features(ct_slice.pixels, ct_slice.value_range)))


def coloured(share: float) -> Recognition:
    """Refuse a picture of which such a share, 0.0 ... 1.0, is coloured."""
    sentence = (
        f"This does not look like a chest CT: {100.0 * share:.0f} % of the picture is in colour, as in a photograph, "
        "and CT is gray."
    )
    return Recognition(COLOURED, True, sentence)


def judge(probabilities: dict[str, float]) -> Recognition:
    """Decide by how likely each kind is.

    >>> judge({"chest CT": 0.9, "chest X-ray": 0.1})
    Recognition(kind='chest CT', refused=False, sentence='')
    """
    kept = sum(probabilities.get(kind, 0.0) for kind in OF_A_CHEST)
    refused = kept < REFUSED_BELOW
    among = {kind: share for kind, share in probabilities.items() if (kind not in OF_A_CHEST) is refused}
    kind = max(among, key=among.__getitem__)
    if not refused:
        return Recognition(kind, refused, _WARNINGS.get(kind, ""))
    what = _ARTICLES.get(kind, f"a {kind}")
    return Recognition(kind, refused, f"This does not look like a chest CT; it looks more like {what}.")


def load_recogniser(
    head: Path = SHIPPED_HEAD, weights: Path = SHIPPED_WEIGHTS, *, threads: int = 0, sha256: str = ""
) -> Recogniser:
    """Load the encoder of a network and its head.

    Parameters
    ----------
    threads : as `model.engine.load_engine` takes them.
    sha256 : of the weights, where they were hashed already: they are 25 MB.

    Raises
    ------
    WeightsError : a file is missing or damaged, or the head was fitted on the features of another network.
    """
    loaded = load_head(head)
    if loaded.encoder_sha256 != (sha256 or file_sha256(weights.with_suffix(".bin"))):
        raise WeightsError(f"{head} was fitted on another network than {weights}. Fit it again: training.recognise")
    return Recogniser(Encoder(weights, threads=threads), loaded)
