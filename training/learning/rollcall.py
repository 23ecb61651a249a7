"""Several processes find each other before they train: one listens, the others report to it.

JAX ends a process with a crash report where one is missing; here each of them gets a sentence instead.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import NoReturn

Address = tuple[str, int]
"""Host and port."""

PAUSE = 0.2
"""Seconds between two attempts to reach the first process."""

GO = "go"


def call_the_roll(address: Address, process: int, processes: int, *, seconds: float) -> None:
    """Return in each of several processes once all of them are there; the address is free again then.

    Parameters
    ----------
    address : where the first process listens.
    process : number of this one; 0 listens.
    seconds : how long to wait.

    Raises
    ------
    ConnectionError : some are missing, two have one number, or they disagree on how many there are.
    """
    _check(address)
    if process == 0:
        _listen(address, processes, time.monotonic() + seconds)
    else:
        _report(address, process, processes, seconds)


def _check(address: Address) -> None:
    try:
        address[0].encode("idna")
    except UnicodeError as exc:
        raise ConnectionError(f"{address[0]!r} cannot be the name of a machine: check the address") from exc


def _listen(address: Address, processes: int, until: float) -> None:
    present: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_open(address))
        while len(present) < processes - 1:
            found = _accept(server, until)
            if found is None:
                missing = [str(number) for number in range(1, processes) if number not in present]
                _end(present, f"of {processes} processes no. {', '.join(missing)} did not come: start all of them")
            stack.enter_context(found)
            _admit(found, present, processes, until)
        for one in present.values():
            _say(one, GO)


def _open(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        return socket.create_server(address, family=family)
    except OSError as exc:
        raise ConnectionError(
            f"cannot listen at {_name(address)} ({exc.strerror}): process 0 runs on the machine of the coordinator's"
            " address, at a port that nothing else uses"
        ) from exc


def _accept(server: socket.socket, until: float) -> socket.socket | None:
    """Return who comes next, None where nobody does in time."""
    server.settimeout(max(0.001, until - time.monotonic()))
    try:
        return server.accept()[0]
    except TimeoutError:
        return None


def _admit(found: socket.socket, present: dict[int, socket.socket], processes: int, until: float) -> None:
    """Take somebody in by what it says of itself; what says something else is no process of ours."""
    words = _hear(found, until).split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return
    number, count = map(int, words)
    if count != processes:
        _end({**present, -1: found}, f"process {number} was started as one of {count}, process 0 as one of {processes}")
    if number in present or not 0 < number < processes:
        _end({**present, -1: found}, f"two processes say that they are no. {number}: give each a number of its own")
    present[number] = found


def _end(present: dict[int, socket.socket], sentence: str) -> NoReturn:
    for one in present.values():
        _say(one, sentence)
    raise ConnectionError(sentence)


def _report(address: Address, process: int, processes: int, seconds: float) -> None:
    with _connect(address, time.monotonic() + seconds) as connection:
        _say(connection, f"{process} {processes}")
        # The first process waits as long as this one, and may have begun just now.
        answer = _hear(connection, time.monotonic() + seconds + 1.0)
    if answer != GO:
        raise ConnectionError(answer or f"process 0 at {_name(address)} went away before all processes were there")


def _connect(address: Address, until: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection(address, timeout=max(0.1, until - time.monotonic()))
        except OSError as exc:
            if time.monotonic() + PAUSE > until:
                raise ConnectionError(
                    f"cannot reach process 0 at {_name(address)} ({exc.strerror or exc}): check the address, start it"
                ) from exc
        time.sleep(PAUSE)


def _say(connection: socket.socket, line: str) -> None:
    # Who has gone meanwhile need not be told.
    with contextlib.suppress(OSError):
        connection.sendall(f"{line}\n".encode())


def _hear(connection: socket.socket, until: float) -> str:
    """Return a line, empty where none comes in time."""
    connection.settimeout(max(0.1, until - time.monotonic()))
    with contextlib.suppress(OSError), connection.makefile("rb") as lines:
        return lines.readline(1000).decode(errors="replace").strip()
    return ""


def _name(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
