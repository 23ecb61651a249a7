"""The page of a volume in Chromium: every way to go through the slices, without scripts too; phone and paper."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import KINDS, Result, upload
from tests.browser.test_slice_page import drag_slider
from tests.test_server import Server
from tests.webapp.scans import SIDE, nifti

START = 2


def assert_shows(page: Page, number: int, *, scripts: bool = True) -> None:
    """Assert that pictures, line, chart and fields are all of one slice, and that the pictures are there."""
    for kind in ("original", "overlay"):
        picture = page.locator(f"#{kind}")
        if scripts:
            # The browser draws them itself, from the numbers of the slice.
            expect(picture).to_have_attribute("data-slice", str(number))
            expect(picture).to_have_js_property("width", SIDE)
        else:
            expect(picture).to_have_attribute("src", re.compile(rf"/slices/{number}/{kind}\.png\?"))
            expect(picture).to_have_js_property("complete", True)
            expect(picture).to_have_js_property("naturalWidth", SIDE)
    line = page.locator("tbody tr").nth(number - 1).locator("td").first
    expect(page.locator("#shown")).to_have_text(line.text_content() or "")
    expect(page.locator("#at")).to_have_text(str(number))
    expect(page.locator("#slice")).to_have_value(str(number))
    expect(page.locator("#here")).to_have_attribute("x1", str(10 * number - 5))
    expect(page.locator("#chart a").nth(number - 1)).to_have_class("here")
    expect(page.locator("#chart a.here")).to_have_count(1)
    expect(page).to_have_url(re.compile(rf"[?&]slice={number}(&|$)"))


def type_number(page: Page, number: int) -> None:
    page.fill("#slice", str(number))
    page.press("#slice", "Enter")


def turn_wheel(page: Page, notches: int) -> None:
    page.hover("#overlay")
    page.mouse.wheel(0, -100 * notches)


def pull_slider(page: Page) -> None:
    box = page.locator("#slider").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)


WAYS: dict[str, tuple[Callable[[Page], None], int]] = {
    "right arrow": (lambda page: page.keyboard.press("ArrowRight"), 3),
    "left arrow": (lambda page: page.keyboard.press("ArrowLeft"), 1),
    "wheel up": (lambda page: turn_wheel(page, 1), 3),
    "wheel down": (lambda page: turn_wheel(page, -1), 1),
    "slider": (pull_slider, 4),
    "end key in the slider": (lambda page: page.press("#slider", "End"), 4),
    "bar": (lambda page: page.locator("#chart a").nth(3).click(), 4),
    "typed number": (lambda page: type_number(page, 4), 4),
    "typed number too high": (lambda page: type_number(page, 99), 4),
    "plus": (lambda page: page.get_by_label("Next slice").click(), 3),
    "minus": (lambda page: page.get_by_label("Previous slice").click(), 1),
}


def test_the_progress_page_leads_to_the_result(result: Result) -> None:
    assert result.headings[0] in ("Waiting to be read", "Reading the slices")
    assert result.headings[1].startswith("Lesions take ")
    assert re.search(r"/results/[0-9a-f]{32}$", result.address)


@pytest.mark.parametrize("way", WAYS)
def test_it_goes_through_the_slices(way: str, result: Result, page: Page) -> None:
    go, number = WAYS[way]
    page.goto(f"{result.address}?slice={START}")
    assert_shows(page, START)
    before = page.inner_text("#shown")
    go(page)
    assert_shows(page, number)
    expect(page.locator("#slider")).to_have_value(str(number))
    assert page.inner_text("#shown") != before


def test_the_overlay_to_keep_is_that_of_the_slice(result: Result, page: Page) -> None:
    page.goto(f"{result.address}?slice={START}")
    assert_shows(page, START)
    page.keyboard.press("ArrowRight")
    with page.expect_download() as download:
        page.click("#keep")
    assert download.value.suggested_filename.endswith("-0003-overlay.png")


@pytest.mark.parametrize("threshold", ["0.2", "0.9"])
def test_totals_chart_and_slices_follow_the_threshold(threshold: str, result: Result, page: Page) -> None:
    page.goto(f"{result.address}?slice={START}")
    assert_shows(page, START)
    before = page.inner_text("h1")
    drag_slider(page, "threshold", threshold)
    expect(page.locator("#viewer")).to_have_attribute("data-told", threshold)
    told = page.request.get(f"{result.address}/figures.json?threshold={threshold}").json()
    assert page.inner_text("h1") == told["sentence"] != before
    for label, value in told["lines"]:
        expect(page.locator(f'[data-line="{label}"]')).to_have_text(value)
    expect(page.locator("#shown")).to_have_text(told["slices"][START - 1])
    expect(page.locator("#chart-says")).to_have_text(told["chart_says"])
    heights = [float(bar.get_attribute("height") or "") for bar in page.locator("#chart .bar").all()]
    assert heights == told["chart"]
    expect(page.locator(".panel [data-when-moved]").first).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#shown")).to_have_text(told["slices"][START])
    with page.expect_download() as download:
        page.click("#keep")
    options = f"threshold={threshold}&download=1"
    expected = page.request.get(f"{result.address}/slices/{START + 1}/overlay.png?{options}").body()
    assert download.value.path().read_bytes() == expected


def test_an_address_opens_slice_and_view(result: Result, page: Page) -> None:
    page.goto(f"{result.address}?slice={START}")
    assert_shows(page, START)
    page.keyboard.press("m")
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Zoom in").click()
    expect(page).to_have_url(re.compile(r"view=mask&zoom=1.25&slice=3$"))
    page.reload()
    expect(page.locator("#overlay")).to_have_attribute("data-slice", "3")
    expect(page.locator("#viewer")).to_have_attribute("data-view", "mask")
    expect(page.locator("#magnified")).to_have_text("125 %")


def test_each_picture_has_its_sides_and_one_has_the_legend(result: Result, page: Page) -> None:
    page.goto(result.address)
    assert_shows_pictures(page)
    for kind in ("original", "overlay"):
        picture = page.locator(f".slice:has(#{kind})")
        middle = box_of(page, f"#{kind}")["x"] + box_of(page, f"#{kind}")["width"] / 2
        for side, letter, is_left in (("right", "R", True), ("left", "L", False)):
            expect(picture.locator(f".side.{side}")).to_have_text(letter)
            assert (box_of(page, f".slice:has(#{kind}) .side.{side}")["x"] < middle) == is_left
    expect(page.locator(".legend")).to_be_visible()


def test_pixels_that_are_not_square_are_drawn_in_proportion(chromium: Browser, server: Server) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        upload(page, server, nifti("one", spacing_mm=(2.5, 3.75, 8.0)))
        for kind in ("original", "overlay"):
            expect(page.locator(f"#{kind}")).to_have_js_property("height", SIDE)
            for height in (900, 300):
                page.set_viewport_size({"width": 1280, "height": height})
                box = box_of(page, f"#{kind}")
                assert box["width"] > 100
                assert box["height"] == pytest.approx(1.5 * box["width"], rel=0.01)


def box_of(page: Page, selector: str) -> dict[str, float]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return {"x": box["x"], "width": box["width"], "height": box["height"]}


def test_without_scripts_links_work_and_the_progress_page_asks_again(chromium: Browser, server: Server) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        address = upload(page, server).address
        expect(page.locator("#slider")).to_have_count(0)
        page.goto(f"{address}?slice={START}")
        page.get_by_label("Next slice").click()
        assert_shows(page, 3, scripts=False)
        page.locator("#chart a").nth(3).click()
        assert_shows(page, 4, scripts=False)
        page.fill("#slice", "1")
        page.get_by_role("button", name="Show").click()
        assert_shows(page, 1, scripts=False)
        page.get_by_text("All slices as a table").click()
        page.get_by_role("link", name="2", exact=True).click()
        assert_shows(page, 2, scripts=False)
        page.fill("#threshold", "0.2")
        page.get_by_role("button", name="Show").click()
        assert_shows(page, 2, scripts=False)
        expect(page.locator(".panel [data-when-moved]").first).to_be_visible()


CONTROLS = """() => Array.from(document.querySelectorAll("a, button, input, select, summary"))
    // A bar of the chart is as wide as there is room; slider and fields lead to the same slices.
    .filter((control) => control.checkVisibility() && !control.closest("svg"))
    // What is ticked is ticked by its label too.
    .map((control) => control.type === "checkbox" ? control.closest("label") : control)
    .map((control) => [control.outerHTML, control.getBoundingClientRect()])
    .map(([name, box]) => [name, Math.min(box.width, box.height)])"""
"""JavaScript: what can be clicked or typed in, and its shorter side in pixels."""


def test_on_a_phone_nothing_overflows_and_controls_are_large(result: Result, page: Page) -> None:
    page.goto(result.address)
    page.get_by_text("All slices as a table").click()
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        controls = page.evaluate(CONTROLS)
        assert len(controls) > 10
        assert [(name, side) for name, side in controls if side < 44] == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_printed_it_is_one_white_page_without_controls(scheme: str, result: Result, page: Page) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(result.address)
    assert_shows_pictures(page)
    assert len(re.findall(rb"/Type /Page\b", page.pdf(format="A4"))) == 1
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for selector in ("#stepper", ".downloads", "details", "header a:not(.name)"):
        expect(page.locator(selector).first).to_be_hidden()
    for selector in ("#original", "#overlay", ".legend", "#shown", "#chart", ".panel dl"):
        expect(page.locator(selector)).to_be_visible()
    expect(page.get_by_text("Model groundglass")).to_be_visible()
    told = re.compile(rf"^Result {result.address[-32:-26]}, read on \d{{4}}-\d\d-\d\d$")
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.get_by_text(f"{len(KINDS)} slices × {SIDE} rows × {SIDE} columns")).to_be_visible()


def assert_shows_pictures(page: Page) -> None:
    for kind in ("original", "overlay"):
        expect(page.locator(f"#{kind}")).to_have_js_property("width", SIDE)


def test_paging_fast_writes_the_address_once_it_stays(result: Result, page: Page) -> None:
    page.add_init_script("""
        window.written = 0;
        const write = history.replaceState.bind(history);
        history.replaceState = (...what) => { window.written += 1; write(...what); };
    """)
    page.goto(f"{result.address}?slice={START}")
    assert_shows(page, START)
    page.evaluate("""() => {
        for (let press = 0; press < 41; press++) {
            const key = press % 2 ? "ArrowLeft" : "ArrowRight";
            document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        }
    }""")
    assert_shows(page, START + 1)
    assert page.evaluate("window.written") == 1


def test_a_browser_that_refuses_to_write_the_address_shows_the_slice_all_the_same(result: Result, page: Page) -> None:
    page.add_init_script(
        """history.replaceState = () => {
            document.documentElement.dataset.refused = "yes";
            throw new DOMException("often", "SecurityError");
        };"""
    )
    page.goto(f"{result.address}?slice={START}")
    assert_shows(page, START)
    page.keyboard.press("ArrowRight")
    for kind in ("original", "overlay"):
        expect(page.locator(f"#{kind}")).to_have_attribute("data-slice", str(START + 1))
    expect(page.locator("#slice")).to_have_value(str(START + 1))
    expect(page.locator("html")).to_have_attribute("data-refused", "yes")


def test_links_open_what_is_seen_elsewhere(result: Result, page: Page) -> None:
    page.goto(f"{result.address}?slice={START}")
    assert_shows(page, START)
    drag_slider(page, "threshold", "0.2")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"threshold=0.2&slice=3$"))
    page.get_by_text("All slices as a table").click()
    for name, slice_, view in (("Mask", 3, "view=mask&"), ("Why", 3, "view=why&"), ("4", 4, ""), ("Next slice", 4, "")):
        link = page.get_by_role("link", name=name, exact=len(name) < 5)
        assert (link.get_attribute("href") or "").endswith(f"?{view}threshold=0.2&slice={slice_}")
    assert (page.locator("#chart a").first.get_attribute("href") or "").endswith("?threshold=0.2&slice=1")


def test_without_the_server_the_page_stays_and_says_what_is_missing(result: Result, chromium: Browser) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{result.address}?slice=1")
        assert_shows(page, 1)
        drag_slider(page, "opacity", "0.3")
        page.wait_for_load_state("networkidle")
        context.set_offline(True)
        drag_slider(page, "threshold", "0.2")
        expect(page.locator("#trouble")).to_contain_text("The figures are still those of threshold 0.5")
        page.press("#slider", "End")
        expect(page.locator("#trouble")).to_contain_text("Slice 4 could not be loaded")
        assert_shows(page, 1)
        expect(page.locator("#opacity")).to_have_value("0.3")
        context.set_offline(False)
        drag_slider(page, "threshold", "0.3")
        expect(page.locator("#viewer")).to_have_attribute("data-told", "0.3")
        page.press("#slider", "End")
        assert_shows(page, 4)
        expect(page.locator("#trouble")).to_be_empty()


def test_figures_lead_to_what_they_mean(result: Result, page: Page) -> None:
    page.goto(result.address)
    for label in ("Share of the lungs in this scan", "Severity", "Lesion volume", "Lesions", "How sure"):
        page.goto(result.address)
        page.get_by_role("link", name=label, exact=True).click()
        expect(page.locator("dt:target")).to_be_visible()
