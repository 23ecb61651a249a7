"""Answers held against the API's own document."""

from __future__ import annotations

import copy
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

Json = dict[str, Any]


def document_of(client: FlaskClient) -> Json:
    """Return the document that an app serves."""
    answer = client.get("/openapi.json").get_json()
    assert isinstance(answer, dict)
    return answer


def complaints(document: Json, name: str, answer: Any) -> list[str]:
    """Return what keeps an answer from being what the document calls by that name, unknown fields included."""
    schema = copy.deepcopy({"$ref": f"#/components/schemas/{name}", "components": document["components"]})
    for model in schema["components"]["schemas"].values():
        if "properties" in model:
            model["additionalProperties"] = False
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(answer)]
