"""All doors, in the order in which a request goes through them."""

from __future__ import annotations

from flask import Flask

from webapp.doors import access, cookies, forgery, headers, hosts, proxies, rates
from webapp.settings import Settings


def init_app(app: Flask, settings: Settings) -> None:
    """Put the doors in.

    Raises
    ------
    ValueError : the secret key can be neither read nor made, or the file of keys cannot be read.
    """
    hosts.init_app(app, settings)
    proxies.init_app(app, settings)
    cookies.init_app(app, settings)
    access.init_app(app, settings)
    rates.init_app(app, settings)
    forgery.init_app(app)
    headers.init_app(app)
