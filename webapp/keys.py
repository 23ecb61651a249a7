"""Keys by which programs and people show who they are: python -m webapp.keys new NAME

A file has a line for each, its name and the SHA-256 of the key. The key itself is told once, when it is made, and is
kept nowhere. It is 256 random bits, so that nobody finds it from its hash, however fast that is made. To take a key
back, delete its line: that holds at once.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

VARIABLE = "GROUNDGLASS_API_KEYS_FILE"

_PREFIX = "gg_"
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,40}")
_LINE = re.compile(rf"({_NAME.pattern})\s+([0-9a-f]{{64}})")


def hash_of(key: str) -> str:
    """Return what is kept of a key, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> dict[str, str]:
    """Return the hashes of a file by name; empty lines and those that begin with # are for people.

    Raises
    ------
    ValueError : the file cannot be read, or a line is no name with a hash, or has the name of another.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(
            f"The keys in {path} cannot be read: {exc}. Make one: python -m webapp.keys new NAME --file {path}"
        ) from exc
    keys: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None or found[1] in keys:
            # Not the line itself: it may hold a key that was pasted there by mistake.
            raise ValueError(f"Line {number} of {path} must be a name of its own and the SHA-256 of a key")
        keys[found[1]] = found[2]
    return keys


def name_of(key: str, keys: Mapping[str, str]) -> str | None:
    """Return whose key it is, or None; it takes as long for each."""
    asked, found = hash_of(key), None
    for name, kept in keys.items():
        if hmac.compare_digest(asked, kept):
            found = name
    return found


def add_key(path: Path, name: str) -> str:
    """Make a key, write its hash to the end of a file, which is made where it is not there, and return the key.

    Raises
    ------
    ValueError : the name cannot be one, or there is a key of this name, or the file cannot be read, before or after.
    OSError : it cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"A name has up to 40 letters, digits, dots, dashes, _ or @; got {name[:60]!r}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if name in read_keys(path):
            raise ValueError(f"There is a key for {name} in {path} already. Delete its line first to make a new one.")
        key = _PREFIX + secrets.token_urlsafe(32)
        # Editors of people may leave the last line without its end.
        gap = "" if path.read_bytes()[-1:] in (b"", b"\n") else "\n"
        file.write(f"{gap}{name} {hash_of(key)}\n")
        file.flush()
        if name_of(key, read_keys(path)) != name:
            raise ValueError(f"The key for {name} is not in {path} after it was written there. Look at the file.")
    return key


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a key and tell it."""
    parser = argparse.ArgumentParser(prog="python -m webapp.keys", description="Make a key for a person or program.")
    parser.add_argument("action", choices=["new"])
    parser.add_argument("name", help="whose key it is; results belong to this name")
    parser.add_argument("--file", type=Path, default=os.environ.get(VARIABLE), help=f"default: ${VARIABLE}")
    options = parser.parse_args(arguments)
    if options.file is None:
        parser.error(f"name the file with --file, or in {VARIABLE}")
    try:
        key = add_key(options.file, options.name)
    except (ValueError, OSError) as exc:
        sys.exit(str(exc))
    sys.stderr.write(f"Give {options.name} this key; it is not shown again. Its hash is in {options.file}.\n")
    sys.stdout.write(key + "\n")


if __name__ == "__main__":
    main()
