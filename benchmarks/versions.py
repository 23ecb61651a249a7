"""On what, and with what, is measured."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.weights import SERVED_WEIGHTS
from model.card import file_sha256, read_card

PACKAGES = (
    "openvino",
    "tensorflow",
    "keras",
    "onnxruntime",
    "matplotlib",
    "opencv-python-headless",
    "numpy",
    "gunicorn",
)

SPEEDING = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "bf16",
    "i8mm",
)
"""Abilities of processors that decide how fast a network in whole numbers or bfloat16 is."""


def about_machine() -> Figures:
    """Return what the processor can do, the versions of Python and packages, and the system."""
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "abilities": abilities(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": versions,
    }


def abilities() -> list[str]:
    """Return which of SPEEDING the processor has; none where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return [name for name in SPEEDING if name in line.split()]
    return []


def about_served() -> Figures:
    """Return which weights were measured."""
    card, holder = read_card(SERVED_WEIGHTS), SERVED_WEIGHTS.with_suffix(".bin")
    return {
        "file": SERVED_WEIGHTS.name,
        "model_id": card.get("model_id", SERVED_WEIGHTS.stem),
        "sha256": file_sha256(holder if holder.is_file() else SERVED_WEIGHTS),
        "precision": card.get("precision", {}).get("served"),
    }
