"""Blueprint: the API's document, and the page that people read of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify, render_template, request

from webapp.document.openapi import build_document
from webapp.document.operations import Json
from webapp.errors import STATUS
from webapp.problems import Problem, known_statuses, of_error
from webapp.settings import Settings

blueprint = Blueprint("docs", __name__)

EXTENSION = "groundglass-docs"

EXAMPLES = {
    "slice.sh": "A slice, with curl",
    "volume.sh": "A volume, with curl",
    "client.py": "A volume, in Python",
    "slice.mjs": "A slice, in JavaScript",
}
"""The examples in docs/examples, which the tests run, and their headings."""

_SERVER = "http://127.0.0.1:8000"

_FOLDER = Path(__file__).parents[2] / "docs" / "examples"


class Described:
    """The document of one app, and what the page shows of it: made when first asked for, since they do not change."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app, self._settings = app, settings

    @cached_property
    def document(self) -> Json:
        """The OpenAPI document."""
        return build_document(self._app, self._settings)

    @cached_property
    def shown(self) -> Json:
        """What the template of the page names."""
        document = self.document
        return {
            "info": document["info"],
            "tags": document["tags"],
            "operations": list(_operations(document)),
            "models": [_model(name, schema) for name, schema in document["components"]["schemas"].items()],
            "problems": problems(),
        }


def _described() -> Described:
    described: Described = current_app.extensions[EXTENSION]
    return described


@blueprint.get("/openapi.json")
def document() -> Response:
    """Send the OpenAPI document."""
    return jsonify(_described().document | {"servers": [{"url": request.script_root or "/"}]})


@blueprint.get("/docs")
def page() -> str:
    """Show the OpenAPI document as a page."""
    examples = [(title, _here(_example(name))) for name, title in EXAMPLES.items()]
    return render_template("docs.html", examples=examples, **_described().shown)


def problems() -> list[Problem]:
    """Return all kinds of problems, by status."""
    ours = [of_error(error, status) for error, status in STATUS.items()]
    return sorted([*ours, *known_statuses()], key=lambda problem: problem.status)


@lru_cache(maxsize=len(EXAMPLES))
def _example(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8").strip()


def _here(example: str) -> str:
    """Return an example that asks this server."""
    return example.replace(_SERVER, request.root_url.rstrip("/"))


def _operations(described: Json) -> Iterator[Json]:
    """Yield the operations as the page shows them, those of one tag together."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield {
                **operation,
                "path": path,
                "method": method.upper(),
                "parameters": [
                    {**parameter, "type": type_of(parameter["schema"])} for parameter in operation["parameters"]
                ],
                "responses": {status: _answer(answer, described) for status, answer in operation["responses"].items()},
            }


def _answer(answer: Json, described: Json) -> Json:
    """Return an answer with the types of its contents by media type."""
    if "$ref" in answer:
        answer = described["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    contents = {kind: type_of(content["schema"]) for kind, content in answer.get("content", {}).items()}
    return {"description": answer["description"], "contents": contents}


def _model(name: str, schema: Json) -> Json:
    fields = [
        {"name": field, "type": type_of(content), "description": content.get("description", "")}
        for field, content in schema["properties"].items()
    ]
    return {"name": name, "description": schema.get("description", ""), "fields": fields}


def type_of(schema: dict[str, Any]) -> str:
    """Return the type of a schema in words.

    >>> type_of({"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/Side"}}, {"type": "null"}]})
    'list of Side, or null'
    >>> type_of({"type": "string", "enum": ["0", "1"]})
    '0, 1'
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return ", or ".join(map(type_of, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {type_of(schema['items'])}"
    if schema.get("format") == "binary":
        return "file"
    return str(schema.get("const", schema.get("type", "anything")))
