"""A real browser, and a real server with a volume that was read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, sync_playwright

from tests.browser.states import World, opened_world
from tests.test_server import Server, start, stop
from tests.webapp.scans import nifti

KINDS = ("none", "one", "many", "none")
"""The slices of the volume: neighbours differ."""

# What a closed network would answer with an error, at every start.
_QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync"]


@dataclass(frozen=True)
class Result:
    """The address of a result, and the headings of the pages on the way there."""

    address: str
    headings: tuple[str, ...]


@contextmanager
def launch() -> Iterator[Browser]:
    """Give the system's Chromium.

    Raises
    ------
    FileNotFoundError : there is none.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise FileNotFoundError("there is no Chromium: apt-get install chromium")
    # Chromium refuses to run as root in its sandbox, and CI is root.
    arguments = [*_QUIET, "--no-sandbox"] if os.geteuid() == 0 else _QUIET
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(launch())
        except FileNotFoundError as exc:
            pytest.skip(str(exc))
        yield browser


@pytest.fixture(scope="session")
def world(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Servers with everything on them that a visitor can meet."""
    with opened_world(tmp_path_factory.mktemp("world"), chromium) as world:
        yield world


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("browser"), WEB_CONCURRENCY="1")
    yield server
    stop(server)


@pytest.fixture(scope="session")
def result(chromium: Browser, server: Server) -> Result:
    """A volume that was uploaded through the form and read, with scripts."""
    with chromium.new_context() as context:
        return upload(context.new_page(), server)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not complain."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda response: complaints.append(response.url) if response.status >= 400 else None)
    yield page
    assert complaints == []


def upload(page: Page, server: Server, volume: bytes | None = None) -> Result:
    """Choose a volume, that of KINDS by default, in the form, send it, and wait for its result."""
    page.goto(f"http://127.0.0.1:{server.port}/")
    scan: FilePayload = {"name": "scan.nii", "mimeType": "application/octet-stream", "buffer": volume or nifti(*KINDS)}
    page.set_input_files("#file", scan)
    page.get_by_role("button", name="Find lesions").click()
    page.wait_for_selector("#job")
    waiting = page.inner_text("h1")
    page.wait_for_selector("#viewer", timeout=60_000)
    return Result(page.url, (waiting, page.inner_text("h1")))
