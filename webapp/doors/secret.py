"""The key that signs cookies and tokens: given, or made once and kept. There is no default."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from webapp.settings import LEAST_KEY_LENGTH, Settings

_BYTES = 32


def secret_key(settings: Settings) -> str:
    """Return the key of the settings, or of its file, which is made where it is not there.

    Raises
    ------
    ValueError : the file can be neither read nor made, or holds too little to be a key.
    """
    if settings.secret_key:
        return settings.secret_key
    path = settings.secret_key_file
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(
            f"The secret key can be neither read from {path} nor made there: {exc}. "
            "Make the folder writable, or set GROUNDGLASS_SECRET_KEY_FILE or GROUNDGLASS_SECRET_KEY."
        ) from exc
    if len(key) < LEAST_KEY_LENGTH:
        raise ValueError(
            f"{path} holds no secret key: {len(key)} characters, {LEAST_KEY_LENGTH} are the least. "
            "Delete it, and a new one is made."
        )
    return key


def _make(path: Path) -> None:
    """Write a new key, unless another process does so first: a file appears whole and is never replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            # All workers of a first start come here at once; the first one's key is everybody's.
            pass
    finally:
        draft.unlink()
