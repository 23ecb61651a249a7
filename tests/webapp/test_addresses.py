from __future__ import annotations

import pytest

from webapp.addresses import client_of, is_in, is_loopback, read_networks


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("10.200.0.1", True),
        ("11.0.0.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_an_address_is_in_its_network(address: str, inside: bool) -> None:
    assert is_in(address, read_networks("127.0.0.1, 10.0.0.0/8,2001:db8::/32")) == inside


def test_nobody_is_in_no_network() -> None:
    assert not is_in("127.0.0.1", read_networks(""))


@pytest.mark.parametrize("text", ["proxy", "10.0.0.1/8", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("/")[0]):
        read_networks(text)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("ct.example", False),
        ("", False),
    ],
)
def test_only_loopback_is_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone


def test_an_ipv6_client_is_its_network() -> None:
    assert client_of("2001:db8:0:1::5") == client_of("2001:db8:0:1:ffff::") == "2001:db8:0:1::/64"
    assert client_of("2001:db8:0:2::5") != client_of("2001:db8:0:1::5")
    assert client_of("192.0.2.7") == client_of("::ffff:192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize("address", ["192.0.2.7:50000", "192.0.2.7:1", "[::ffff:192.0.2.7]:443", "192.0.2.7"])
def test_a_client_is_the_same_from_each_of_its_ports(address: str) -> None:
    assert client_of(address) == "192.0.2.7"


def test_all_that_is_no_address_is_one_client() -> None:
    assert client_of("what") == client_of("_hidden:1") == client_of("") == "unknown"
