"""How much is drawn at once in one process: a picture of 20 million pixels takes seconds and hundreds of megabytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import current_app

from model.decode.picture import MAX_MEGAPIXELS
from webapp.places import CT_SLICE_PX, Room

EXTENSION = "groundglass-drawing"

MOST_PX = MAX_MEGAPIXELS * 1_000_000 + 16 * CT_SLICE_PX
"""The largest picture, and beside it a CT slice for each thread that is no place for reading: whoever pages through a
volume never waits for large pictures of others."""

WAIT_S = 8.0
"""The largest picture takes two seconds, on a machine that is busy five."""

MOST_WAITING = 4


class Drawing:
    """Those who draw a slice that was read, or measure it anew."""

    def __init__(self, most_px: int = MOST_PX, *, wait_s: float = WAIT_S) -> None:
        self._room = Room(
            most_px,
            of_one=most_px,
            sentence="The server draws as many large pictures as it can. Ask again in a moment.",
            wait_s=wait_s,
            most_waiting=MOST_WAITING,
        )

    @contextmanager
    def of(self, details: Mapping[str, Any]) -> Iterator[None]:
        """Draw a slice for the length of a block.

        details : of its result, or of the volume's; they tell its size.

        Raises
        ------
        Busy : others draw large pictures, and did not end soon.
        """
        with self._room.taken(_pixels(details)):
            yield


def _pixels(details: Mapping[str, Any]) -> int:
    if "shape" in details:
        _, height, width = details["shape"]
    else:
        height, width = details["measurements"]["height_px"], details["measurements"]["width_px"]
    return int(height) * int(width)


def current_drawing() -> Drawing:
    """Return the drawing of the current app."""
    drawing: Drawing = current_app.extensions[EXTENSION]
    return drawing
