"""The arrows of docs/architecture.md, read from the source with ast."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("model", "webapp", "training") for path in (ROOT / folder).rglob("*.py"))
FRAMEWORKS = {"tensorflow", "keras", "segmentation_models", "h5py"}


def imports(path: Path) -> Iterator[str]:
    """Yield the names of all modules that a file imports, at its top or in a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_arrow_is_broken(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    forbidden = {
        "model": {"webapp", "training", "flask", "app", "wsgi"},
        "webapp": {"training", "app", "wsgi", *FRAMEWORKS},
        "training": {"webapp", "flask", "app", "wsgi"},
    }[package]
    assert not roots(path) & forbidden


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parent.name == "model"], ids=name_of)
def test_frameworks_are_imported_by_the_networks_alone(path: Path) -> None:
    assert path.name in ("network.py", "architectures.py") or not roots(path) & FRAMEWORKS


def test_architectures_are_reached_through_network() -> None:
    # It silences TensorFlow before the first import of Keras; another way in would let it greet.
    ways_in = [path.name for path in SOURCES if "model.architectures" in set(imports(path))]
    assert ways_in == ["network.py"]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_pyplot_is_imported_nowhere_in_the_server(path: Path) -> None:
    if path.parent.name != "training":
        assert "matplotlib.pyplot" not in set(imports(path))


def test_the_error_tree_imports_nothing() -> None:
    assert roots(ROOT / "model" / "errors.py") == {"__future__"}


def test_serving_loads_no_training_framework(tmp_path: Path) -> None:
    program = (
        "import sys, io, wsgi\n"
        "from model.phantom import phantom_png\n"
        "data = {'file': (io.BytesIO(phantom_png('one')), 'a.png')}\n"
        "assert wsgi.app.test_client().post('/predict', data=data).status_code == 200\n"
        f"print([name for name in {sorted(FRAMEWORKS)} if name in sys.modules], 'matplotlib.pyplot' in sys.modules)"
    )
    environment = {"GROUNDGLASS_RESULTS": str(tmp_path), "PATH": ""}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert answer.stdout.strip() == "[] False"
