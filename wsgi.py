"""What gunicorn serves: the app, its engine loaded, its results swept."""

from __future__ import annotations

from app import create_app
from webapp.results import EXTENSION as RESULTS
from webapp.results import start_sweeping
from webapp.segmenter import EXTENSION as SEGMENTER

app = create_app()
app.extensions[SEGMENTER].warm_up()
start_sweeping(app.extensions[RESULTS])
