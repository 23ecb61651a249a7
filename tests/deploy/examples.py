"""The files of the deployment, read, and which settings there are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.compose import read_document
from deploy.dockerfile import Image, read_image
from webapp.settings import read_prefix, read_settings, read_workers

ROOT = Path(__file__).parents[2]
OTHER_SETTINGS = {"HOST", "PORT", "WEB_CONCURRENCY", "SCRIPT_NAME", "REDIS_URL"}


@cache
def image() -> Image:
    return read_image((ROOT / "Dockerfile").read_text())


@cache
def compose() -> dict[str, Any]:
    return read_document((ROOT / "compose.yaml").read_text())


@cache
def cluster() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text()))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind in deploy/kubernetes.yaml, by name."""
    return {document["metadata"]["name"]: document for document in cluster() if document["kind"] == kind}


def are_settings(environment: Mapping[str, str]) -> bool:
    """Whether all variables are settings, with values that they can have; those of Python's tools are left aside."""
    read_settings(environment)
    read_workers(environment)
    read_prefix(environment)
    ours = {name for name in environment if name != "HOME" and not name.startswith(("PIP_", "GROUNDGLASS_"))}
    return ours <= OTHER_SETTINGS
