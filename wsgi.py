"""What gunicorn serves: the app, its engine loaded, its reader started, its results swept, waiting volumes read."""

from __future__ import annotations

from app import create_app
from webapp.jobs.queueing import EXTENSION as JOBS
from webapp.jobs.queueing import start_working
from webapp.results import EXTENSION as RESULTS
from webapp.results import start_sweeping
from webapp.segmenter import EXTENSION as SEGMENTER
from webapp.uploads.reading import EXTENSION as READERS

app = create_app()
app.extensions[READERS].warm_up()
app.extensions[SEGMENTER].warm_up()
start_sweeping(app.extensions[RESULTS])
start_working(app.extensions[JOBS])
