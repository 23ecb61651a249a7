from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.deploy.examples import ROOT

FILE = ROOT / "deploy" / "ray.yaml"


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    """What Ray itself holds such files against, without loading Ray."""
    found = importlib.util.find_spec("ray")
    if found is None or found.origin is None:
        pytest.skip("ray is not installed: pip install -c constraints.txt -r requirements-cluster.txt")
    file = Path(found.origin).parent / "autoscaler" / "ray-schema.json"
    return Draft7Validator(json.loads(file.read_text()))


def cluster() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text()))


def test_it_is_valid_by_the_schema_of_ray(schema: Draft7Validator) -> None:
    assert [error.message for error in schema.iter_errors(cluster())] == []


@pytest.mark.parametrize("change", [{"setup_command": []}, {"setup_commands": "pip"}, {"provider": {}}])
def test_a_mistake_is_seen(schema: Draft7Validator, change: dict[str, Any]) -> None:
    assert list(schema.iter_errors(cluster() | change))


def test_all_machines_are_named_and_none_twice() -> None:
    # What Ray asks of machines that are there, beyond its schema.
    provider = cluster()["provider"]
    machines = [provider["head_ip"], *provider["worker_ips"]]
    assert provider["type"] == "local"
    assert len(set(machines)) == len(machines) > 1
    assert not {"min_workers", "max_workers", "available_node_types"} & set(cluster())


def test_every_command_runs_in_the_environment_that_is_made() -> None:
    (folder,) = cluster()["file_mounts"]
    made, installed = cluster()["setup_commands"]
    assert made == f"cd {folder} && python3 -m venv .venv"
    assert installed.startswith(f"cd {folder} && .venv/bin/pip install --quiet -c constraints.txt -r ")
    for command in cluster()["head_start_ray_commands"] + cluster()["worker_start_ray_commands"]:
        assert f"{folder}/.venv/bin/ray " in command
    assert {".git", ".venv"} <= set(cluster()["rsync_exclude"])


def brought_in(name: str) -> Iterator[str]:
    """A file of requirements, and those that it brings in."""
    yield name
    for other in re.findall(r"^-r (\S+)$", (ROOT / name).read_text(), re.MULTILINE):
        yield from brought_in(other)


def test_what_it_installs_and_runs_is_there() -> None:
    installed = cluster()["setup_commands"][-1]
    missing = [name for name in re.findall(r"-[cr] (\S+)", installed) if not (ROOT / name).is_file()]
    assert missing == []
    (asked,) = re.findall(r"-r (\S+)", installed)
    assert {"requirements-serve.txt", "requirements-batch.txt"} <= set(brought_in(asked))
    # The command that its head tells of.
    assert "python -m model batch /shared/scans --out /shared/out --cluster auto" in FILE.read_text()
    command = [sys.executable, "-m", "model", "batch", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert {"--out", "--cluster"} <= set(re.findall(r"--[a-z]+", told.stdout)), told.stderr


def test_head_and_workers_name_one_port_and_tell_nobody_of_it() -> None:
    head, worker = cluster()["head_start_ray_commands"][-1], cluster()["worker_start_ray_commands"][-1]
    assert "--port=6379 " in head
    assert worker.endswith("--address=$RAY_HEAD_IP:6379")
    assert "--include-dashboard=false --disable-usage-stats" in head
