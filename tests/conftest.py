"""What several test files use: the shipped engine, drawn slices, an app with its own folder for results."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from model.engine import Engine, load_engine
from model.phantom import phantom_png


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The shipped network, loaded once for all tests."""
    return load_engine()


@pytest.fixture(scope="session")
def phantom() -> bytes:
    """A drawn slice with several lesions, as PNG."""
    return phantom_png("many")


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return create_app({"results": tmp_path / "results"})


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
