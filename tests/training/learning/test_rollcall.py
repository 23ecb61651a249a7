from __future__ import annotations

import contextlib
import socket
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from training.learning.rollcall import Address, call_the_roll


@pytest.fixture
def address() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return "127.0.0.1", int(server.getsockname()[1])


def call(address: Address, *processes: tuple[int, int], seconds: float = 20.0) -> list[str]:
    """Start processes, (number, how many), each in a thread; return what each of them says, "" for nothing."""
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(call_the_roll, address, *process, seconds=seconds) for process in processes]
        return [sentence(one) for one in calls]


def sentence(call: Future[None]) -> str:
    error = call.exception()
    assert error is None or isinstance(error, ConnectionError)
    return "" if error is None else str(error)


def test_all_go_once_all_are_there_and_the_address_is_free_again(address: Address) -> None:
    assert call(address, (2, 3), (0, 3), (1, 3)) == ["", "", ""]
    with socket.create_server(address):
        pass


def test_a_missing_process_is_named_to_all_who_came(address: Address) -> None:
    missing = "of 3 processes no. 2 did not come: start all of them"
    assert call(address, (0, 3), (1, 3), seconds=1.0) == [missing, missing]


def test_a_first_process_that_is_not_there_is_said(address: Address) -> None:
    (said,) = call(address, (1, 2), seconds=0.3)
    assert said.startswith(f"cannot reach process 0 at 127.0.0.1:{address[1]} (")
    assert said.endswith("check the address, start it")


def test_two_of_one_number_are_refused(address: Address) -> None:
    taken = "two processes say that they are no. 1: give each a number of its own"
    assert call(address, (0, 3), (1, 3), (1, 3)) == [taken, taken, taken]


def test_another_count_of_processes_is_refused(address: Address) -> None:
    other = "process 1 was started as one of 3, process 0 as one of 2"
    assert call(address, (0, 2), (1, 3)) == [other, other]


def test_an_address_of_another_machine_is_refused() -> None:
    # Of the block for documentation, RFC 5737.
    (said,) = call(("192.0.2.1", 5000), (0, 2))
    assert said.startswith("cannot listen at 192.0.2.1:5000")


def test_what_cannot_be_a_name_is_refused() -> None:
    assert call(("a..b", 5987), (0, 2), (1, 2)) == ["'a..b' cannot be the name of a machine: check the address"] * 2


def test_a_port_that_is_taken_is_refused(address: Address) -> None:
    with socket.create_server(address):
        (said,) = call(address, (0, 2))
    assert "at a port that nothing else uses" in said


def test_strangers_do_not_count(address: Address) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(call_the_roll, address, 0, 2, seconds=20.0)
        for line in (b"GET / HTTP/1.1\r\n", b"one two\n", b"\xff\xfe\n"):
            while not knock(address, line):
                assert not first.done()
        second = pool.submit(call_the_roll, address, 1, 2, seconds=20.0)
        assert (sentence(first), sentence(second)) == ("", "")


def knock(address: Address, line: bytes) -> bool:
    """Say something and hang up; return whether anybody listened."""
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(address, timeout=5.0) as connection:
        connection.sendall(line)
        return True
    return False
