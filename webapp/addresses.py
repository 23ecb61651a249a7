"""Addresses of machines: who is trusted, who is who."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# What a provider gives one customer at least: whoever has one address of it has all.
_IPV6_BITS_OF_A_CLIENT = 64


def read_networks(text: str) -> tuple[Network, ...]:
    """Return the addresses and networks of a list with commas.

    >>> read_networks("127.0.0.1, 10.0.0.0/8")
    (IPv4Network('127.0.0.1/32'), IPv4Network('10.0.0.0/8'))

    Raises
    ------
    ValueError : one is neither.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address is in one of several networks; what is no address is in none."""
    found = _parse(address)
    return found is not None and any(found in network for network in networks)


def is_loopback(host: str) -> bool:
    """Whether what listens at a host can be reached from this machine alone."""
    found = _parse(host)
    return host == "localhost" if found is None else found.is_loopback


def client_of(address: str) -> str:
    """Return what is counted as one client: an IPv4 address, an IPv6 network; all that is no address is one.

    A port, which some proxies add, is no part of it: a client has a new one for each connection.

    >>> client_of("2001:db8:1:2:3:4:5:6"), client_of("[2001:db8:1:2::7]:443"), client_of("192.0.2.1:50000")
    ('2001:db8:1:2::/64', '2001:db8:1:2::/64', '192.0.2.1')
    """
    found = _parse(_without_port(address))
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _IPV6_BITS_OF_A_CLIENT), strict=False))
    return "unknown" if found is None else str(found)


def _without_port(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    # A server that listens on :: sees IPv4 clients in this dress.
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
