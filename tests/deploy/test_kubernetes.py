from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from flask import Flask

from app import create_app
from tests.deploy.examples import ROOT, are_settings, cluster, compose, image, of_kind

VERSION = "1.37"
OURS = ("groundglass-web", "groundglass-worker")
DEPLOYMENTS = (*OURS, "groundglass-redis")


def pod(name: str) -> dict[str, Any]:
    return dict(of_kind("Deployment")[name]["spec"]["template"]["spec"])


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return dict(only)


def settings() -> dict[str, str]:
    (said,) = of_kind("ConfigMap").values()
    return dict(said["data"])


@pytest.mark.parametrize(
    "document", cluster(), ids=lambda document: f"{document['kind']}-{document['metadata']['name']}"
)
def test_it_is_valid_by_the_schema_of_kubernetes(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_mistake_is_seen() -> None:
    document = copy.deepcopy(of_kind("Deployment")["groundglass-web"])
    document["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        kubernetes_validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    assert container(name)["envFrom"] == [{"configMapRef": {"name": "groundglass"}}]
    assert are_settings({**image().environment, **settings()})
    # A Service would make variables that begin like settings.
    assert pod(name)["enableServiceLinks"] is False


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A server that answers to the names of the manifest."""
    results = tmp_path_factory.mktemp("results")
    return create_app({"results": results, "hosts": settings()["GROUNDGLASS_HOSTS"], "secret_key": "s" * 32})


def probes(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((key, probe) for key, probe in container(name).items() if key.endswith("Probe"))


def test_probes_ask_for_what_the_server_answers(app: Flask) -> None:
    asked = {}
    for key, probe in probes("groundglass-web"):
        headers = {header["name"]: header["value"] for header in probe["httpGet"]["httpHeaders"]}
        assert app.test_client().get(probe["httpGet"]["path"], headers=headers).status_code == 200
        asked[key] = probe["httpGet"]["path"]
    # A server that cannot load its weights is asked no longer, but not started again and again.
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_without_the_probes_name_the_server_refuses_them(app: Flask) -> None:
    assert app.test_client().get("/healthz", headers={"Host": "10.244.0.7:8000"}).status_code == 400


def test_ports_are_those_of_the_image() -> None:
    (port,) = container("groundglass-web")["ports"]
    assert (port["containerPort"],) == image().ports
    assert of_kind("Service")["groundglass-web"]["spec"]["ports"][0]["targetPort"] == port["name"]
    for _, probe in probes("groundglass-web"):
        assert probe["httpGet"]["port"] == port["name"]


@pytest.mark.parametrize("name", OURS)
def test_the_user_is_that_of_the_image(name: str) -> None:
    said = pod(name)["securityContext"]
    assert f"{said['runAsUser']}:{said['runAsGroup']}" == image().user
    # By which the volume is theirs.
    assert said["fsGroup"] == said["runAsGroup"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_pods_are_restricted(name: str) -> None:
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(container(name)["resources"]["requests"])
    assert "memory" in container(name)["resources"]["limits"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod(name))


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_images_are_pinned(name: str) -> None:
    assert re.search(r":\d+\.\d+", container(name)["image"])


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_labels_and_volumes_fit_together(name: str) -> None:
    said = of_kind("Deployment")[name]["spec"]
    assert said["selector"]["matchLabels"] == said["template"]["metadata"]["labels"]
    volumes = {volume["name"] for volume in pod(name).get("volumes", [])}
    assert {mount["name"] for mount in container(name).get("volumeMounts", [])} == volumes
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod(name).get("volumes", [])
        if "persistentVolumeClaim" in volume
    }
    assert claims <= set(of_kind("PersistentVolumeClaim"))


@pytest.mark.parametrize("name", OURS)
def test_they_share_the_image_s_volume(name: str) -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in container(name)["volumeMounts"]}
    assert {*image().volumes, "/tmp"} <= set(mounts)
    assert of_kind("PersistentVolumeClaim")["groundglass"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_secrets_are_given_to_the_server_alone_and_are_not_in_the_manifest() -> None:
    assert not of_kind("Secret")
    (secrets,) = [mount for mount in container("groundglass-web")["volumeMounts"] if mount["name"] == "secrets"]
    assert secrets["readOnly"] is True
    for name in ("GROUNDGLASS_SECRET_KEY_FILE", "GROUNDGLASS_API_KEYS_FILE"):
        assert settings()[name].startswith(f"{secrets['mountPath']}/")
    assert "secrets" not in {mount["name"] for mount in container("groundglass-worker")["volumeMounts"]}


def test_services_and_policies_are_for_pods_that_there_are() -> None:
    labels = [said["spec"]["template"]["metadata"]["labels"] for said in of_kind("Deployment").values()]
    for service in of_kind("Service").values():
        assert service["spec"]["selector"] in labels
    for policy in of_kind("NetworkPolicy").values():
        assert policy["spec"]["podSelector"]["matchLabels"] in labels
    assert set(of_kind("NetworkPolicy")) == set(DEPLOYMENTS)


def test_redis_is_that_of_compose_under_the_name_of_its_service() -> None:
    said = compose()["services"]["redis"]
    assert container("groundglass-redis")["image"] == said["image"]
    assert container("groundglass-redis")["command"] == said["command"]
    assert settings()["REDIS_URL"].startswith("redis://groundglass-redis:6379")
    assert of_kind("Service")["groundglass-redis"]["spec"]["ports"][0]["port"] == 6379
    context = pod("groundglass-redis")["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == said["user"]


def test_the_worker_runs_what_compose_runs() -> None:
    assert container("groundglass-worker")["command"] == compose()["services"]["worker"]["command"]
    assert not {"command", "args"} & set(container("groundglass-web"))


@pytest.mark.parametrize("name", OURS)
def test_they_have_time_to_stop(name: str) -> None:
    graceful = re.search(r"^graceful_timeout = (\d+)$", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert graceful is not None
    assert pod(name)["terminationGracePeriodSeconds"] > int(graceful[1])
