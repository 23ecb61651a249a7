"""What gunicorn's threads are not to wait for: the head of a request, and the end of a connection.

gunicorn's own worker gives each connection a thread before the first byte, and lets its main loop wait two seconds for
each client that does not close after an answer. A few hundred connections that do nothing then stop it. Here the main
loop watches both, for as many as there are, and a thread gets a request whose head is there.
"""

from __future__ import annotations

import contextlib
import functools
import selectors
import socket
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from webapp.company import WORKERS

HEAD_START_S = 0.003
"""How long a process waits for another that has less to do: some turns of its threads."""

HEAD_WITHIN_S = 10.0
"""How long the head of a request may take to arrive, and a connection to do nothing."""

LARGEST_HEAD_BYTES = 32 * 1024
"""Browsers send two thousand. gunicorn has bounds of its own for each line; this one is for all of them."""

LINGER_S = 2.0
MOST_LINGERING = 200
_LINGER_CHUNK_BYTES = 64 * 1024
_LINGER_BYTES = 4 * 1024 * 1024

_LEFT_WITHIN_S = 0.1
"""How long a body that nobody read may take to be thrown away; the connection is closed on a longer one."""

_END = b"\r\n\r\n"


class Worker(ThreadWorker):  # type: ignore[misc]  # It states no types.
    """gunicorn's worker with threads, which hold no request that has not begun and no connection that is to end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of connections without a whole head, when they are given up and how many bytes were there at the last look;
        # of those that end, when, and how many bytes may still come. Both in the order of their times.
        self._heads: dict[Any, tuple[float, int]] = {}
        self._ending: dict[socket.socket, tuple[float, int]] = {}

    def accept(self, listener: Any) -> None:
        """Accept a connection, after a process that has fewer slices to read: all listen at one socket."""
        if WORKERS.is_busier():
            time.sleep(HEAD_START_S)
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection to a thread, wait for the head of its request, or close it where its client has."""
        if conn.parser is not None and _has_ended(conn):
            # Between two requests, as most clients do: there is nothing to answer.
            self.nr_conns -= 1
            conn.close()
            return
        heard = _heard(conn)
        if heard is None:
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        _wake_beyond(conn.sock, heard)
        self._heads[conn] = (time.monotonic() + HEAD_WITHIN_S, heard)
        self.poller.register(conn.sock, selectors.EVENT_READ, functools.partial(self._hear, conn))

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Take a connection back from a thread."""
        if fs.cancelled() or fs.exception() is not None or fs.result() is not False:
            super().finish_request(conn, fs)
            return
        self.nr_conns -= 1
        self._end(conn.sock)

    def murder_pending(self) -> None:
        """Give up what takes too long; gunicorn asks for it once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn in [conn for conn, (until, _) in self._heads.items() if until <= now]:
            self._forget(conn)
            self.nr_conns -= 1
            self._end(conn.sock)
        for client in [client for client, (until, _) in self._ending.items() if until <= now]:
            self._close(client)

    def _hear(self, conn: Any, client: socket.socket) -> None:
        until, before = self._heads[conn]
        heard = _heard(conn)
        # Awake without a byte more, since the client has ended: the thread will see it.
        if heard is None or heard == before:
            self._forget(conn)
            super().enqueue_req(conn)
        elif heard > LARGEST_HEAD_BYTES:
            self._forget(conn)
            self.nr_conns -= 1
            self._end(conn.sock)
        else:
            _wake_beyond(client, heard)
            self._heads[conn] = (until, heard)

    def _forget(self, conn: Any) -> None:
        del self._heads[conn]
        self.poller.unregister(conn.sock)
        with contextlib.suppress(OSError):
            _wake_beyond(conn.sock, 0)

    def _end(self, client: socket.socket) -> None:
        """Close a connection when the client has, so that it sees the answer before it sees the end (RFC 9112, 9.6)."""
        try:
            client.shutdown(socket.SHUT_WR)
            client.setblocking(False)
            self.poller.register(client, selectors.EVENT_READ, self._throw_away)
        except (OSError, ValueError, KeyError):
            client.close()
            return
        if len(self._ending) >= MOST_LINGERING:
            self._close(next(iter(self._ending)))
        self._ending[client] = (time.monotonic() + LINGER_S, _LINGER_BYTES)

    def _throw_away(self, client: socket.socket) -> None:
        until, left = self._ending[client]
        try:
            left -= len(client.recv(_LINGER_CHUNK_BYTES)) or left
        except BlockingIOError:
            return
        except OSError:
            left = 0
        if left > 0:
            self._ending[client] = (until, left)
        else:
            self._close(client)

    def _close(self, client: socket.socket) -> None:
        del self._ending[client]
        self.poller.unregister(client)
        client.close()

    def _keepalive_after(self, conn: Any, keepalive: Any) -> bool:
        """Whether a connection serves for another request: not where most of this one's body is still to come."""
        return bool(keepalive) and bool(conn.parser.finish_body(deadline=time.monotonic() + _LEFT_WITHIN_S))


def _has_ended(conn: Any) -> bool:
    """Whether a client has closed its side, and nothing of another request is there."""
    if _read_ahead(conn):
        return False
    try:
        return bool(conn.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
    except OSError:
        # A thread will see what it is, where it is more than that nothing has come yet.
        return False


def _read_ahead(conn: Any) -> bytes:
    return b"" if conn.parser is None else bytes(conn.parser.unreader.buf.getvalue())


def _heard(conn: Any) -> int | None:
    """Return how many bytes of an unfinished head wait in the socket; None where a thread need not wait for more."""
    read_ahead = _read_ahead(conn)
    try:
        waiting = conn.sock.recv(LARGEST_HEAD_BYTES + 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        waiting = None
    except OSError:
        return None
    # Nothing at all, though it could be read, is the client's end.
    return None if waiting == b"" or _END in read_ahead + (waiting or b"") else len(waiting or b"")


def _wake_beyond(client: socket.socket, heard: int) -> None:
    """Let the socket count as readable when more than so many bytes wait in it."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, heard + 1)
