"""A server in the way of public projects, to hold ours against: gunicorn --workers 1 benchmarks.public_app:app."""

from __future__ import annotations

from flask import Flask, Response, request

from benchmarks.public import PublicStyle
from benchmarks.weights import KERAS_WEIGHTS
from model.network import load_network

app = Flask(__name__)
style = PublicStyle(load_network(KERAS_WEIGHTS))


@app.post("/predict")
def predict() -> Response:
    """Answer a PNG of a slice with a figure."""
    return Response(style.answer(request.files["file"].read()), content_type="image/png")
