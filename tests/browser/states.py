"""Every state that a visitor can meet, and how to bring a page into it on real servers."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, FilePayload, Page, expect

from model.phantom import phantom_png
from tests.test_server import Server, start, stop
from tests.webapp.scans import nifti
from webapp.jobs.store import Order
from webapp.keys import add_key

HELD_QUEUE = 2


@dataclass(frozen=True)
class World:
    """Four servers, and what lies on them.

    open : a server as it is meant to be. held : all of its hands are full, so what is sent waits. offline : its network
    cannot be loaded. shut : it asks for a key. The others are addresses of results.
    """

    open: Server
    held: Server
    offline: Server
    shut: Server
    done: str
    clear: str
    pictures: str
    volume: str
    refused: str
    failed: str
    working: str
    queued: str


@contextmanager
def opened_world(folder: Path, chromium: Browser) -> Iterator[World]:
    """Start the servers, fill them, and stop them in the end."""
    servers: list[Server] = []
    add_key(folder / "keys", "anybody")
    try:
        for name, environment in (
            ("open", {}),
            ("held", {"GROUNDGLASS_QUEUE": str(HELD_QUEUE)}),
            ("offline", {"GROUNDGLASS_WEIGHTS": str(folder / "missing.xml")}),
            ("shut", {"GROUNDGLASS_API_KEYS_FILE": str(folder / "keys")}),
        ):
            (folder / name).mkdir()
            servers.append(start(folder / name, WEB_CONCURRENCY="1", **environment))
        with chromium.new_context() as context:
            yield _filled(context.new_page(), *servers)
    finally:
        for server in servers:
            stop(server)


def _filled(page: Page, server: Server, held: Server, offline: Server, shut: Server) -> World:
    working = [hold(held) for _ in range(os.cpu_count() or 1)]
    return World(
        server,
        held,
        offline,
        shut,
        done=send_phantom(page, server, "many"),
        clear=send_phantom(page, server, "no lesion"),
        pictures=send(
            page,
            server,
            picture("a.png", "many"),
            picture("b.png", "one"),
            named("letter.png", drawn_letter()),
            text("letter.txt"),
        ),
        volume=send(page, server, volume()),
        refused=send(page, server, named("letter.png", drawn_letter())),
        failed=send(page, server, named("broken.zip", b"PK\x03\x04" + bytes(400)), until="#sentence >> visible=true"),
        working=f"{home(held)}results/{working[0]}",
        queued=[send(page, held, volume(), until="#job") for _ in range(HELD_QUEUE)][-1],
    )


def hold(server: Server) -> str:
    """Make a job that is always in work, 12 of 40 slices done, and stays so; return its id."""
    folder = server.results / secrets.token_hex(16)
    folder.mkdir(parents=True)
    order = Order("scan.nii", ("scan.nii",), 0.5, quality=False, as_picture=False, patient=False)
    (folder / "order.json").write_text(json.dumps(asdict(order)))
    # A sign of life that is never too old.
    alive = time.time() + 7200.0
    (folder / "attempt-1.json").write_text(json.dumps({"started": alive - 12.0, "done": 12, "of": 40}))
    (folder / "working-1").touch()
    os.utime(folder / "working-1", (alive, alive))
    return folder.name


def home(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/"


def named(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def picture(name: str, kind: str) -> FilePayload:
    return named(name, phantom_png(kind, seed=5))


def drawn_letter() -> bytes:
    """A picture that is no chest CT: black lines on white paper."""
    paper = np.full((512, 512), 255, np.uint8)
    for row in range(60, 450, 24):
        paper[row : row + 6, 60 : 400 + row % 60] = 0
    return bytes(cv2.imencode(".png", paper)[1])


def text(name: str) -> FilePayload:
    return named(name, b"Dear colleague, please see the scan.")


def volume() -> FilePayload:
    return named("scan.nii", nifti("none", "one", "many", "none"))


def send(page: Page, server: Server, *files: FilePayload, until: str = "main:not(:has(#job, #upload))") -> str:
    """Send files through the form; return the address when what was waited for is there."""
    page.goto(home(server))
    page.set_input_files("#file", list(files))
    page.get_by_role("button", name="Find lesions").click()
    page.wait_for_url(re.compile("/results/"), timeout=60_000)
    page.wait_for_selector(until, timeout=60_000)
    return page.url


def send_phantom(page: Page, server: Server, label: str) -> str:
    page.goto(home(server))
    page.get_by_role("button", name=f"Phantom: {label}").click()
    page.wait_for_url(re.compile("/results/"), timeout=60_000)
    return page.url


def _goto(address: Callable[[World], str]) -> Callable[[Page, World], None]:
    def state(page: Page, world: World) -> None:
        page.goto(address(world))
        page.wait_for_load_state("networkidle")

    return state


def _options(page: Page, world: World) -> None:
    page.goto(home(world.open))
    page.get_by_text("Options", exact=True).click()


def _dragging(page: Page, world: World) -> None:
    page.goto(home(world.open))
    page.dispatch_event("#drop", "dragover")
    expect(page.locator("#drop")).to_have_class("drop over")


def _uploading(page: Page, world: World) -> None:
    page.goto(home(world.open))
    page.evaluate("setSending(true); showProgress({ lengthComputable: true, loaded: 12.5e6, total: 50e6 })")
    expect(page.locator("#meanwhile")).to_have_text("12.5 MB of 50.0 MB")


def _reading(page: Page, world: World) -> None:
    page.goto(home(world.open))
    page.evaluate("setSending(true); showReading()")
    expect(page.locator("#message")).to_have_text("Reading the slice")


def _not_taken(page: Page, world: World) -> None:
    page.goto(home(world.open))
    page.set_input_files("#file", [text("letter.txt")])
    page.get_by_role("button", name="Find lesions").click()
    expect(page.locator("#message")).to_have_class("failure")


def _threshold_refused(page: Page, world: World) -> None:
    _options(page, world)
    page.fill("#threshold", "1.5")
    page.set_input_files("#file", [picture("a.png", "one")])
    page.get_by_role("button", name="Find lesions").click()
    expect(page.locator("#threshold-error")).to_be_visible()


def _busy(page: Page, world: World) -> None:
    page.goto(home(world.held))
    page.set_input_files("#file", [volume()])
    page.get_by_role("button", name="Find lesions").click()
    expect(page.locator("#come-back")).to_contain_text("Come back in")


def _unknown_key(page: Page, world: World) -> None:
    page.goto(home(world.shut))
    page.get_by_label("Your key").fill("gg_nobodys")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#sentence")).to_contain_text("not known here")


STATES: dict[str, Callable[[Page, World], None]] = {
    "empty": _goto(lambda world: home(world.open)),
    "options": _options,
    "dragging over": _dragging,
    "uploading": _uploading,
    "reading": _reading,
    "queued": _goto(lambda world: world.queued),
    "working": _goto(lambda world: world.working),
    "done": _goto(lambda world: world.done),
    "done without lesion": _goto(lambda world: world.clear),
    "done volume": _goto(lambda world: world.volume),
    "refused": _goto(lambda world: world.refused),
    "read anyway": _goto(lambda world: f"{world.refused}?force=1"),
    "partly read": _goto(lambda world: world.pictures),
    "failed": _goto(lambda world: world.failed),
    "not taken": _not_taken,
    "threshold refused": _threshold_refused,
    "expired": _goto(lambda world: f"{home(world.open)}results/{'0' * 32}"),
    "busy": _busy,
    "offline model": _goto(lambda world: home(world.offline)),
    "sign in": _goto(lambda world: home(world.shut)),
    "unknown key": _unknown_key,
    "help": _goto(lambda world: f"{home(world.open)}help"),
    "docs": _goto(lambda world: f"{home(world.open)}docs"),
}
