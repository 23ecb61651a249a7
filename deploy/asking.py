"""A server asked as a program asks it."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin
from urllib.request import Request, urlopen

from benchmarks.serving import multipart

ANSWER_S = 60.0
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Server:
    """A server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def page(self, path: str) -> bytes:
        """Return what is at a path.

        Raises
        ------
        ValueError : the answer is a problem, or none comes.
        """
        return self._ask(Request(urljoin(self.address, path)))[1]

    def overlay(self, picture: bytes) -> bytes:
        """Return the overlay of a slice, as PNG.

        Raises
        ------
        ValueError : the answer is a problem, none comes, or it is no PNG.
        """
        _, answer = self._ask(self._upload(picture))
        if not answer.startswith(PNG_SIGNATURE):
            raise ValueError(f"/predict answers with no PNG: {answer[:80]!r}")
        return answer

    def order(self, volume: bytes) -> str:
        """Have a volume read; return the path of its job.

        Raises
        ------
        ValueError : the answer is a problem, none comes, or it names no job.
        """
        place, answer = self._ask(self._upload(volume))
        if place is None:
            raise ValueError(f"/predict names no job for a volume: {answer[:80]!r}")
        return place

    def job(self, path: str) -> dict[str, Any]:
        """Return where a job stands."""
        said: dict[str, Any] = json.loads(self.page(path))
        return said

    def _upload(self, content: bytes) -> Request:
        body, headers = multipart(content, {})
        return Request(urljoin(self.address, "/predict"), body, headers)

    def _ask(self, request: Request) -> tuple[str | None, bytes]:
        """Return where the answer says that something is, and the answer."""
        try:
            with urlopen(request, timeout=ANSWER_S) as answer:
                return answer.headers["Location"], answer.read()
        except HTTPError as exc:
            with exc:
                raise ValueError(f"{request.full_url} answers {exc.code}: {exc.read(2000)!r}") from exc
        except (URLError, OSError) as exc:
            raise ValueError(f"{request.full_url} does not answer: {exc}") from exc
