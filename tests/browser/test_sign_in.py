"""Signing in and out in Chromium, where the server wants to know who asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.test_server import Server, start, stop
from webapp.keys import add_key


@dataclass(frozen=True)
class Shut:
    """A server that asks who one is, and the keys of those who may use it."""

    address: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shut]:
    folder = tmp_path_factory.mktemp("shut")
    keys = {name: add_key(folder / "keys", name) for name in ("alice", "bob")}
    server: Server = start(folder, WEB_CONCURRENCY="1", GROUNDGLASS_API_KEYS_FILE=str(folder / "keys"))
    yield Shut(f"http://127.0.0.1:{server.port}", keys)
    stop(server)


def sign_in(page: Page, shut: Shut, key: str) -> None:
    page.goto(f"{shut.address}/")
    page.get_by_label("Your key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def read_phantom(page: Page) -> str:
    page.get_by_role("button", name="one lesion").click()
    expect(page).to_have_url(re.compile(r"/results/[0-9a-f]{32}"))
    return page.url


def test_an_unknown_key_is_told_at_its_field(shut: Shut, chromium: Browser) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        sign_in(page, shut, "gg_nobodys")
        field = page.get_by_label("Your key")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
        assert "not known here" in page.inner_text("#sentence")
        assert Axe().run(page).violations_count == 0


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_with_a_key_one_reads_and_signs_out_again(scripts: bool, shut: Shut, chromium: Browser) -> None:
    with chromium.new_context(java_script_enabled=scripts) as context:
        page = context.new_page()
        sign_in(page, shut, shut.keys["alice"])
        address = read_phantom(page)
        page.get_by_role("button", name="Sign out").click()
        page.goto(address)
        # Back at the door; the key leads on to where one wanted to go.
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.get_by_label("Your key").fill(shut.keys["alice"])
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(address)


def test_sign_out_stands_among_the_links_as_one_of_them(shut: Shut, chromium: Browser) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        sign_in(page, shut, shut.keys["alice"])
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        # A page's parts are there before its style sheet is.
        page.wait_for_load_state()
        told = "element => ['color', 'background-color'].map((name) => getComputedStyle(element)[name])"
        link = page.get_by_role("link", name="Help").evaluate(told)
        assert page.get_by_role("button", name="Sign out").evaluate(told) == link


def test_what_one_has_read_is_not_there_for_another(shut: Shut, chromium: Browser) -> None:
    with chromium.new_context() as first, chromium.new_context() as second:
        pages = first.new_page(), second.new_page()
        for page, name in zip(pages, shut.keys, strict=True):
            sign_in(page, shut, shut.keys[name])
        address = read_phantom(pages[0])
        pages[1].goto(address)
        expect(pages[1].get_by_role("heading", name="This result is gone")).to_be_visible()
        answer = second.request.get(f"{address}/overlay.png")
        assert answer.status == 404


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_form_is_accessible_and_fits_a_phone(
    scheme: Literal["dark", "light"], shut: Shut, chromium: Browser
) -> None:
    with chromium.new_context(color_scheme=scheme, viewport={"width": 320, "height": 700}) as context:
        page = context.new_page()
        page.goto(f"{shut.address}/")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert len(found.response["passes"]) > 10
