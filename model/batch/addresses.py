"""What people name as source or as --out -> places."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from model.batch.local_place import LocalPlace
from model.batch.place import BadPlace, Place, reason
from model.batch.store_place import StorePlace

STORES = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""Object stores by the beginnings of their addresses, of which each has one here."""


def place_of(address: str) -> Place:
    """Return the place of a path of this machine, or of an address such as s3://bucket/folder.

    Raises
    ------
    BadPlace : it is empty, or begins like an address of something that is not known here; a package is missing; or the
        store cannot be reached.
    """
    protocol, mark, rest = address.partition("://")
    if not mark and address:
        return LocalPlace(Path(address))
    if protocol == "file" and rest:
        return LocalPlace(Path(rest))
    if protocol not in STORES or not rest.strip("/"):
        raise BadPlace(f"{address!r} is no address that can be used: give a path, s3://bucket/folder or gs://…")
    try:
        return StorePlace(STORES[protocol], rest.strip("/"))
    except OSError as exc:
        raise BadPlace(f"{address} cannot be reached: {reason(exc)}.") from exc


def out_of(address: str, sources: Sequence[Place]) -> Place:
    """Return the place that results go to; errors as `place_of`.

    Raises
    ------
    BadPlace : it is a file, or one of the sources.
    """
    out = place_of(address)
    if isinstance(out, LocalPlace) and Path(out.address).is_file():
        raise BadPlace(f"{out.address} is a file: name a folder for the results.")
    if any(_real(source.address) == _real(out.address) for source in sources):
        raise BadPlace(f"{out.address} is read already: name another folder for the results.")
    return out


def places_of(addresses: Sequence[str]) -> list[Place]:
    """Return the places of several addresses in order, without those that lie in another; errors as `place_of`."""
    places = {_real(place.address): place for place in map(place_of, addresses)}
    return [place for real, place in places.items() if not any(_lies_in(real, other) for other in places)]


def _real(address: str) -> str:
    """Return an address without links."""
    return address if "://" in address else os.path.realpath(address)


def _lies_in(real: str, other: str) -> bool:
    return real != other and real.startswith(f"{other.rstrip('/')}/")
