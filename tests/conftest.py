"""What several test files use: the shipped engine, drawn slices, an app with its own folder for results."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from model.engine import Engine, load_engine
from model.phantom import phantom_png
from webapp.uploads.reading import EXTENSION as READERS
from webapp.uploads.reading import Readers


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The shipped network, loaded once for all tests."""
    return load_engine()


@pytest.fixture(scope="session")
def phantom() -> bytes:
    """A drawn slice with several lesions, as PNG."""
    return phantom_png("many")


@pytest.fixture(scope="session")
def readers() -> Readers:
    """What reads uploads, started once for all tests."""
    return Readers()


@pytest.fixture
def app(tmp_path: Path, readers: Readers) -> Flask:
    app = create_app({"results": tmp_path / "results"})
    app.extensions[READERS] = readers
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
