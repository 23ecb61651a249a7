"""How a result is looked at, by the options of an address."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from model.overlay import COLOUR_MAPS, DEFAULT_STYLE, Style, colour_stops
from model.steps import THRESHOLDS
from webapp.viewing.options import VIEWS, ViewOptions

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


def read_view(address: MultiDict[str, str], read_at: float) -> ViewState:
    """Read how a result is to be looked at.

    read_at : the threshold at which the result was read.

    Raises
    ------
    InvalidOption : see `webapp.viewing.options`.
    """
    kept = {name: address[name] for name in KEPT if name in address}
    return replace(view_as(ViewOptions.of_address(address), read_at), kept=kept)


def view_as(options: ViewOptions, read_at: float) -> ViewState:
    """Return how a result that was read at some threshold is looked at with some options."""
    return ViewState(
        read_at=read_at,
        threshold=read_at if options.threshold is None else _nearest(options.threshold, read_at),
        view=options.view,
        style=Style(opacity=options.opacity, colours=options.colours, outline=options.outline),
    )


def _nearest(threshold: float, read_at: float) -> float:
    """Return the threshold that can be shown, nearest to one that was asked for."""
    if math.isclose(threshold, read_at, rel_tol=1e-5):
        return read_at
    # Brought into the range first: a hundred times the largest number is none.
    return THRESHOLDS[round(100 * min(max(threshold, THRESHOLDS[0]), THRESHOLDS[-1])) - 1]


def view_of(state: ViewState) -> dict[str, Any]:
    """Return what a page with a viewer says of how it is looked at."""
    return {
        "state": state,
        "views": VIEWS,
        "colour_maps": COLOUR_MAPS,
        "colours": colour_stops(colours=state.style.colours),
    }
