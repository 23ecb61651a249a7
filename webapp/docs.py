"""Blueprint: the API's document, and the page that people read of it."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

from webapp.openapi import build_document
from webapp.requests import current_settings

blueprint = Blueprint("docs", __name__)


@blueprint.get("/openapi.json")
def document() -> Response:
    """Send the OpenAPI document."""
    return jsonify(build_document(current_app, current_settings()))
