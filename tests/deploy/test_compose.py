from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest
from compose_spec import PyOptions, parse_duration

from deploy.compose import read_services, resolved
from tests.deploy.examples import ROOT, are_settings, compose, image

OURS = ("web", "worker")


def text() -> str:
    return (ROOT / "compose.yaml").read_text()


def service(name: str) -> dict[str, Any]:
    return dict(compose()["services"][name])


def check(compose_file: str) -> None:
    """Raise ValueError where a file is none by the Compose Specification."""
    PyOptions(apply_merge=True).from_yaml(resolved(compose_file)).validate()


def test_it_is_valid_by_the_specification() -> None:
    check(text())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("mem_limit: 10g", "mem_limt: 10g"),
        ("networks: [queue]", "networks: [queu]"),
        ("data:/data", "dat:/data"),
        ("interval: 5s", "interval: 5 sek"),
        ("condition: service_healthy", "condition: healthy"),
    ],
)
def test_a_mistake_is_seen(right: str, wrong: str) -> None:
    assert right in text()
    with pytest.raises(ValueError):
        check(text().replace(right, wrong, 1))


def test_a_variable_without_default_is_refused() -> None:
    with pytest.raises(ValueError, match="has no default: '\\$A b'"):
        resolved("a: $A b\nc: d")


def test_services_are_read() -> None:
    services = read_services("services: {a: {command: [b, 1], environment: {C: '${C:-d}'}}, e: {}}")
    assert (services["a"].command, services["a"].environment) == (("b", "1"), {"C": "d"})
    assert (services["e"].command, services["e"].environment) == ((), {})


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    assert are_settings({**image().environment, **service(name)["environment"]})


@pytest.mark.parametrize("name", OURS)
def test_server_and_worker_are_the_image_and_share_its_volume(name: str) -> None:
    said = service(name)
    (volume,) = image().volumes
    assert said["image"] == "groundglass"
    assert said["volumes"] == [f"data:{volume}"]
    assert "user" not in said
    assert said["environment"]["REDIS_URL"].startswith("redis://redis:6379")


def test_the_server_runs_what_the_image_says() -> None:
    assert not {"command", "entrypoint"} & set(service("web"))
    (published,) = service("web")["ports"]
    assert published == f"127.0.0.1:8000:{image().ports[0]}"


def test_the_worker_runs_a_module_that_there_is() -> None:
    assert service("worker")["command"] == ["python", "-m", "webapp.worker"]
    assert importlib.util.find_spec("webapp.worker") is not None
    # The image's asks a server.
    assert service("worker")["healthcheck"] == {"disable": True}


@pytest.mark.parametrize("name", [*OURS, "redis"])
def test_services_may_do_no_more_than_they_must(name: str) -> None:
    said = service(name)
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "tmpfs"} <= set(said)
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(said)


def test_redis_is_pinned_and_for_the_others_alone() -> None:
    said = service("redis")
    assert re.fullmatch(r"redis:7\.2-alpine", said["image"])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", said["user"])
    assert "ports" not in said
    assert said["networks"] == service("worker")["networks"] == ["queue"]
    assert compose()["networks"]["queue"] == {"internal": True}
    assert said["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"]


@pytest.mark.parametrize("name", OURS)
def test_they_wait_until_redis_answers(name: str) -> None:
    assert service(name)["depends_on"]["redis"] == {"condition": "service_healthy"}


def test_the_image_is_built_once_and_never_looked_for_elsewhere() -> None:
    assert [name for name, said in compose()["services"].items() if "build" in said] == ["web"]
    assert service("web")["build"] == "."
    assert service("worker")["pull_policy"] == "never"
    assert "web" in service("worker")["depends_on"]


@pytest.mark.parametrize("name", OURS)
def test_they_have_time_to_stop(name: str) -> None:
    graceful = re.search(r"^graceful_timeout = (\d+)$", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert graceful is not None
    assert parse_duration(service(name)["stop_grace_period"]) > int(graceful[1])


@pytest.mark.parametrize("name", OURS)
def test_an_upload_has_room_in_memory(name: str) -> None:
    size = re.search(r"size=(\d+)g", service(name)["tmpfs"][0])
    assert size is not None
    assert int(size[1]) * 2**30 > 512e6
    assert int(size[1]) < int(service(name)["mem_limit"].removesuffix("g"))
