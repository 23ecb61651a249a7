"""Every page and state: accessible, of the width of a phone, and as it was designed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.screens import VIEWS, WHOLE, difference, draw, is_alike, open_view, read_reference
from tests.browser.states import STATES, World, home

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module", params=["dark", "light"])
def shown(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in either scheme."""
    with chromium.new_context(color_scheme=request.param, viewport={"width": 1280, "height": 900}) as context:
        yield context.new_page()


@pytest.mark.parametrize("state", STATES)
def test_it_is_accessible(state: str, shown: Page, world: World) -> None:
    STATES[state](shown, world)
    found = Axe().run(shown, options={"runOnly": {"type": "tag", "values": WCAG}})
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 10


def test_axe_finds_what_is_wrong(shown: Page, world: World) -> None:
    STATES["empty"](shown, world)
    shown.evaluate("document.querySelector('label[for=file]').remove()")
    found = Axe().run(shown, options={"runOnly": {"type": "tag", "values": WCAG}})
    assert "label" in [violation["id"] for violation in found.response["violations"]]


CONTROLS = """() => Array.from(document.querySelectorAll("a, button, input, select, summary"))
    .filter((control) => control.checkVisibility() && !control.closest("svg") && !control.closest("p, dd"))
    .map((control) => (control.type === "checkbox" ? control.closest("label") : control))
    .map((control) => [control.outerHTML.slice(0, 120), control.getBoundingClientRect()])
    .map(([name, box]) => [name, Math.min(box.width, box.height)])"""
"""JavaScript: what can be clicked or typed in, links in running text apart, and its shorter side in pixels."""


@pytest.mark.parametrize("state", STATES)
def test_on_a_phone_nothing_overflows_and_targets_are_large(state: str, chromium: Browser, world: World) -> None:
    with chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True) as context:
        page = context.new_page()
        STATES[state](page, world)
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            controls = page.evaluate(CONTROLS)
            assert len(controls) >= 3
            assert [(name, side) for name, side in controls if side < 44] == []


ABOVE_WHAT_CAME_BEFORE = """() => {
    const stops = Array.from(document.querySelectorAll("main :is(a, button, input, select, summary, [tabindex])"))
        .filter((stop) => stop.checkVisibility() && stop.tabIndex >= 0 && stop.type !== "hidden");
    const boxes = stops.map((stop) => stop.getBoundingClientRect());
    const isAbove = (box, other) => box.bottom <= other.top && box.left < other.right;
    const wrong = stops.filter((_, place) => place > 0 && isAbove(boxes[place], boxes[place - 1]));
    return [stops.length, wrong.map((stop) => stop.outerHTML.slice(0, 120))];
}"""
"""JavaScript: how many stops Tab has, and those that stand above the one before, columns at the right apart."""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("state", ["done", "done volume", "read anyway"])
def test_tab_goes_down_the_page(state: str, width: int, chromium: Browser, world: World) -> None:
    # So high that nothing sticks to an edge.
    with chromium.new_context(viewport={"width": width, "height": 4000}) as context:
        page = context.new_page()
        STATES[state](page, world)
        stops, wrong = page.evaluate(ABOVE_WHAT_CAME_BEFORE)
        assert stops > 20
        assert wrong == []


def test_titles_tell_pages_apart(chromium: Browser, world: World) -> None:
    pages = ["empty", "help", "queued", "done", "done volume", "partly read", "failed", "expired"]
    with chromium.new_context() as context:
        page = context.new_page()
        titles = []
        for state in pages:
            STATES[state](page, world)
            titles.append(page.title())
    assert len(set(titles)) == len(pages)
    assert all("Groundglass" in title for title in titles)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("state", STATES)
def test_it_looks_as_designed(state: str, view: str, chromium: Browser, world: World) -> None:
    page = open_view(chromium, view)
    STATES[state](page, world)
    found = draw(page, whole=state in WHOLE)
    page.context.close()
    wanted = read_reference(state, view)
    assert is_alike(found, wanted), (
        f"differs by {difference(found, wanted)}; where that is meant: python -m tests.browser.screens '{state}'"
    )


CHANGES = {
    "a button is missing": "document.querySelector('#upload button').style.visibility = 'hidden'",
    "a phantom is missing": "document.querySelector('#examples button').style.visibility = 'hidden'",
    "another order": "document.querySelector('.narrow').prepend(document.getElementById('examples'))",
    "another background": "document.body.style.background = '#402020'",
    "another button colour": "document.querySelector('#upload button').style.background = '#f0b429'",
    "everything lower": "document.body.style.paddingTop = '48px'",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_comparison_sees_that(change: str, chromium: Browser, world: World) -> None:
    page = open_view(chromium, "wide-dark")
    page.goto(home(world.open))
    before = draw(page)
    page.evaluate(CHANGES[change])
    after = draw(page)
    page.context.close()
    assert not is_alike(after, before), difference(after, before)


FAR_DOWN = {
    "done": "document.querySelector('.downloads').style.visibility = 'hidden'",
    "done volume": "document.querySelector('.downloads').style.visibility = 'hidden'",
    "read anyway": "document.querySelector('.downloads').style.visibility = 'hidden'",
    "help": "document.getElementById('privacy').parentElement.style.visibility = 'hidden'",
}


@pytest.mark.parametrize("state", FAR_DOWN)
def test_the_comparison_sees_what_changes_far_down(state: str, chromium: Browser, world: World) -> None:
    assert set(FAR_DOWN) == set(WHOLE)
    page = open_view(chromium, "phone-light")
    STATES[state](page, world)
    first_screen, before = draw(page), draw(page, whole=True)
    page.evaluate(FAR_DOWN[state])
    after = draw(page, whole=True)
    assert is_alike(draw(page), first_screen)
    page.context.close()
    assert len(before) > 1.5 * len(first_screen)
    assert not is_alike(after, before), difference(after, before)


@pytest.mark.parametrize(
    "style",
    ["body { position: relative; left: 1px; top: 1px }", "* { -webkit-text-stroke: 0.3px }"],
    ids=["a pixel aside", "bolder letters"],
)
def test_the_comparison_overlooks(style: str, chromium: Browser, world: World) -> None:
    page = open_view(chromium, "wide-dark")
    page.goto(home(world.open))
    before = draw(page)
    page.add_style_tag(content=style)
    after = draw(page)
    page.context.close()
    assert is_alike(after, before), difference(after, before)
