"""The view that explains a call, in Chromium: drawn by the server, said where it cannot be, asked for again."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Result
from tests.browser.test_slice_page import address as address
from tests.browser.test_slice_page import canvas_of, drag_slider, fetched, open_viewer, picture_of
from tests.browser.test_slice_page import plain as plain
from tests.webapp.scans import SIDE

NOTHING = "No lesion is called at the threshold 0.99, so there is nothing to explain."


@pytest.fixture
def shown(chromium: Browser) -> Iterator[Page]:
    """A page that may be answered with errors."""
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context.new_page()


def wait_until_explained(page: Page, options: str) -> None:
    expect(page.locator("#viewer")).to_have_attribute("data-explained", re.compile(re.escape(options)), timeout=30_000)


def assert_shows(page: Page, png: bytes) -> None:
    assert np.abs(canvas_of(page).astype(int) - picture_of(png)).max() <= 1


def assert_shows_the_slice_alone(page: Page) -> None:
    shown = canvas_of(page)
    assert shown.shape[0] > 0
    assert (shown == shown[..., :1]).all()


def test_it_shows_what_the_server_explains(address: str, page: Page) -> None:
    open_viewer(page, address)
    page.get_by_role("link", name="Why", exact=True).click()
    wait_until_explained(page, "why.png?threshold=0.5")
    assert_shows(page, fetched(page, f"{address}/why.png"))
    assert "what made the network" in (page.get_attribute("#overlay", "aria-label") or "")
    expect(page.locator("#reason")).to_be_empty()
    expect(page.locator('[data-caption="why"]')).to_be_visible()


def test_it_follows_the_threshold(address: str, page: Page) -> None:
    open_viewer(page, f"{address}?view=why")
    wait_until_explained(page, "threshold=0.5")
    drag_slider(page, "threshold", "0.2")
    expect(page.locator("#reason")).to_contain_text("Being explained")
    wait_until_explained(page, "threshold=0.2")
    assert_shows(page, fetched(page, f"{address}/why.png?threshold=0.2"))


def test_the_picture_that_came_with_the_page_is_not_computed_again(address: str, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/why.png" in request.url else None)
    open_viewer(page, f"{address}?view=why")
    wait_until_explained(page, "threshold=0.5")
    assert asked == [f"{address}/why.png?threshold=0.5"]


def test_where_nothing_is_called_it_says_so_and_goes_on(address: str, shown: Page) -> None:
    open_viewer(shown, f"{address}?view=why")
    wait_until_explained(shown, "threshold=0.5")
    drag_slider(shown, "threshold", "0.99")
    expect(shown.locator("#reason")).to_contain_text(NOTHING)
    expect(shown.locator('[data-caption="why"]')).to_be_hidden()
    expect(shown.get_by_role("button", name="Try again")).to_have_count(0)
    assert_shows_the_slice_alone(shown)
    # A repaint leaves it.
    drag_slider(shown, "opacity", "0.3")
    expect(shown.locator("#viewer")).to_have_attribute("data-drawn", re.compile('"opacity":"0.3"'))
    expect(shown.locator("#reason")).to_contain_text(NOTHING)
    assert "what made the network" not in (shown.get_attribute("#overlay", "aria-label") or "")
    drag_slider(shown, "threshold", "0.5")
    wait_until_explained(shown, "threshold=0.5")
    expect(shown.locator("#reason")).to_be_empty()


def answer_first(page: Page, status: int, headers: dict[str, str] | None = None) -> list[str]:
    """Have the first request for an explanation refused, and the others go on; returns what is asked for."""
    asked: list[str] = []
    told = {"content_type": "application/problem+json", "body": '{"detail": "Others are being explained."}'}

    def handle(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(status=status, headers={**(headers or {}), "Content-Type": told["content_type"]},
                          body=told["body"])  # fmt: skip
        else:
            route.continue_()

    page.route("**/why.png*", handle)
    return asked


def test_a_busy_server_is_asked_again_when_it_said(address: str, shown: Page) -> None:
    asked = answer_first(shown, 503, {"Retry-After": "1"})
    open_viewer(shown, address)
    shown.keyboard.press("w")
    expect(shown.locator("#reason")).to_contain_text("Others are being explained. It is asked for again in 1 s.")
    wait_until_explained(shown, "threshold=0.5")
    assert len(asked) == 2


def test_after_a_failure_one_can_try_again(address: str, shown: Page) -> None:
    asked = answer_first(shown, 500)
    open_viewer(shown, address)
    shown.keyboard.press("w")
    expect(shown.locator("#reason")).to_contain_text("Others are being explained.")
    assert len(asked) == 1
    shown.get_by_role("button", name="Try again").click()
    wait_until_explained(shown, "threshold=0.5")


def test_after_a_failure_it_is_asked_for_anew_when_it_is_looked_at_again(address: str, shown: Page) -> None:
    answer_first(shown, 500)
    open_viewer(shown, address)
    shown.keyboard.press("w")
    expect(shown.locator("#reason")).to_contain_text("Others are being explained.")
    shown.keyboard.press("o")
    expect(shown.locator("#reason")).to_be_empty()
    shown.keyboard.press("w")
    wait_until_explained(shown, "threshold=0.5")


def test_a_server_that_is_away_is_told(address: str, shown: Page) -> None:
    shown.route("**/why.png*", lambda route: route.abort())
    open_viewer(shown, address)
    shown.keyboard.press("w")
    expect(shown.locator("#reason")).to_contain_text("the server does not answer")
    expect(shown.get_by_role("button", name="Try again")).to_be_visible()


def test_each_slice_of_a_volume_is_explained(result: Result, shown: Page) -> None:
    open_viewer(shown, f"{result.address}?view=why&slice=3")
    wait_until_explained(shown, "/slices/3/why.png?threshold=0.5")
    assert canvas_of(shown).shape == (SIDE, SIDE, 3)
    assert_shows(shown, fetched(shown, f"{result.address}/slices/3/why.png"))
    shown.keyboard.press("ArrowLeft")
    wait_until_explained(shown, "/slices/2/why.png?threshold=0.5")
    assert_shows(shown, fetched(shown, f"{result.address}/slices/2/why.png"))
    drag_slider(shown, "threshold", "0.99")
    shown.press("#slider", "Home")
    expect(shown.locator("#reason")).to_contain_text(NOTHING)
    assert_shows_the_slice_alone(shown)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_the_server_says_where_nothing_is_called(
    scripts: bool, address: str, result: Result, chromium: Browser
) -> None:
    with chromium.new_context(java_script_enabled=scripts) as context:
        page = context.new_page()
        for opened in (f"{address}?view=why&threshold=0.99", f"{result.address}?view=why&slice=1&threshold=0.99"):
            page.goto(opened)
            expect(page.locator("#reason")).to_contain_text(NOTHING)
            expect(page.locator('[data-caption="why"]')).to_be_hidden()


def test_without_scripts_the_picture_is_the_explanation(address: str, result: Result, plain: Page) -> None:
    plain.goto(address)
    plain.get_by_role("link", name="Why", exact=True).click()
    assert plain.get_attribute("#overlay", "src") == f"{address[address.index('/results') :]}/why.png?threshold=0.5"
    expect(plain.locator("#overlay")).to_have_js_property("naturalWidth", 512)
    expect(plain.locator('[data-caption="why"]')).to_be_visible()
    plain.goto(f"{result.address}?slice=3&view=why&threshold=0.4")
    assert (plain.get_attribute("#overlay", "src") or "").endswith("/slices/3/why.png?threshold=0.4")
    expect(plain.locator("#overlay")).to_have_js_property("naturalWidth", SIDE)
    expect(plain.locator("#reason")).to_be_empty()
