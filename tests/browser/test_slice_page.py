"""The viewer of a slice in Chromium: what it draws and says is what the server draws and says, whatever moves it."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Download, FilePayload, Page, expect

from model.export.lines import percent
from model.findings import lesion_areas
from model.phantom import phantom_png
from model.steps import THRESHOLDS, first_step
from tests.test_server import Server
from webapp.words import count


@pytest.fixture(scope="session")
def address(chromium: Browser, server: Server) -> str:
    """The address of a drawn slice with many lesions."""
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        phantom: FilePayload = {"name": "phantom.png", "mimeType": "image/png", "buffer": phantom_png("many")}
        page.set_input_files("#file", phantom)
        page.get_by_role("button", name="Find lesions").click()
        page.wait_for_selector("#viewer")
        return page.url


@pytest.fixture
def plain(chromium: Browser) -> Iterator[Page]:
    """A page without scripts."""
    with chromium.new_context(java_script_enabled=False) as context:
        yield context.new_page()


def open_viewer(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("#viewer[data-drawn]")


def drag_slider(page: Page, name: str, value: str) -> None:
    """Set a slider as a hand does, with the event that it sends."""
    page.locator(f"#{name}-slider").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )


def wait_until_drawn(page: Page, text: str) -> None:
    expect(page.locator("#viewer")).to_have_attribute("data-drawn", re.compile(re.escape(text)))


def figures_of(page: Page) -> dict[str, str | None]:
    return {
        str(place.get_attribute("data-figure")): place.text_content() for place in page.locator("[data-figure]").all()
    } | {"sentence": page.text_content("h1")}


def canvas_of(page: Page, name: str = "overlay") -> NDArray[np.uint8]:
    """(H, W, 3): what a canvas shows."""
    url = page.locator(f"#{name}").evaluate("canvas => canvas.toDataURL('image/png')")
    return picture_of(base64.b64decode(url.partition(",")[2]))


def picture_of(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.uint8)


def fetched(page: Page, address: str) -> bytes:
    response = page.request.get(address)
    assert response.status == 200
    return response.body()


def kept(download: Download) -> bytes:
    return download.path().read_bytes()


@pytest.mark.parametrize("threshold", ["0.01", "0.2", "0.37", "0.75", "0.99"])
def test_figures_follow_the_slider_and_are_those_of_the_server(
    threshold: str, address: str, page: Page, plain: Page
) -> None:
    open_viewer(page, address)
    drag_slider(page, "threshold", threshold)
    wait_until_drawn(page, f'"threshold":"{float(threshold):g}"')
    plain.goto(f"{address}?threshold={threshold}")
    assert figures_of(page) == figures_of(plain)
    told = json.loads(fetched(page, f"{address}/figures.json?threshold={threshold}"))
    assert page.text_content("h1") == told["sentence"]
    assert page.text_content('[data-figure="area"]') == f"{told['measurements']['lesion_area_px']:,} px"


def test_what_is_said_aloud_is_the_sentence_once_it_stays(address: str, page: Page) -> None:
    open_viewer(page, address)
    for threshold in ("0.3", "0.4", "0.9"):
        drag_slider(page, "threshold", threshold)
    wait_until_drawn(page, '"threshold":"0.9"')
    expect(page.locator("#spoken")).to_have_text(page.text_content("h1") or "")
    label = page.locator("#overlay").get_attribute("aria-label")
    assert label is not None
    assert label.endswith(page.text_content("h1") or "?")


@pytest.mark.parametrize("colours", ["viridis", "cividis"])
@pytest.mark.parametrize("view", ["overlay", "heat", "mask"])
def test_the_browser_draws_what_the_server_draws(view: str, colours: str, address: str, page: Page) -> None:
    options = f"threshold=0.3&opacity=0.8&colours={colours}&outline=0"
    open_viewer(page, f"{address}?view={view}&{options}")
    drawn = picture_of(fetched(page, f"{address}/{view}.png?{options}&bar=0"))
    difference = np.abs(canvas_of(page).astype(int) - drawn)
    assert difference.max() <= (1 if view == "overlay" else 0)


def test_the_outline_lies_around_the_lesions_and_can_be_left_out(address: str, page: Page) -> None:
    open_viewer(page, f"{address}?view=overlay")
    with_line = canvas_of(page)
    page.get_by_label("Outline").click()
    wait_until_drawn(page, '"outline":"0"')
    without = canvas_of(page)
    mask = picture_of(fetched(page, f"{address}/mask.png"))[..., 0] > 0
    changed = np.any(with_line != without, axis=-1)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0
    assert changed.sum() > 200
    assert not np.any(changed & (mask | ~near))


def test_each_colour_map_is_drawn_differently(address: str, page: Page) -> None:
    open_viewer(page, f"{address}?view=heat")
    drawn, stops = [], []
    for colours in ("viridis", "magma", "inferno", "cividis"):
        page.select_option("#colours", colours)
        wait_until_drawn(page, f'"colours":"{colours}"')
        drawn.append(canvas_of(page).tobytes())
        stops.append(page.locator("#legend stop").nth(4).get_attribute("stop-color"))
    assert len(set(drawn)) == len(set(stops)) == 4


def test_views_change_by_click_and_by_key(address: str, page: Page) -> None:
    open_viewer(page, address)
    for key, name in {"o": "Original", "v": "Overlay", "M": "Mask", "h": "Heat map", "s": "Side by side"}.items():
        page.keyboard.press(key)
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "true")
        expect(page.locator("[data-look][aria-current]")).to_have_count(1)
    for name, left, right in (("Original", True, False), ("Mask", False, True), ("Side by side", True, True)):
        page.get_by_role("link", name=name, exact=True).click()
        assert (page.is_visible("#left"), page.is_visible("#right")) == (left, right)


def test_by_keyboard_alone_the_threshold_moves(address: str, page: Page) -> None:
    open_viewer(page, address)
    names = []
    while "Threshold" not in names:
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"))
        assert len(names) < 40
    # The views come after it, as they do on the screen.
    assert "Overlay" not in names
    page.keyboard.press("ArrowRight")
    wait_until_drawn(page, '"threshold":"0.51"')
    page.keyboard.press("Tab")
    page.keyboard.type("0.3")
    page.keyboard.press("Enter")
    wait_until_drawn(page, '"threshold":"0.3"')


def test_keys_are_shown_and_can_be_switched_off(address: str, page: Page) -> None:
    open_viewer(page, address)
    page.keyboard.press("?")
    expect(page.get_by_text("side by side", exact=True)).to_be_visible()
    page.get_by_label("Single letters and signs are keys").uncheck()
    page.keyboard.press("m")
    page.reload()
    page.wait_for_selector("#viewer[data-drawn]")
    page.keyboard.press("m")
    expect(page.locator("#viewer")).to_have_attribute("data-view", "side")


def transforms(page: Page) -> list[str]:
    return [page.locator(f"#{name}").evaluate("canvas => canvas.style.transform") for name in ("original", "overlay")]


def middle_of(page: Page, name: str) -> tuple[float, float]:
    box = page.locator(f".frame:has(#{name})").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def written_address(page: Page) -> str:
    """The address, once the state that was changed last is in it."""
    # A timer that is set later, and waits longer, than the one that writes the address fires after it.
    address: str = page.evaluate("new Promise((done) => setTimeout(() => done(location.href), 250))")
    return address


def place_of(page: Page) -> tuple[float, float, float]:
    """Magnification and middle, from the address."""
    address = written_address(page)
    found = [re.search(rf"[?&]{name}=([\d.]+)", address) for name in ("zoom", "x", "y")]
    zoom, x, y = (
        default if match is None else float(match[1]) for match, default in zip(found, (1.0, 0.5, 0.5), strict=True)
    )
    return zoom, x, y


def test_both_pictures_zoom_and_move_together(address: str, page: Page) -> None:
    open_viewer(page, address)
    fitted = transforms(page)
    page.get_by_role("button", name="Zoom in").click()
    page.keyboard.press("+")
    assert place_of(page)[0] == pytest.approx(1.25**2, abs=0.01)
    x, y = middle_of(page, "overlay")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y - 20, steps=4)
    page.mouse.up()
    _, across, down = place_of(page)
    assert across > 0.52
    assert down > 0.51
    assert len(set(transforms(page))) == 1
    assert transforms(page) != fitted
    page.keyboard.press("0")
    assert transforms(page) == fitted
    assert place_of(page) == (1.0, 0.5, 0.5)


def test_the_wheel_with_control_zooms_where_it_points(address: str, page: Page) -> None:
    open_viewer(page, address)
    x, y = middle_of(page, "original")
    page.mouse.move(x + 100, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.mouse.move(0, 0)
    zoom, across, down = place_of(page)
    assert zoom > 1.2
    assert across > 0.52
    assert down == pytest.approx(0.5, abs=0.01)
    page.keyboard.press("Shift+ArrowLeft")
    assert place_of(page)[1] < across


def test_a_click_brings_its_place_to_the_middle(address: str, page: Page) -> None:
    open_viewer(page, f"{address}?zoom=4")
    x, y = middle_of(page, "overlay")
    page.mouse.click(x + 80, y)
    assert place_of(page)[1] > 0.53


def test_two_fingers_zoom(address: str, chromium: Browser) -> None:
    with chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        open_viewer(page, f"{address}?view=overlay")
        x, y = middle_of(page, "overlay")
        client = context.new_cdp_session(page)
        for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchMove", 80)):
            points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert place_of(page)[0] > 2.0


def test_an_address_opens_what_it_was_copied_from(address: str, page: Page, context: Any) -> None:
    open_viewer(page, address)
    page.keyboard.press("h")
    page.select_option("#colours", "inferno")
    drag_slider(page, "threshold", "0.42")
    drag_slider(page, "opacity", "0.25")
    page.get_by_label("Outline").uncheck()
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    page.keyboard.press("Shift+ArrowRight")
    copied = written_address(page)
    for part in ("view=heat", "colours=inferno", "threshold=0.42", "opacity=0.25", "outline=0", "zoom=", "x="):
        assert part in copied
    other = context.new_page()
    open_viewer(other, copied)
    drawn = page.locator("#viewer").get_attribute("data-drawn")
    assert other.locator("#viewer").get_attribute("data-drawn") == drawn
    assert other.input_value("#threshold") == "0.42"
    assert other.is_checked("#outline") is False
    scales = [re.findall(r"scale\((.*?)\)", shown.locator("#overlay").evaluate("c => c.style.transform"))
              for shown in (page, other)]  # fmt: skip
    assert float(scales[0][0]) == pytest.approx(float(scales[1][0]), abs=0.01)


def test_files_to_keep_are_those_on_the_screen(address: str, page: Page) -> None:
    open_viewer(page, address)
    drag_slider(page, "threshold", "0.2")
    page.select_option("#colours", "magma")
    wait_until_drawn(page, '"colours":"magma"')
    files = {}
    for name in ("Overlay PNG", "Mask PNG", "Measurements, JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        files[name] = kept(download.value)
    marked = int(np.count_nonzero(picture_of(files["Mask PNG"])[..., 0]))
    assert f"{marked:,} px" == page.text_content('[data-figure="area"]')
    assert files["Overlay PNG"] == fetched(page, f"{address}/overlay.png?threshold=0.2&colours=magma")
    assert json.loads(files["Measurements, JSON"])["measurements"]["lesion_area_px"] == marked


def test_without_scripts_a_button_shows_what_was_chosen(address: str, plain: Page) -> None:
    plain.goto(address)
    before = plain.text_content("h1")
    plain.fill("#threshold", "0.2")
    plain.fill("#opacity", "0.9")
    plain.select_option("#colours", "magma")
    plain.uncheck("#outline")
    plain.get_by_role("button", name="Show").click()
    assert plain.text_content("h1") != before
    assert plain.input_value("#threshold") == "0.2"
    assert not plain.is_checked("#outline")
    source = plain.get_attribute("#overlay", "src") or ""
    for part in ("threshold=0.2", "opacity=0.9", "colours=magma", "outline=0"):
        assert part in source
    plain.get_by_role("link", name="Heat map", exact=True).click()
    assert plain.input_value("#threshold") == "0.2"
    expect(plain.locator("#overlay")).to_have_attribute("src", re.compile(r"/heat\.png\?"))
    expect(plain.locator("#overlay")).to_have_js_property("naturalWidth", 512)
    assert not plain.is_visible("#left")


CONTROLS = """() => Array.from(document.querySelectorAll("main a, main button, main input, main select, main summary"))
    .filter((control) => control.checkVisibility())
    // What is ticked is ticked by its label too.
    .map((control) => control.type === "checkbox" ? control.closest("label") : control)
    .map((control) => [control.outerHTML, control.getBoundingClientRect()])
    .map(([name, box]) => [name, Math.min(box.width, box.height)])"""


def test_on_a_phone_nothing_overflows_and_controls_are_large(address: str, page: Page) -> None:
    open_viewer(page, address)
    page.keyboard.press("?")
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        controls = page.evaluate(CONTROLS)
        assert len(controls) > 15
        assert [(name, side) for name, side in controls if side < 44] == []


@pytest.mark.parametrize("width", [390, 320])
def test_on_a_phone_the_sliders_stand_right_under_the_picture(width: int, address: str, page: Page) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    open_viewer(page, address)
    ends = "ids => ids.map((id) => document.getElementById(id).getBoundingClientRect().bottom)"
    legend, threshold, opacity = page.evaluate(ends, ["legend", "threshold-slider", "opacity-slider"])
    assert legend < threshold < legend + 72
    assert threshold < opacity < legend + 128


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_printed_it_is_one_white_page_without_controls(scheme: str, address: str, page: Page) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_viewer(page, address)
    assert len(re.findall(rb"/Type /Page\b", page.pdf(format="A4"))) == 1
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for selector in ("#look", ".looks", "#keys", ".downloads"):
        expect(page.locator(selector)).to_be_hidden()
    for selector in ("#original", "#overlay", "#legend", "h1", ".panel dl"):
        expect(page.locator(selector)).to_be_visible()
    expect(page.get_by_text("Model groundglass")).to_be_visible()
    expect(page.get_by_text(re.compile(rf"^Result {address[-32:-26]}, read on \d{{4}}-\d\d-\d\d$"))).to_be_visible()


def test_figures_lead_to_what_they_mean(address: str, page: Page) -> None:
    for label in ("Share of the visible lung", "Number of lesions", "Lesion area", "Highest probability", "How sure"):
        page.goto(address)
        page.get_by_role("link", name=label, exact=True).click()
        expect(page.locator("dt:target")).to_be_visible()


def test_links_open_what_is_seen_elsewhere(address: str, page: Page) -> None:
    open_viewer(page, address)
    drag_slider(page, "threshold", "0.2")
    expect(page).to_have_url(re.compile(r"\?threshold=0.2$"))
    for name, view in (("Mask", "mask"), ("Why", "why")):
        href = page.get_by_role("link", name=name, exact=True).get_attribute("href") or ""
        assert href.endswith(f"?view={view}&threshold=0.2")


def png_of(values: NDArray[Any], filters: list[int]) -> bytes:
    """A gray PNG of which each line is filtered as told, by the book: https://www.w3.org/TR/png-3/#9Filters."""
    height, width = values.shape
    size = values.dtype.itemsize
    lines = values.astype(values.dtype.newbyteorder(">")).view(np.uint8).reshape(height, width * size).astype(int)
    packed = b""
    for row, kind in enumerate(filters):
        line, above = lines[row], lines[row - 1] if row else np.zeros(width * size, int)
        left, corner = (np.concatenate([np.zeros(size, int), part[:-size]]) for part in (line, above))
        guess = left + above - corner
        nearest = np.argmin([abs(guess - left), abs(guess - above), abs(guess - corner)], axis=0)
        guesses = [0 * line, left, above, (left + above) // 2, np.choose(nearest, [left, above, corner])]
        packed += bytes([kind]) + ((line - guesses[kind]) % 256).astype(np.uint8).tobytes()
    body = zlib.compress(packed)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * size, 0, 0, 0, 0)), (b"tEXt", b"a\0b")]
    chunks += [(b"IDAT", body[:20]), (b"IDAT", body[20:]), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


READ = """async (text) => {
    const { readPng } = await import("/static/png.js");
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const { width, height, values } = await readPng(bytes.buffer);
    return { width, height, values: [...values] };
}"""


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_files_are_read_by_every_filter(dtype: type, address: str, page: Page) -> None:
    page.goto(address)
    values = np.random.default_rng(5).integers(0, np.iinfo(dtype).max, (10, 7), dtype, endpoint=True)
    png = png_of(values, [4, 0, 1, 2, 3, 4, 3, 2, 1, 4])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), values)
    told = page.evaluate(READ, base64.b64encode(png).decode())
    assert (told["width"], told["height"]) == (7, 10)
    assert told["values"] == values.ravel().tolist()


def test_the_probabilities_of_the_server_are_read_in_full(address: str, page: Page) -> None:
    page.goto(address)
    png = fetched(page, f"{address}/probability.png")
    told = page.evaluate(READ, base64.b64encode(png).decode())
    assert told["values"] == np.asarray(Image.open(io.BytesIO(png))).ravel().tolist()


def test_every_threshold_cuts_where_the_server_cuts(address: str, page: Page) -> None:
    page.goto(address)
    thresholds = [*THRESHOLDS, 0.333, 0.999, 0.0001]
    told = page.evaluate(
        "async (all) => { const { firstStep } = await import('/static/measure.js'); return all.map(firstStep); }",
        thresholds,
    )
    assert told == [first_step(threshold) for threshold in thresholds]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.42, 0.6, 1.0])
def test_lesions_are_counted_as_the_server_counts_them(share: float, address: str, page: Page) -> None:
    page.goto(address)
    mask = np.random.default_rng(6).random((60, 70)) < share
    told = page.evaluate(
        """async ([mask, width, height]) => {
            const { lesionAreas } = await import("/static/measure.js");
            return lesionAreas(Uint8Array.from(mask), width, height);
        }""",
        [mask.astype(int).ravel().tolist(), 70, 60],
    )
    assert sorted(told) == sorted(lesion_areas(mask))


def test_figures_are_worded_as_the_server_words_them(address: str, page: Page) -> None:
    page.goto(address)
    shares = [0.0, 0.01, 0.049999, 0.05, 0.15, 0.25, 0.75, 1.25, 12.25, 12.75, 99.95, 100.0, 100 * 1 / 3]
    shares += np.random.default_rng(7).uniform(0, 100, 200).round(3).tolist()
    counts = [0, 7, 999, 1000, 12043, 1234567]
    told = page.evaluate(
        """async ([shares, counts]) => {
            const { percent, count } = await import("/static/words.js");
            return [shares.map(percent), counts.map(count)];
        }""",
        [shares, counts],
    )
    assert told == [[percent(share) for share in shares], [count(number) for number in counts]]
