from __future__ import annotations

import logging
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from tests.webapp.forms import BROWSER, post_file, upload
from webapp.keys import add_key
from webapp.settings import Settings, counters_file


def make(tmp_path: Path, **settings: object) -> Flask:
    return create_app({"results": tmp_path / "results", **settings})


def look(app: Flask, address: str = "192.0.2.1", **headers: str) -> TestResponse:
    return app.test_client().get("/help", headers=headers, environ_base={"REMOTE_ADDR": address})


def test_whoever_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    app = make(tmp_path, rate_look="2/hour")
    assert [look(app).status_code for _ in range(3)] == [200, 200, 429]
    answer = look(app)
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert "Try again in " in answer.json["detail"]
    page = look(app, **BROWSER)
    assert page.status_code == 429
    assert "More was asked for from your address" in page.text


def test_each_client_is_counted_apart(tmp_path: Path) -> None:
    app = make(tmp_path, rate_look="1/hour")
    assert [look(app, address).status_code for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")] == [200, 200, 429]


def test_an_ipv6_client_is_counted_by_its_network(tmp_path: Path) -> None:
    app = make(tmp_path, rate_look="1/hour")
    seen = [look(app, address).status_code for address in ("2001:db8::1", "2001:db8::2:1", "2001:db8:0:1::1")]
    assert seen == [200, 429, 200]


def test_behind_a_proxy_it_is_the_client_that_counts(tmp_path: Path) -> None:
    app = make(tmp_path, rate_look="1/hour", trusted_proxies="10.0.0.1")
    clients = [{"X-Forwarded-For": address} for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]
    assert [look(app, "10.0.0.1", **client).status_code for client in clients] == [200, 200, 429]
    # Who is no proxy cannot count as another.
    assert [look(app, "192.0.2.9", **client).status_code for client in clients[:2]] == [200, 429]


def test_who_is_known_counts_wherever_they_are(tmp_path: Path) -> None:
    keys = {name: add_key(tmp_path / "keys", name) for name in ("anna", "bert")}
    app = make(tmp_path, rate_look="1/hour", api_keys_file=tmp_path / "keys")
    asked = [("anna", "192.0.2.1"), ("bert", "192.0.2.1"), ("anna", "192.0.2.2")]
    seen = [
        app.test_client()
        .get("/", headers={"Authorization": f"Bearer {keys[name]}"}, environ_base={"REMOTE_ADDR": address})
        .status_code
        for name, address in asked
    ]
    assert seen == [200, 200, 429]


def test_sending_and_looking_are_counted_apart(tmp_path: Path, phantom: bytes) -> None:
    client = make(tmp_path, rate_read="1/hour", rate_look="10/hour").test_client()
    assert [post_file(client, "/predict", phantom).status_code for _ in range(2)] == [200, 429]
    assert client.get("/").status_code == 200
    assert post_file(client, "/upload", phantom, headers=BROWSER).status_code == 429


def test_a_report_counts_like_what_is_sent(tmp_path: Path, phantom: bytes) -> None:
    client = make(tmp_path, rate_read="2/hour").test_client()
    address = upload(client, phantom)
    assert [client.get(f"{address}/report.pdf").status_code for _ in range(2)] == [200, 429]
    assert client.get(f"{address}/overlay.png").status_code == 200


def test_keys_cannot_be_tried_for_long(tmp_path: Path) -> None:
    add_key(tmp_path / "keys", "anna")
    client = make(tmp_path, rate_sign_in="2/hour", api_keys_file=tmp_path / "keys").test_client()
    # Without the token of the form, which is asked for after the count.
    assert [client.post("/sign-in").status_code for _ in range(3)] == [400, 400, 429]


def test_strangers_are_counted_by_address_whatever_they_send(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "anna")
    app = make(tmp_path, rate_sign_in="2/hour", rate_look="3/hour", api_keys_file=tmp_path / "keys")
    client = app.test_client()
    assert [client.post("/predict").status_code for _ in range(3)] == [401, 401, 429]
    # A key that is wrong is a try, too; one that is right is let in all the same.
    assert client.get("/colours.json", headers={"Authorization": "Bearer wrong"}).status_code == 429
    assert [client.get("/colours.json").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert client.get("/colours.json", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_the_form_takes_no_upload(tmp_path: Path) -> None:
    add_key(tmp_path / "keys", "anna")
    client = make(tmp_path, api_keys_file=tmp_path / "keys").test_client()
    answer = client.post("/sign-in", data={"key": "x" * 20_000})
    assert answer.status_code == 413
    assert "larger than 16 kB" in answer.get_json()["detail"]
    assert client.post("/sign-in", data={"key": "x" * 1_000}).status_code == 400


def test_what_machines_ask_for_is_not_counted(tmp_path: Path) -> None:
    app = make(tmp_path, rate_look="1/hour")
    for address in ("/healthz", "/readyz", "/static/upload.js") * 3:
        with app.test_client().get(address) as answer:
            assert answer.status_code == 200


def test_rates_can_be_several_or_off(tmp_path: Path) -> None:
    app = make(tmp_path, rate_look="5/minute;2/hour")
    assert [look(app).status_code for _ in range(3)] == [200, 200, 429]
    app = make(tmp_path / "off", rate_look="off")
    assert {look(app).status_code for _ in range(20)} == {200}


def test_the_defaults_let_somebody_page_through_a_long_series() -> None:
    look, per = Settings().rate_look.split("/")
    # Two pictures and the figures of 600 slices, in a minute.
    assert (int(look) >= 3 * 600, per) == (True, "minute")


def test_no_address_is_kept(tmp_path: Path) -> None:
    app = make(tmp_path)
    look(app, "192.0.2.77")
    kept = counters_file(app.extensions["groundglass-settings"]).read_bytes()
    assert b"LIMITER/look/" in kept
    assert b"192.0.2" not in kept


def test_where_nothing_can_be_counted_everybody_is_let_in_and_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = make(tmp_path, rate_look="1/hour")
    counters_file(app.extensions["groundglass-settings"]).mkdir(parents=True)
    with caplog.at_level(logging.ERROR):
        assert [look(app).status_code for _ in range(3)] == [200, 200, 200]
    assert [record.message for record in caplog.records if "nobody is held back" in record.message] == [
        "requests cannot be counted, and nobody is held back: unable to open database file"
    ]


@pytest.mark.parametrize("text", ["", "often", "60", "60/fortnight"])
def test_a_bad_rate_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=rf"GROUNDGLASS_RATE_READ must be rates like 60/minute.*, got '{text}'"):
        Settings(rate_read=text)


def test_with_redis_it_counts_for_all_machines(tmp_path: Path) -> None:
    from limits.storage import RedisStorage

    from webapp.doors import rates

    for address in ("redis://localhost:6379/1", "unix:///run/redis.sock"):
        assert isinstance(rates._storage(Settings(redis_url=address)), RedisStorage)
