"""Slice -> what it shows, and a sentence for its sender where that is no chest CT as the network knows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from model.card import SHIPPED_WEIGHTS, Identity
from model.decode.ct import CtSlice
from model.engine import Engine, FloatArray, SeeingEngine, can_see, load_engine
from model.errors import WeightsError
from model.look import look_once
from model.preprocess import in_proportion
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
    """A head, and the network on whose features it was fitted.

    Whatever reads slices by that same network hands over what it saw in passing; for readers by other networks the
    slice is looked at here.
    """

    def __init__(self, head: Head, engine: SeeingEngine) -> None:
        self._head, self._engine = head, engine

    def before_reading(self, ct_slice: CtSlice, reader: Engine) -> Recognition | None:
        """Tell what a slice shows as far as its reader will not; None where the reader's features will tell.

        reader : the network that is about to read it.
        """
        if self.knows(reader) and ct_slice.colour_share < COLOURED_FROM:
            return None
        return self.recognise(ct_slice)

    def knows(self, reader: Engine) -> bool:
        """Whether what a network sees in passing is what the head was fitted on."""
        return can_see(reader) and reader.identity == self._engine.identity

    def by_features(self, features: FloatArray | None) -> Recognition:
        """Tell what a slice shows, by what the network saw of it: (F,) float32.

        Raises
        ------
        WeightsError : the network did not tell.
        """
        return judge(self._head.probabilities(_told(features, self._engine.identity)))

    def recognise(self, ct_slice: CtSlice) -> Recognition:
        """Tell what a slice shows, by a look of its own."""
        if ct_slice.colour_share >= COLOURED_FROM:
            return coloured(ct_slice.colour_share)
        return self.by_features(features_of(ct_slice, self._engine))


def features_of(ct_slice: CtSlice, engine: SeeingEngine) -> FloatArray:
    """Return what a network sees of a slice, (F,) float32.

    Raises
    ------
    WeightsError : it does not tell.
    """
    pixels = in_proportion(ct_slice.pixels, ct_slice.spacing_mm)
    return _told(look_once(pixels, ct_slice.value_range, engine).features, engine.identity)


def _told(features: FloatArray | None, identity: Identity) -> FloatArray:
    if features is None:
        raise WeightsError(f"{identity.model_id} has no levels by which chest CT is recognised.")
    return features


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


def load_recogniser(engine: Engine | None = None, *, head: Path = SHIPPED_HEAD, threads: int = 0) -> Recogniser:
    """Load a head, and the network that it was fitted on.

    Parameters
    ----------
    engine : one that is loaded already, and is taken where it is the shipped network.
    threads : as `model.engine.load_engine` takes them.

    Raises
    ------
    WeightsError : a file is missing or damaged, or the head was fitted on the features of another network.
    """
    loaded = load_head(head)
    if engine is not None and can_see(engine) and engine.identity.sha256 == loaded.encoder_sha256:
        return Recogniser(loaded, engine)
    shipped = load_engine(SHIPPED_WEIGHTS, threads=threads)
    if not can_see(shipped) or shipped.identity.sha256 != loaded.encoder_sha256:
        raise WeightsError(
            f"{head} was fitted on another network than {SHIPPED_WEIGHTS}. Fit it again: training.recognise"
        )
    return Recogniser(loaded, shipped)
