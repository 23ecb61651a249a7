"""compose.yaml -> what its services run, with which settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_DEFAULT = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True)
class Service:
    """A service; what compose.yaml leaves to the image is empty."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


def resolved(text: str) -> str:
    """Return a compose file as it is where nothing is set outside: ${NAME:-value} is the value.

    >>> resolved("ports: ['${PORT:-8000}:8000']")
    "ports: ['8000:8000']"

    Raises
    ------
    ValueError : a variable has no default.
    """
    text = _DEFAULT.sub(r"\2", text)
    if "$" in text:
        raise ValueError(f"A variable of the compose file has no default: {text[text.index('$') :].splitlines()[0]!r}")
    return text


def read_document(text: str) -> dict[str, Any]:
    """Return a compose file as it is where nothing is set outside."""
    document: dict[str, Any] = yaml.safe_load(resolved(text))
    return document


def read_services(text: str) -> dict[str, Service]:
    """Return the services of a compose file by name.

    Raises
    ------
    ValueError : a variable has no default. KeyError : it has no services.
    """
    return {
        name: Service(name, tuple(map(str, said.get("command", ()))), said.get("environment", {}))
        for name, said in read_document(text)["services"].items()
    }
