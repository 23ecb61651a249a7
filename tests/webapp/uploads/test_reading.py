"""Readers of uploads: lent to few at once, and never all of them to one client."""

from __future__ import annotations

import contextlib
import errno
import logging
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient

from model.errors import Busy
from tests.webapp.forms import post_file
from webapp.places import EXTENSION as PLACES
from webapp.places import Places
from webapp.uploads import reading
from webapp.uploads.reading import MOST, MOST_OF_ONE, Readers


def test_one_client_cannot_have_all_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WAIT_AT_MOST_S", 0.0)
    monkeypatch.setattr(reading, "WAIT_S", 0.0)
    readers = Readers()
    with contextlib.ExitStack() as lent:
        for _ in range(MOST_OF_ONE):
            lent.enter_context(readers.lent("anna"))
        with pytest.raises(Busy, match="as many files as it can"), readers.lent("anna"):
            raise AssertionError
        for number in range(MOST - MOST_OF_ONE):
            lent.enter_context(readers.lent(f"other {number}"))
        with pytest.raises(Busy), readers.lent("bert"):
            raise AssertionError
    with readers.lent("anna"):
        pass


def test_a_file_is_decoded_before_it_takes_a_place(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.extensions[PLACES] = Places(1)
    # Were the place taken first, this would be 503.
    with app.test_request_context(), app.extensions[PLACES].taken((512, 512)):
        assert post_file(client, "/predict", b"no picture").status_code == 415


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EMFILE])
@pytest.mark.parametrize("address", ["/predict", "/upload"])
def test_a_full_disk_is_not_blamed_on_the_sender(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str, number: int
) -> None:
    def fail(_: str, buffering: int) -> None:
        raise OSError(number, "no more")

    monkeypatch.setattr("webapp.uploads.requests._IN_MEMORY_BYTES", 0)
    monkeypatch.setattr("webapp.uploads.spool.TemporaryFile", fail)
    with caplog.at_level(logging.ERROR):
        answer = post_file(client, address, bytes(2_000))
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "The server has no room for this upload now." in answer.get_json()["detail"]
    assert "the folder for temporary files: no more" in caplog.text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_nor_is_it_where_a_dicom_file_cannot_be_kept(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(**_: str) -> None:
        raise OSError(number, "no more")

    monkeypatch.setattr(reading, "TemporaryDirectory", fail)
    answer = post_file(client, "/predict", bytes(128) + b"DICM", name="a.dcm")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "no room for this upload" in answer.get_json()["detail"]
