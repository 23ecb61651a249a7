from __future__ import annotations

import pytest
from flask import Flask, request

from webapp.doors import proxies
from webapp.settings import Settings

TRUSTING = Settings(trusted_proxies="10.0.0.0/8", user_header="X-Remote-User")

SAID = {
    "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Remote-User": " anna ",
}


def seen(settings: Settings, peer: str, headers: dict[str, str] = SAID) -> list[object]:
    """Return what an app sees of a request: client, https, host, the user, and the user's header."""
    app = Flask(__name__)
    proxies.init_app(app, settings)

    @app.get("/")
    def look() -> list[object]:
        user = request.environ.get(proxies.USER)
        return [request.remote_addr, request.is_secure, request.host, user, request.headers.get("X-Remote-User")]

    answer = app.test_client().get("/", headers=headers, environ_base={"REMOTE_ADDR": peer}).json
    assert isinstance(answer, list)
    return answer


def test_a_trusted_proxy_is_believed_in_what_it_adds_itself() -> None:
    # Not in what stands before it in the list, nor in the host, both of which the client may have sent.
    assert seen(TRUSTING, "10.1.2.3") == ["198.51.100.7", True, "localhost", "anna", None]


@pytest.mark.parametrize("settings", [TRUSTING, Settings()])
def test_nobody_else_is_believed(settings: Settings) -> None:
    user = None if settings.user_header else " anna "
    assert seen(settings, "192.0.2.1") == ["192.0.2.1", False, "localhost", None, user]


def test_without_words_of_the_proxy_it_is_the_client() -> None:
    assert seen(TRUSTING, "10.1.2.3", {}) == ["10.1.2.3", False, "localhost", "", None]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"trusted_proxies": "nginx"},
            "GROUNDGLASS_TRUSTED_PROXIES must be addresses or networks with commas: 'nginx'",
        ),
        (
            {"trusted_proxies": "10.0.0.1", "user_header": "X User"},
            "GROUNDGLASS_USER_HEADER must be the name of a header",
        ),
        ({"user_header": "X-Remote-User"}, "GROUNDGLASS_USER_HEADER needs GROUNDGLASS_TRUSTED_PROXIES"),
    ],
)
def test_settings_that_would_trust_everybody_are_refused(values: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings(**values)  # type: ignore[arg-type]  # All of them are text.
