"""What gunicorn serves: the app, its engine loaded, its reader started, its results swept, waiting volumes read."""

from __future__ import annotations

import os

from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from app import create_app
from webapp.jobs.queueing import EXTENSION as JOBS
from webapp.jobs.queueing import start_working
from webapp.results import EXTENSION as RESULTS
from webapp.results import start_sweeping
from webapp.segmenter import EXTENSION as SEGMENTER
from webapp.settings import read_prefix
from webapp.uploads.reading import EXTENSION as READERS

app = create_app()
if prefix := read_prefix(os.environ):
    app.wsgi_app = DispatcherMiddleware(NotFound(), {prefix: app.wsgi_app})  # type: ignore[method-assign]  # As Flask says to wrap it.
# gunicorn asks for it with each request; it takes /ctx for a part of /ct, and answers 500 to what lies outside.
os.environ.pop("SCRIPT_NAME", None)
app.extensions[READERS].warm_up()
app.extensions[SEGMENTER].warm_up()
start_sweeping(app.extensions[RESULTS])
start_working(app.extensions[JOBS])
