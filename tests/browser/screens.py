"""Screenshots compared with references: the same page in the same places, whatever the machine's fonts.

python -m tests.browser.screens [STATE ...]   draws the references anew; look at them before they are committed

The page is drawn in a monospaced font, whose letters have much the same width everywhere, and shrunk until text is a
gray haze: what is compared is where things are, how large, and in which colour.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

FOLDER = Path(__file__).parent / "screens"

Scheme = str
VIEWS: dict[str, tuple[int, int, Scheme]] = {"wide-dark": (1280, 896, "dark"), "phone-light": (384, 832, "light")}
"""Width and height in pixels, multiples of _SHRUNK * _BLOCK, and the colour scheme."""

WHOLE = ("done", "done volume", "read anyway", "help")
"""States of which all of the page is compared, not the first screen alone."""

_SHRUNK = 8
"""By this the references are smaller than the page."""

_BLOCK = 4
"""Side of the squares of a reference whose mean colours are compared."""

MOST_ANYWHERE, MOST_ON_AVERAGE = 16.0, 2.0
"""Largest difference of a square, and the mean of all squares, of 255."""

_STYLE = """
* { font-family: monospace !important; caret-color: transparent !important; }
*, *::before, *::after { animation: none !important; transition: none !important; }
"""


def draw(page: Page, *, whole: bool = False) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8: what the page shows, shrunk. The page must have been opened with `bypass_csp`.

    whole : all of the page, down to where whole squares end, instead of the first screen.
    """
    page.add_style_tag(content=_STYLE)
    page.evaluate("window.scrollTo(0, 0)")
    png = page.screenshot(animations="disabled", caret="hide", full_page=whole)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.crop((0, 0, picture.width, picture.height // (_SHRUNK * _BLOCK) * _SHRUNK * _BLOCK))
    small = picture.resize((picture.width // _SHRUNK, picture.height // _SHRUNK), Image.Resampling.BOX)
    return np.asarray(small, np.uint8)


def difference(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> tuple[float, float]:
    """Return how far two shrunk pages differ: the largest difference of any square, and the mean of all.

    found, wanted : (H, W, 3) uint8, H and W multiples of _BLOCK. Returns 0 ... 255; 255 where sizes differ. By one
    square in height they may: the end of a long page may lie on either side of one.
    """
    rows = min(len(found), len(wanted))
    if max(len(found), len(wanted)) - rows > _BLOCK or found.shape[1:] != wanted.shape[1:]:
        return 255.0, 255.0
    found, wanted = found[:rows], wanted[:rows]
    by_square = np.abs(_squares(found) - _squares(wanted)).max(axis=-1)
    return float(by_square.max()), float(by_square.mean())


def _squares(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    rows, columns, _ = picture.shape
    squares = picture.reshape(rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK, 3)
    return np.asarray(squares.mean(axis=(1, 3)), np.float64)


def is_alike(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> bool:
    """Whether two shrunk pages show the same things in the same places."""
    largest, mean = difference(found, wanted)
    return largest <= MOST_ANYWHERE and mean <= MOST_ON_AVERAGE


def path_of(state: str, view: str) -> Path:
    """Return where the reference of a state lies."""
    return FOLDER / f"{state.replace(' ', '-')}-{view}.png"


def read_reference(state: str, view: str) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8, what a state looked like."""
    return np.asarray(Image.open(path_of(state, view)).convert("RGB"), np.uint8)


def open_view(chromium: Browser, view: str) -> Page:
    """Return a page of a view's size and scheme, which `draw` can draw."""
    width, height, scheme = VIEWS[view]
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        bypass_csp=True,
    )
    return context.new_page()


def remake(chosen: list[str]) -> None:
    """Draw references anew: those of the chosen states, or all."""
    from tempfile import TemporaryDirectory

    from tests.browser.conftest import launch
    from tests.browser.states import STATES, opened_world

    FOLDER.mkdir(exist_ok=True)
    with launch() as chromium, TemporaryDirectory() as folder, opened_world(Path(folder), chromium) as world:
        for state in chosen or STATES:
            for view in VIEWS:
                page = open_view(chromium, view)
                STATES[state](page, world)
                Image.fromarray(draw(page, whole=state in WHOLE)).save(path_of(state, view), optimize=True)
                page.context.close()


if __name__ == "__main__":
    remake(sys.argv[1:])
