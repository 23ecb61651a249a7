"""Hooks of Schemathesis: a result that there is, instead of a random one, where a request is meant to be right.

No schema says which results there are. TEST_VOLUME and TEST_SLICE name results that there are.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Put the id of a result of the right kind into the path."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "result_id" in case.path_parameters:
        of_slices = [f"/results/{{result_id}}/{name}" for name in ("{name}.png", "why.png", "report.pdf")]
        is_of_slice = case.path in of_slices
        case.path_parameters["result_id"] = os.environ["TEST_SLICE" if is_of_slice else "TEST_VOLUME"]
    if "/files/" in case.path:
        case.path_parameters["name"] = "mask.nii.gz"
    if "number" in case.path_parameters:
        case.path_parameters["number"] = 1 + int(case.path_parameters["number"]) % 2
    if case.path == "/predict" and isinstance(case.body, dict):
        # No schema says that an option in the address and in the form must not differ.
        case.query = {name: value for name, value in (case.query or {}).items() if name not in case.body}
