"""Limits of memory leave room for what hostile files may take at once: else one may cost more than its request."""

from __future__ import annotations

import re
from typing import Any

import pytest

from model.decode.decoder_process import MAX_MEMORY_MB
from model.decode.guarded import SLICE, VOLUME, Limits
from tests.deploy.examples import compose, image, of_kind
from webapp.settings import read_workers
from webapp.uploads.reading import MOST

PROCESS_MB = 1_000
"""What a process with the network may take, see gunicorn.conf.py."""

UNITS = {"m": 2**20, "g": 2**30}


def size_of(text: str) -> int:
    """Bytes of what Compose writes 1g, and Kubernetes 1Gi."""
    said = re.fullmatch(r"(\d+)(?:([mg])|([MG])i)", text)
    assert said is not None, text
    return int(said[1]) * UNITS[(said[2] or said[3]).lower()]


def reader_mb(limits: Limits) -> int:
    """Of a reader, and of the decoder that it starts, to which its limit goes over where that is lower."""
    return limits.memory_mb + min(limits.memory_mb, MAX_MEMORY_MB)


def server_bytes(environment: dict[str, str]) -> int:
    return read_workers(environment) * (PROCESS_MB + MOST * reader_mb(SLICE)) * 1_000_000


def worker_bytes() -> int:
    return (PROCESS_MB + reader_mb(VOLUME)) * 1_000_000


@pytest.mark.parametrize(("text", "size"), [("64m", 67_108_864), ("1g", 1_073_741_824), ("2Gi", 2_147_483_648)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["1", "1G", "1gi", "1.5g"])
def test_a_size_in_other_units_is_none(text: str) -> None:
    with pytest.raises(AssertionError):
        size_of(text)


def test_each_process_of_a_server_has_readers_of_its_own() -> None:
    assert server_bytes({"WEB_CONCURRENCY": "1"}) == (1 + 4 * (2 + 2)) * 10**9
    assert server_bytes({}) == 2 * server_bytes({"WEB_CONCURRENCY": "1"})


@pytest.mark.parametrize("name", ["web", "worker"])
def test_limits_of_compose_are_enough(name: str) -> None:
    said = compose()["services"][name]
    environment = {**image().environment, **said["environment"]}
    taken = server_bytes(environment) if name == "web" else worker_bytes()
    # What lies in memory counts as well.
    sizes = [re.search(r"size=(\w+)", mount) for mount in said["tmpfs"]]
    in_memory = sum(size_of(size[1]) for size in sizes if size is not None)
    assert in_memory > 0
    assert taken + in_memory <= size_of(said["mem_limit"])


@pytest.mark.parametrize("name", ["web", "worker"])
def test_limits_of_kubernetes_are_enough(name: str) -> None:
    said: dict[str, Any] = of_kind("Deployment")[f"groundglass-{name}"]["spec"]["template"]["spec"]
    environment = {**image().environment, **of_kind("ConfigMap")["groundglass"]["data"]}
    taken = server_bytes(environment) if name == "web" else worker_bytes()
    # These folders lie on disk, else they would count.
    assert not [volume for volume in said["volumes"] if volume.get("emptyDir", {}).get("medium")]
    (container,) = said["containers"]
    assert taken <= size_of(container["resources"]["limits"]["memory"])
