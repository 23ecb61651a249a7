from __future__ import annotations

from pathlib import Path

import pytest

from webapp.exposure import usual_names, warning
from webapp.settings import Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_a_server_that_is_open_to_all_is_warned_of_loudly(host: str) -> None:
    told = warning(["127.0.0.1", host], Settings())
    assert len(told.splitlines()) > 10
    assert f"It listens on {host}, not on this machine alone" in told
    for remedy in ("HOST=127.0.0.1", "python -m webapp.keys new", "GROUNDGLASS_USER_HEADER"):
        assert remedy in told


def test_a_server_of_this_machine_alone_is_not() -> None:
    assert warning(["127.0.0.1", "::1"], Settings()) == warning([], Settings()) == ""


def test_a_server_that_asks_who_it_is_is_not() -> None:
    assert warning(["0.0.0.0"], Settings(api_keys_file=Path("keys"))) == ""
    assert warning(["0.0.0.0"], Settings(user_header="X-Remote-User", trusted_proxies="10.0.0.1")) == ""


def test_it_is_told_that_it_answers_to_every_name() -> None:
    assert "GROUNDGLASS_HOSTS" in warning(["0.0.0.0"], Settings())
    assert "GROUNDGLASS_HOSTS" not in warning(["0.0.0.0"], Settings(hosts="ct.example.org"))


def test_a_server_of_this_machine_alone_answers_to_its_names() -> None:
    assert usual_names(["127.0.0.1"]) == "localhost,127.0.0.1,[::1]"
    assert usual_names(["::1", "127.0.0.2"]) == "localhost,127.0.0.1,[::1],127.0.0.2"
    assert usual_names(["127.0.0.1", "0.0.0.0"]) == usual_names([]) == ""
