from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from model.phantom import phantom_png
from tests.webapp.forms import BROWSER, post_file, token_of
from tests.webapp.scans import nifti
from tests.webapp.test_volumes import queue_of
from webapp.doors.access import OPEN
from webapp.keys import add_key

PROXY = {"REMOTE_ADDR": "10.0.0.1"}


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Keys by the names of their owners."""
    return {name: add_key(tmp_path / "keys", name) for name in ("anna", "bert")}


@pytest.fixture
def shut(tmp_path: Path, keys: dict[str, str]) -> Flask:
    """An app that asks for keys, or for a user whom its proxy names."""
    return create_app(
        {
            "results": tmp_path / "results",
            "api_keys_file": tmp_path / "keys",
            "trusted_proxies": "10.0.0.1",
            "user_header": "X-Remote-User",
        }
    )


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def sign_in(client: FlaskClient, key: str, to: str = "/") -> TestResponse:
    page = client.get("/sign-in", query_string={"next": to}, headers=BROWSER).text
    return client.post("/sign-in", data={"csrf_token": token_of(page), "key": key, "next": to}, headers=BROWSER)


def test_everything_is_shut_but_what_is_named(shut: Flask) -> None:
    client = shut.test_client()
    for rule in shut.url_map.iter_rules():
        built = rule.build({name: "1" for name in rule.arguments})
        assert built is not None
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            answer = client.open(built[1], method=method)
            assert (answer.status_code == 401) == (rule.endpoint not in OPEN), (method, built[1])
    assert client.get("/no-such-page").status_code == 401
    assert client.get("/healthz").status_code == 200


def test_a_program_is_told_what_to_send(shut: Flask) -> None:
    answer = shut.test_client().post("/predict")
    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Groundglass"'
    assert answer.json is not None
    assert "as 'Authorization: Bearer KEY'" in answer.json["detail"]


def test_a_program_with_a_key_is_let_in(shut: Flask, keys: dict[str, str], phantom: bytes) -> None:
    client = shut.test_client()
    assert post_file(client, "/predict", phantom, headers=bearer(keys["anna"])).status_code == 200
    for wrong in ("", keys["anna"][:-1], keys["anna"] + "x", "anna"):
        assert post_file(client, "/predict", phantom, headers=bearer(wrong)).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(shut: Flask, keys: dict[str, str], scheme: str) -> None:
    assert shut.test_client().get("/", headers={"Authorization": f"{scheme} {keys['anna']}"}).status_code == 200


def test_problems_lead_to_a_page_that_strangers_can_read(shut: Flask) -> None:
    client = shut.test_client()
    problem = client.post("/predict").get_json()
    page, _, section = problem["type"].partition("#")
    answer = client.get(page)
    assert answer.status_code == 200
    assert f'id="{section}"' in answer.text
    assert "Authorization" in answer.text
    assert client.get("/openapi.json").status_code == client.get("/help", headers=BROWSER).status_code == 200


def test_people_are_led_to_the_form_and_back(shut: Flask, keys: dict[str, str]) -> None:
    client = shut.test_client()
    led = client.get("/?a=b", headers=BROWSER)
    assert (led.status_code, led.headers["Location"]) == (303, "/sign-in?next=/?a%3Db")
    answer = sign_in(client, keys["anna"], to="/?a=b")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?a=b")
    page = client.get("/?a=b", headers=BROWSER)
    assert page.status_code == 200
    assert "Sign out" in page.text


def test_an_unknown_key_is_told_on_the_form(shut: Flask) -> None:
    client = shut.test_client()
    answer = sign_in(client, "gg_wrong")
    assert answer.status_code == 403
    assert "The key is not known here." in answer.text
    assert "gg_wrong" not in answer.text
    assert client.get("/", headers=BROWSER).status_code == 303


def test_the_form_asks_for_its_token(shut: Flask, keys: dict[str, str]) -> None:
    assert shut.test_client().post("/sign-in", data={"key": keys["anna"]}).status_code == 400


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "/\tevil", "evil", ""])
def test_nobody_is_led_elsewhere(shut: Flask, keys: dict[str, str], to: str) -> None:
    assert sign_in(shut.test_client(), keys["anna"], to=to).headers["Location"] == "/"


def test_signing_out_holds(shut: Flask, keys: dict[str, str]) -> None:
    client = shut.test_client()
    sign_in(client, keys["anna"])
    token = token_of(client.get("/", headers=BROWSER).text)
    assert client.post("/sign-out", data={"csrf_token": token}, headers=BROWSER).status_code == 303
    assert client.get("/", headers=BROWSER).status_code == 303


def test_a_key_that_is_taken_back_lets_nobody_in(shut: Flask, keys: dict[str, str], tmp_path: Path) -> None:
    client = shut.test_client()
    sign_in(client, keys["anna"])
    assert client.get("/", headers=BROWSER).status_code == 200
    path = tmp_path / "keys"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("anna ")) + "\n")
    assert client.get("/", headers=BROWSER).status_code == 303
    assert client.get("/", headers=bearer(keys["anna"])).status_code == 401
    # A new key of the same name is another.
    add_key(path, "anna")
    assert client.get("/", headers=BROWSER).status_code == 303


def test_whoever_signed_in_is_asked_again_after_a_working_day(
    shut: Flask, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = shut.test_client()
    monkeypatch.setattr("webapp.doors.access.SIGNED_IN_S", -1)
    sign_in(client, keys["anna"])
    assert client.get("/", headers=BROWSER).status_code == 303


def test_keys_that_cannot_be_read_any_more_shut_everybody_out(
    shut: Flask, keys: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "keys").write_text("broken\n")
    with caplog.at_level(logging.ERROR):
        answer = shut.test_client().get("/", headers=bearer(keys["anna"]))
    # By a name of ours: of others the log tells no sentences.
    assert [record.name for record in caplog.records] == ["webapp.doors.access"]
    assert answer.status_code == 503
    assert answer.json is not None
    assert "cannot read who may use it" in answer.json["detail"]
    assert shut.test_client().get("/healthz").status_code == 200


def test_predict_is_not_entered_by_a_cookie(shut: Flask, keys: dict[str, str], phantom: bytes) -> None:
    client = shut.test_client()
    sign_in(client, keys["anna"])
    assert post_file(client, "/predict", phantom).status_code == 401


def test_a_user_whom_the_proxy_names_is_let_in(shut: Flask) -> None:
    client, named = shut.test_client(), {"X-Remote-User": "carl"}
    assert client.get("/", headers=named, environ_base=PROXY).status_code == 200
    assert client.get("/", headers=named).status_code == 401
    assert client.get("/", headers={"X-Remote-User": ""}, environ_base=PROXY).status_code == 401


def test_behind_a_proxy_alone_there_is_no_form(tmp_path: Path) -> None:
    app = create_app({"results": tmp_path / "results", "trusted_proxies": "10.0.0.1", "user_header": "X-Remote-User"})
    answer = app.test_client().get("/", headers=BROWSER)
    assert answer.status_code == 401
    assert "Open it at the proxy&#39;s address." in answer.text
    assert app.test_client().get("/sign-in", headers=BROWSER).status_code == 404


Send = Callable[[FlaskClient, dict[str, str]], str]


def send_slice(client: FlaskClient, who: dict[str, str]) -> str:
    page = client.get("/", headers=who).text
    form = {"phantom": "one", "csrf_token": token_of(page)}
    return client.post("/upload", data=form, headers=who).headers["Location"]


def send_volume(client: FlaskClient, who: dict[str, str]) -> str:
    form = {"file": (io.BytesIO(nifti("none", "one")), "a.nii")}
    address = client.post("/predict", data=form, headers=who).headers["Location"]
    queue_of(client.application).work_once()
    return address


def send_pictures(client: FlaskClient, who: dict[str, str]) -> str:
    """Send two pictures; return the address of what became of the first."""
    page = client.get("/", headers=who).text
    files = [(io.BytesIO(phantom_png("one")), f"{name}.png") for name in ("a", "b")]
    form = {"file": files, "csrf_token": token_of(page)}
    address = client.post("/upload", data=form, headers=who | BROWSER).headers["Location"]
    queue_of(client.application).work_once()
    listed = client.get(address, headers=who | BROWSER).text
    return "/results/" + listed.partition('href="/results/')[2].partition('"')[0]


def told(answer: TestResponse) -> dict[str, object]:
    """Return the problem, less the number of the request."""
    assert answer.json is not None
    return {name: value for name, value in answer.json.items() if name != "instance"}


@pytest.mark.parametrize("send", [send_slice, send_volume, send_pictures])
def test_what_others_made_is_not_there(shut: Flask, keys: dict[str, str], send: Send) -> None:
    client = shut.test_client()
    address = send(client, bearer(keys["anna"]))
    mine, another = (client.get(address, headers=bearer(keys[name])) for name in ("anna", "bert"))
    nobodys = client.get(address[: -len(address.rpartition("/")[2])] + "f" * 32, headers=bearer(keys["bert"]))
    assert mine.status_code == 200
    assert another.status_code == 404
    assert told(another) == told(nobodys)
    # Nor is it for a proxy's user of the same name.
    assert client.get(address, headers={"X-Remote-User": "anna"}, environ_base=PROXY).status_code == 404


def test_every_part_of_a_result_is_its_makers_alone(shut: Flask, keys: dict[str, str]) -> None:
    client = shut.test_client()
    result_id = send_volume(client, bearer(keys["anna"])).rpartition("/")[2]
    parts = {"number": "1", "kind": "overlay", "name": "report.pdf", "result_id": result_id}
    seen = 0
    for rule in shut.url_map.iter_rules():
        if not str(rule).startswith(("/results/", "/jobs/")) or "GET" not in (rule.methods or ()):
            continue
        built = rule.build({name: parts[name] for name in rule.arguments})
        assert built is not None
        assert "result_id" in rule.arguments, f"{rule} would be open to all"
        assert client.get(built[1], headers=bearer(keys["bert"])).status_code == 404, built[1]
        with client.get(built[1], headers=bearer(keys["anna"])) as answer:
            seen += answer.status_code == 200
    assert seen >= 3


def test_a_result_from_before_keys_were_asked_for_is_nobodys(
    shut: Flask, app: Flask, keys: dict[str, str], phantom: bytes
) -> None:
    address = post_file(app.test_client(), "/upload", phantom).headers["Location"]
    assert shut.extensions["groundglass-results"].details(address.rpartition("/")[2]) is not None
    assert shut.test_client().get(address, headers=bearer(keys["anna"])).status_code == 404
