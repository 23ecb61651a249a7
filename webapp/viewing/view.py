"""How a result is looked at: the options of an address, read strictly and brought into their range."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from model.errors import InvalidOption
from model.overlay import COLOUR_MAPS, DEFAULT_STYLE, Style, colour_stops
from model.steps import THRESHOLDS
from model.threshold import parse_number

VIEWS = {
    "side": "Side by side",
    "original": "Original",
    "overlay": "Overlay",
    "mask": "Mask",
    "heat": "Heat map",
    "why": "Why",
}
"""What can be looked at, and what it is called."""

OPTIONS = ("view", "threshold", "opacity", "colours", "outline")

KEPT = ("force",)
"""Options of a result's page that are none of its view, and stay in its links."""


@dataclass(frozen=True)
class ViewState:
    """How a result is looked at.

    read_at : the threshold at which it was read. threshold : that, or one of `model.steps.THRESHOLDS`, at which kept
    probabilities count exactly. kept : options of the page that are none of the view.
    """

    read_at: float
    threshold: float
    view: str = "side"
    style: Style = DEFAULT_STYLE
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_moved(self) -> bool:
        """Whether the threshold is another than that at which the result was read."""
        return self.threshold != self.read_at

    def drawing(self) -> dict[str, str]:
        """Return the options of a picture that is drawn like this."""
        return {
            "threshold": f"{self.threshold:g}",
            "opacity": f"{self.style.opacity:g}",
            "colours": self.style.colours,
            "outline": str(int(self.style.outline)),
        }

    def data(self) -> Markup:
        """Return this as attributes of an element, for the scripts; and how it is by itself."""
        usual = {"view": next(iter(VIEWS)), "threshold": self.read_at, **asdict(DEFAULT_STYLE)}
        texts = self.drawing() | {"usual": json.dumps(usual)}
        return Markup(" ").join(Markup('data-{}="{}"').format(name, text) for name, text in texts.items())

    def query(self, **changes: Any) -> dict[str, str]:
        """Return the options of the page that shows this, those left out that are as they are by themselves.

        changes : by the names of the fields.
        """
        state = replace(self, **changes)
        usual = ViewState(self.read_at, self.read_at)
        options = {"view": state.view} | state.drawing()
        known = {"view": usual.view} | usual.drawing()
        return dict(self.kept) | {name: text for name, text in options.items() if text != known[name]}


def read_view(options: MultiDict[str, str], read_at: float) -> ViewState:
    """Read how a result is to be looked at.

    Parameters
    ----------
    options : of the address. Numbers out of range are brought into it, the threshold to the nearest hundredth.
    read_at : the threshold at which the result was read.

    Raises
    ------
    InvalidOption : a number is none, or a name is unknown.
    """
    return ViewState(
        read_at=read_at,
        threshold=_nearest(_number(options, "threshold", read_at), read_at),
        view=_one_of(options, "view", tuple(VIEWS)),
        style=Style(
            opacity=min(max(_number(options, "opacity", DEFAULT_STYLE.opacity), 0.0), 1.0),
            colours=_one_of(options, "colours", COLOUR_MAPS),
            outline=_one_of(options, "outline", ("1", "0")) == "1",
        ),
        kept={name: options[name] for name in KEPT if name in options},
    )


def _nearest(threshold: float, read_at: float) -> float:
    """Return the threshold that can be shown, nearest to one that was asked for."""
    if math.isclose(threshold, read_at, rel_tol=1e-5):
        return read_at
    return THRESHOLDS[min(max(round(100 * threshold), 1), len(THRESHOLDS)) - 1]


def _number(options: MultiDict[str, str], name: str, otherwise: float) -> float:
    text = options.get(name, "").strip()
    if not text:
        return otherwise
    value = parse_number(text)
    if math.isnan(value):
        raise InvalidOption(f"The option {name} is {text[:20]!r}, which is no number. Try {otherwise:g}.")
    return value


def _one_of(options: MultiDict[str, str], name: str, known: tuple[str, ...]) -> str:
    # A form sends a box that is not ticked by a hidden field before it: the last one counts.
    text = (options.getlist(name) or [""])[-1] or known[0]
    if text not in known:
        raise InvalidOption(f"The option {name} is {text[:20]!r}. Choose one of {', '.join(known)}.")
    return text


def view_of(state: ViewState) -> dict[str, Any]:
    """Return what a page with a viewer says of how it is looked at."""
    return {
        "state": state,
        "views": VIEWS,
        "colour_maps": COLOUR_MAPS,
        "colours": colour_stops(colours=state.style.colours),
    }
