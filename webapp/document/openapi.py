"""The OpenAPI document, made from the routes, the docstrings of their views, and the models that read and answer."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from http import HTTPStatus

from apispec import APISpec
from flask import Flask
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from model.export.names import NOTICE
from webapp.document.answers import (
    Health,
    Job,
    ProblemDetails,
    Ready,
    SliceAnswer,
    SliceFigures,
    VolumeFigures,
    VolumeTable,
)
from webapp.document.operations import BINARY, OPERATIONS, REF, TAGS, Json, Operation
from webapp.doors.access import OPEN
from webapp.doors.rates import UNCOUNTED
from webapp.problems import MEDIA_TYPE
from webapp.settings import Settings
from webapp.uploads.multipart import FIELD
from webapp.uploads.options import PredictOptions

OPENAPI_VERSION = "3.1.0"

VERSION = "1"
"""Of the API, not of the software."""

_ANSWERED = (SliceAnswer, SliceFigures, VolumeFigures, VolumeTable, Job, Health, Ready, ProblemDetails)

_INFO = {
    "summary": "Finds COVID-19 lesions in chest CT",
    "description": NOTICE,
    "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
}

_REQUEST_ID = "X-Request-ID"
_HEADER: Json = {
    "description": "the request's id, as the server's log has it",
    "required": True,
    "schema": {"type": "string"},
}


_KEY = "key"
_KEYS: Json = {
    "type": "http",
    "scheme": "bearer",
    "description": "a key, which whoever runs the server gives you; passed over where the server asks for none",
}


def build_document(app: Flask, settings: Settings) -> Json:
    """Return the OpenAPI document of an app."""
    spec = APISpec("Groundglass", VERSION, OPENAPI_VERSION, info=_INFO, security=_security(settings))
    spec.components.security_scheme(_KEY, _KEYS)
    for name, description in TAGS.items():
        spec.tag({"name": name, "description": description})
    options = options_of(settings)
    for name, schema in (_schemas() | {"Upload": _upload(options)}).items():
        spec.components.schema(name, schema)
    spec.components.header(_REQUEST_ID, _HEADER)
    operations = {name: _behind_doors(name, operation, settings) for name, operation in OPERATIONS.items()}
    for status in sorted({status for operation in operations.values() for status in operation.problems}):
        spec.components.response(_name_of(status), _problem(status))
    for endpoint, operation in operations.items():
        rule = _rule_of(app, endpoint)
        spec.path(_path_of(rule), operations={_method_of(rule): _describe(app, endpoint, operation, options)})
    return spec.to_dict()


def _security(settings: Settings) -> list[Json]:
    """Return what shows who asks, one of which is enough; a proxy that asks does so on its own account."""
    if settings.api_keys_file is None:
        return [{}, {_KEY: []}]
    return [{_KEY: []}, {}] if settings.user_header else [{_KEY: []}]


def _behind_doors(endpoint: str, operation: Operation, settings: Settings) -> Operation:
    """Return an operation with the problems that it meets at the doors: see `webapp.doors`."""
    is_shut = settings.asks_who_it_is and endpoint not in OPEN
    met = {
        # It may come under a name that the server does not answer to.
        HTTPStatus.BAD_REQUEST: True,
        HTTPStatus.UNAUTHORIZED: is_shut,
        # A browser may send it for another site.
        HTTPStatus.FORBIDDEN: operation.takes_upload,
        HTTPStatus.TOO_MANY_REQUESTS: is_shut or endpoint not in UNCOUNTED,
    }
    problems = {*operation.problems, *(status for status, is_met in met.items() if is_met)}
    return replace(operation, problems=sorted(problems))


def options_of(settings: Settings) -> dict[str, Json]:
    """Return the schemas of the options of POST /predict by name, with the defaults of this server."""
    options: dict[str, Json] = PredictOptions.model_json_schema()["properties"]
    options["threshold"]["default"] = settings.threshold
    # The Accept header decides.
    del options["output"]["default"]
    return options


def _schemas() -> dict[str, Json]:
    """Return the schemas of what is answered, by name."""
    _, schemas = models_json_schema([(model, "serialization") for model in _ANSWERED], ref_template=REF)
    return dict(schemas["$defs"])


def _upload(options: dict[str, Json]) -> Json:
    """Return the schema of the form: the files, and those options that are not in the address."""
    files = {
        "type": "array",
        "items": BINARY,
        "minItems": 1,
        "description": "a picture (PNG, JPEG, TIFF or BMP), DICOM files, a zip of a series, or NIfTI",
    }
    return {
        "type": "object",
        "properties": {FIELD: files, **options},
        "required": [FIELD],
        "additionalProperties": False,
    }


def _problem(status: HTTPStatus) -> Json:
    schema = {"$ref": REF.format(model=ProblemDetails.__name__)}
    return {"description": f"{status.phrase}.", "content": {MEDIA_TYPE: {"schema": schema}}, "headers": _headers()}


def _headers() -> Json:
    return {_REQUEST_ID: {"$ref": f"#/components/headers/{_REQUEST_ID}"}}


def _name_of(status: HTTPStatus) -> str:
    return status.phrase.replace(" ", "")


def _describe(app: Flask, endpoint: str, operation: Operation, options: dict[str, Json]) -> Json:
    summary, _, rest = inspect.cleandoc(app.view_functions[endpoint].__doc__ or "").partition("\n")
    told = {
        str(status.value): {**answer, "headers": _headers() | answer.get("headers", {})}
        for status, answer in operation.answers.items()
    }
    parameters = [
        *({"name": name, "in": "path", "required": True, "schema": schema} for name, schema in operation.path.items()),
        *operation.query,
    ]
    description: Json = {
        "operationId": endpoint.rpartition(".")[2],
        "summary": summary,
        "description": " ".join(rest.split()),
        "tags": [operation.tag],
        "parameters": parameters,
        "responses": told | {str(status.value): _name_of(status) for status in operation.problems},
    }
    if endpoint in OPEN:
        description["security"] = []
    if operation.takes_upload:
        parameters.extend({"name": name, "in": "query", "schema": schema} for name, schema in options.items())
        form = {"multipart/form-data": {"schema": {"$ref": REF.format(model="Upload")}}}
        description["requestBody"] = {"required": True, "content": form}
    return description


def _rule_of(app: Flask, endpoint: str) -> Rule:
    """Return the shortest route of an endpoint: others are for clients of earlier systems."""
    return min(app.url_map.iter_rules(endpoint), key=lambda rule: len(rule.rule))


def _path_of(rule: Rule) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def _method_of(rule: Rule) -> str:
    return min((rule.methods or set()) - {"HEAD", "OPTIONS"}).lower()
