"""Blueprint: an id, a line of the log and a count for each request; GET /metrics."""

from __future__ import annotations

import logging
import time
import uuid

from flask import Blueprint, Response, g, make_response, request
from prometheus_client import CONTENT_TYPE_LATEST

from webapp.jobs.queueing import current_queue
from webapp.monitoring import metrics
from webapp.monitoring.logs import FIELDS
from webapp.segmenter import current_segmenter

log = logging.getLogger(__name__)

blueprint = Blueprint("monitor", __name__)

REQUEST_ID = "X-Request-ID"


@blueprint.before_app_request
def _begin() -> None:
    g.began = time.perf_counter()


def request_id() -> str:
    """Return the id of the current request: made here, since a client's own could say anything."""
    if "request_id" not in g:
        g.request_id = str(uuid.uuid4())
    return str(g.request_id)


@blueprint.after_app_request
def _end(response: Response) -> Response:
    response.headers[REQUEST_ID] = request_id()
    metrics.count_request(request.endpoint, request.method, response.status_code)
    log.info("request", extra={FIELDS: _told(response)})
    return response


def _told(response: Response) -> dict[str, object]:
    """Return what the log says of a request: neither its address nor what was in it."""
    began = g.get("began")
    return {
        "request_id": request_id(),
        "endpoint": request.endpoint,
        "method": request.method[:10],
        "status": response.status_code,
        "problem": g.get("problem"),
        "milliseconds": None if began is None else round(1000.0 * (time.perf_counter() - began), 1),
        "bytes_in": request.content_length,
        "bytes_out": response.content_length,
        "model": current_segmenter().model_id,
    }


@blueprint.get("/metrics")
def figures() -> Response:
    """Tell figures for Prometheus.

    They are requests, seconds by stage, refusals, errors and waiting volumes, added up over the server's processes.
    """
    store = current_queue().store
    response = make_response(metrics.exposition(queued=len(store.waiting()), working=store.in_work()))
    response.content_type = CONTENT_TYPE_LATEST
    return response
