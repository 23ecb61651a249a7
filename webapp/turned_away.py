"""The one exception of the doors: who asks is told what to do, in a sentence, by a page or by problem details."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class TurnedAway(Exception):
    """A request that is not answered, whatever it asks for; str() of it is the sentence."""

    def __init__(
        self,
        status: HTTPStatus,
        sentence: str,
        *,
        headers: Mapping[str, str] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status, self.headers, self.retry_after_s = status, dict(headers or {}), retry_after_s
