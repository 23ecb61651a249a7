"""The form in Chromium: every way to send something, every format, and who may see what came of it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

from model.phantom import EXAMPLES, draw_phantom, phantom_png
from tests.browser.states import World, home, named, picture, send, send_phantom, text, volume
from tests.test_server import start, stop
from tests.volume.written import write_series
from tests.webapp.scans import hounsfield, zipped

SHOWN = "main h1"


def encoded(kind: str) -> bytes:
    """A drawn slice in a format of Pillow's."""
    buffer = io.BytesIO()
    Image.fromarray(draw_phantom(EXAMPLES["many"], seed=5)).save(buffer, kind)
    return buffer.getvalue()


def series(folder: Path, *kinds: str) -> dict[str, bytes]:
    """A drawn series as DICOM files."""
    return {source.name: source.path.read_bytes() for source in write_series(folder, hounsfield(*kinds))}


FORMATS: dict[str, Callable[[Path], list[FilePayload]]] = {
    "PNG": lambda folder: [named("a.png", encoded("PNG"))],
    "JPEG": lambda folder: [named("a.jpg", encoded("JPEG"))],
    "TIFF": lambda folder: [named("a.tif", encoded("TIFF"))],
    "BMP": lambda folder: [named("a.bmp", encoded("BMP"))],
    "one DICOM file": lambda folder: [named(name, data) for name, data in series(folder, "many").items()],
    "DICOM files": lambda folder: [named(name, data) for name, data in series(folder, "one", "many").items()],
    "DICOM zip": lambda folder: [named("series.zip", zipped(series(folder, "one", "many")))],
    "NIfTI": lambda folder: [volume()],
}


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_leads_to_its_result(kind: str, page: Page, world: World, tmp_path: Path) -> None:
    send(page, world.open, *FORMATS[kind](tmp_path))
    expect(page.locator(SHOWN)).to_have_text(re.compile("^Lesions (cover|take) .* %"))


@pytest.fixture
def plain(chromium: Browser) -> Page:
    """A page without scripts."""
    return chromium.new_context(java_script_enabled=False).new_page()


def test_without_scripts_a_slice_is_sent(plain: Page, world: World) -> None:
    send(plain, world.open, picture("a.png", "many"))
    expect(plain.locator(SHOWN)).to_have_text(re.compile("^Lesions cover"))
    plain.context.close()


def test_without_scripts_a_phantom_is_read(plain: Page, world: World) -> None:
    send_phantom(plain, world.open, "one lesion")
    expect(plain.locator(SHOWN)).to_have_text(re.compile("in 1 place"))
    plain.context.close()


def test_without_scripts_several_pictures_are_sent(plain: Page, world: World) -> None:
    send(plain, world.open, picture("a.png", "many"), picture("b.png", "none"))
    expect(plain.locator(SHOWN)).to_have_text("Lesions were found in 1 of 2 pictures.")
    plain.context.close()


def test_without_scripts_the_way_to_paste_is_not_told(plain: Page, world: World) -> None:
    plain.goto(home(world.open))
    expect(plain.locator("#paste")).to_be_hidden()
    plain.context.close()


def test_a_copied_picture_is_pasted(context: BrowserContext, page: Page, world: World) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(home(world.open))
    expect(page.locator("#paste")).to_be_visible()
    page.evaluate(
        """async (text) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const png = new Blob([bytes], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
        }""",
        base64.b64encode(phantom_png("many", seed=5)).decode(),
    )
    page.keyboard.press("Control+V")
    page.wait_for_url(re.compile("/results/"), timeout=60_000)
    expect(page.locator(SHOWN)).to_have_text(re.compile("^Lesions cover"))


DROP = """([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const dropped = new DataTransfer();
    dropped.items.add(new File([bytes], name));
    return dropped;
}"""
"""JavaScript: what a file manager hands over."""


def test_a_dropped_file_is_sent(page: Page, world: World) -> None:
    page.goto(home(world.open))
    content = base64.b64encode(phantom_png("many", seed=5)).decode()
    dropped = page.evaluate_handle(DROP, ["a.png", content])
    page.dispatch_event("#drop", "dragover", {"dataTransfer": dropped})
    expect(page.locator("#drop")).to_have_class("drop over")
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    page.wait_for_url(re.compile("/results/"), timeout=60_000)
    expect(page.locator(SHOWN)).to_have_text(re.compile("^Lesions cover"))


def test_a_file_dropped_beside_the_zone_does_not_lead_away(page: Page, world: World) -> None:
    page.goto(home(world.open))
    dropped = page.evaluate_handle(DROP, ["a.png", "AAAA"])
    page.dispatch_event("footer", "drop", {"dataTransfer": dropped})
    expect(page).to_have_url(home(world.open))
    expect(page.locator("#status")).to_be_hidden()


def test_a_file_over_the_limit_is_not_sent(page: Page, world: World) -> None:
    page.goto(home(world.open))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.set_input_files("#file", [named("large.nii", bytes(2_500_000))])
    page.get_by_role("button", name="Find lesions").click()
    expect(page.locator("#message")).to_have_text("The file has 2.5 MB; at most 2 MB are taken.")
    expect(page.locator("#file")).to_have_attribute("aria-invalid", "true")
    assert "message" in (page.locator("#file").get_attribute("aria-describedby") or "").split()
    assert "POST" not in sent


WATCH = """
const meanwhile = document.getElementById("meanwhile");
new MutationObserver(() => window.noteMeanwhile(meanwhile.textContent))
  .observe(meanwhile, { childList: true, characterData: true, subtree: true });
"""


def test_progress_tells_bytes_and_then_the_seconds_that_slices_took(chromium: Browser, world: World) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        # Each text is noted as it is set: one that is looked for from time to time is gone where the answer is fast.
        told: list[str] = []
        page.expose_function("noteMeanwhile", lambda text: told.append(text))
        page.goto(home(world.open))
        page.evaluate(WATCH)
        assert float(page.locator("#upload").get_attribute("data-seconds") or 0) > 0
        slow = context.new_cdp_session(page)
        slow.send("Network.enable")
        throttled = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 300_000}
        slow.send("Network.emulateNetworkConditions", throttled)
        noise = np.random.default_rng(1).integers(0, 255, (1000, 1000), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "PNG")
        page.set_input_files("#file", [named("a.png", buffer.getvalue())])
        page.get_by_role("button", name="Find lesions").click()
        page.wait_for_url(re.compile("/results/"), timeout=60_000)
        sent, *_ = [number for number, text in enumerate(told) if re.match(r"0\.[1-9] MB of 1\.\d MB$", text)]
        assert re.match(r"The last slices took \d+\.\d s each; \d+ s so far\.", told[-1])
        assert sent < len(told) - 1


def test_a_threshold_that_is_none_is_told_at_its_field(page: Page, world: World) -> None:
    page.goto(home(world.open))
    page.get_by_text("Options", exact=True).click()
    page.fill("#threshold", "2")
    page.set_input_files("#file", [picture("a.png", "one")])
    page.get_by_role("button", name="Find lesions").click()
    expect(page.locator("#threshold")).to_be_focused()
    expect(page.locator("#threshold")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#threshold")).to_have_accessible_description(
        "The threshold must be a number above 0 and below 1."
    )
    page.fill("#threshold", "0.4")
    page.get_by_role("button", name="Find lesions").click()
    page.wait_for_url(re.compile("/results/"), timeout=60_000)


def test_options_are_closed_until_they_are_asked_for(page: Page, world: World) -> None:
    page.goto(home(world.open))
    expect(page.locator("#threshold")).to_be_hidden()
    page.get_by_text("Options", exact=True).click()
    expect(page.locator("#threshold")).to_have_value("0.5")


def test_where_the_queue_is_full_it_counts_down_and_sends_again(chromium: Browser, world: World) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(home(world.held))
        page.set_input_files("#file", [volume()])
        page.get_by_role("button", name="Find lesions").click()
        expect(page.locator("#come-back")).to_have_text(re.compile(r"^Come back in [45]\d s\.$"))
        before = page.locator("#come-back").text_content() or ""
        expect(page.locator("#come-back")).not_to_have_text(before, timeout=5_000)
        with page.expect_response(lambda response: response.request.method == "POST") as again:
            page.get_by_role("button", name="Send again").click()
        assert again.value.status == 503
        expect(page.locator("#message")).to_contain_text("the queue is full")


def test_without_scripts_a_full_queue_is_told_too(plain: Page, world: World) -> None:
    plain.goto(home(world.held))
    plain.set_input_files("#file", [volume()])
    plain.get_by_role("button", name="Find lesions").click()
    expect(plain.locator(SHOWN)).to_have_text("The server is busy")
    expect(plain.locator("#come-back")).to_have_text("Come back in 60 s.")
    plain.context.close()


def test_where_the_network_is_missing_nothing_can_be_sent(page: Page, world: World) -> None:
    page.goto(home(world.offline))
    expect(page.get_by_role("alert")).to_contain_text("cannot read slices now")
    expect(page.locator("#file")).to_be_disabled()
    for button in page.get_by_role("button").all():
        expect(button).to_be_disabled()


def test_after_the_way_back_another_file_can_be_sent(page: Page, world: World) -> None:
    first = send(page, world.open, picture("a.png", "many"))
    page.go_back()
    expect(page.get_by_role("button", name="Find lesions")).to_be_enabled()
    expect(page.locator("#status")).to_be_hidden()
    page.set_input_files("#file", [picture("b.png", "one")])
    page.get_by_role("button", name="Find lesions").click()
    page.wait_for_url(re.compile("/results/"), timeout=60_000)
    assert page.url != first


HOSTILE = '<img src=x onerror="document.title=1">.png'


def test_a_hostile_name_is_text_on_every_page(page: Page, world: World) -> None:
    for files in ([picture(HOSTILE, "many")], [picture(HOSTILE, "many"), text(HOSTILE)]):
        send(page, world.open, *files)
        expect(page.get_by_text(HOSTILE).first).to_be_visible()
        expect(page.locator("img[onerror]")).to_have_count(0)
        assert page.title() != "1"


def test_two_browsers_do_not_see_each_others_results(chromium: Browser, world: World) -> None:
    with chromium.new_context() as one, chromium.new_context() as other:
        mine, theirs = one.new_page(), other.new_page()
        address = send_phantom(mine, world.open, "many")
        result_id = address.rsplit("/", 1)[1]
        assert re.fullmatch("[0-9a-f]{32}", result_id)
        send_phantom(theirs, world.open, "no lesion")
        for path in ("", "help", "results", "results/", "jobs", "jobs/", theirs.url.removeprefix(home(world.open))):
            theirs.goto(home(world.open) + path)
            assert result_id not in theirs.content()
        guessed = address[:-1] + ("0" if address[-1] != "0" else "1")
        for path in (guessed, f"{guessed}/overlay.png"):
            response = theirs.goto(path)
            assert response is not None
            assert response.status == 404
        theirs.goto(guessed)
        expect(theirs.locator(SHOWN)).to_have_text("This result is gone")


def test_a_result_is_gone_after_its_time(chromium: Browser, tmp_path: Path) -> None:
    server = start(tmp_path, WEB_CONCURRENCY="1", GROUNDGLASS_RESULT_MINUTES="0.1")
    try:
        with chromium.new_context() as context:
            page = context.new_page()
            address = send_phantom(page, server, "one lesion")
            expect(page.locator(SHOWN)).to_have_text(re.compile("in 1 place"))

            def assert_gone() -> None:
                page.reload()
                assert page.inner_text(SHOWN) == "This result is gone"

            wait_until(assert_gone, page)
            response = page.goto(f"{address}/overlay.png")
            assert response is not None
            assert response.status == 404
    finally:
        stop(server)


def wait_until(check: Callable[[], None], page: Page, tries: int = 60) -> None:
    """Try again and again until nothing is asserted any more."""
    for left in reversed(range(tries)):
        try:
            check()
        except AssertionError:
            if not left:
                raise
            page.wait_for_timeout(500)
        else:
            return


FOCUS = """() => {
    const style = getComputedStyle(document.activeElement);
    const what = document.activeElement;
    return [what.id || what.textContent.trim(), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
}"""
"""JavaScript: what has the focus, and whether that is seen."""


def test_with_the_keyboard_alone_from_the_form_to_a_file(page: Page, world: World) -> None:
    page.goto(home(world.open))
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        name, is_seen = page.evaluate(FOCUS)
        order.append(name)
        assert is_seen, name
    wanted = ["Skip to the content", "Groundglass", "Help", "file", "Find lesions", "Options"]
    assert [name for name in order if name in wanted] == wanted
    assert order[-1].startswith("Phantom")
    page.get_by_role("button", name="Phantom: many").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/results/"), timeout=60_000)
    with page.expect_download() as download:
        press_tab_until(page, "Overlay PNG")
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith("overlay.png")


def press_tab_until(page: Page, name: str, most: int = 60) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        found, is_seen = page.evaluate(FOCUS)
        assert is_seen, found
        if found == name:
            return
    raise AssertionError(f"{name} is not reached by {most} times Tab")


def test_the_skip_link_leads_past_the_header(page: Page, world: World) -> None:
    page.goto(home(world.open))
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS)[0] == "file"


def test_nothing_moves_where_that_is_asked_for(chromium: Browser, world: World) -> None:
    moving = """() => Array.from(document.querySelectorAll("*")).filter((part) => {
        const style = getComputedStyle(part);
        return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
    }).map((part) => part.outerHTML.slice(0, 80))"""
    with chromium.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        for address in (home(world.open), world.done, world.volume, world.working):
            page.goto(address)
            assert page.evaluate(moving) == []
