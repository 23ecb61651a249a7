"""The app factory: settings, segmenter, results, doors, blueprints, error handlers; nothing else."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from flask import Flask

from webapp import api, errors, guide, pace, pages, places, results, segmenter, volumes
from webapp.document import docs
from webapp.doors import access, install
from webapp.jobs import queueing
from webapp.monitoring import monitor
from webapp.settings import read_settings
from webapp.uploads import patience, reading, requests
from webapp.viewing import drawing, report, viewer, why


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Build the app.

    overrides : settings by field name that go before the environment, for tests; see `webapp.settings.Settings`.

    Raises
    ------
    ValueError : a setting is unknown or bad, the secret key can be neither read nor made, or the keys not read.
    """
    settings = dataclasses.replace(read_settings(os.environ), **(overrides or {}))
    app = Flask(__name__)
    app.request_class = requests.UploadRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_mb * 1_000_000
    app.extensions[requests.SETTINGS_EXTENSION] = settings
    store = app.extensions[results.EXTENSION] = results.ResultStore.from_settings(settings, maker=access.current_client)
    reader = app.extensions[segmenter.EXTENSION] = segmenter.Segmenter(settings)
    app.extensions[why.EXTENSION] = why.Explanations(settings)
    app.extensions[report.EXTENSION] = report.Reports()
    app.extensions[pace.EXTENSION] = pace.Pace()
    app.extensions[places.EXTENSION] = places.Places()
    app.extensions[drawing.EXTENSION] = drawing.Drawing()
    app.extensions[reading.EXTENSION] = reading.Readers()
    app.extensions[docs.EXTENSION] = docs.Described(app, settings)
    app.extensions[queueing.EXTENSION] = queueing.make_queue(settings, store, reader)
    # First, so that it sees what every door answers.
    app.register_blueprint(monitor.blueprint)
    patience.init_app(app)
    install.init_app(app, settings)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(volumes.blueprint)
    app.register_blueprint(why.blueprint)
    app.register_blueprint(report.blueprint)
    app.register_blueprint(guide.blueprint)
    app.register_blueprint(viewer.blueprint)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(docs.blueprint)
    errors.init_app(app)
    return app
