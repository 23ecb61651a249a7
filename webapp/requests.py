"""Reading a request: the uploaded file and the options, alike for pages and API."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from flask import Request, current_app
from gunicorn.http.errors import ParseException

from model.errors import BrokenUpload, InvalidOption, MissingFile
from model.threshold import parse_threshold
from webapp.settings import Settings

FIELD = "file"
SETTINGS_EXTENSION = "groundglass-settings"
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Upload:
    """One uploaded file: its bytes, and its name made safe to show."""

    data: bytes
    shown_name: str


def current_settings() -> Settings:
    """Return the settings of the current app."""
    settings: Settings = current_app.extensions[SETTINGS_EXTENSION]
    return settings


def read_upload(request: Request) -> Upload:
    """Return the file in the multipart field "file".

    Raises
    ------
    MissingFile : no such field, or no file was chosen.
    BrokenUpload : the request ended early or is no proper form.
    InvalidOption : there is more than one file.
    """
    try:
        files = [file for file in request.files.getlist(FIELD) if file.filename]
    except (OSError, ParseException) as exc:
        # The client is gone, or gunicorn met a malformed body while Flask read it.
        raise BrokenUpload("The upload broke off or is no proper form. Send it again.") from exc
    if not files:
        raise MissingFile(
            # Werkzeug drops a form whole where a name in it is not UTF-8.
            f'No file was sent. Choose a CT slice; programs send it as multipart/form-data in the field "{FIELD}", '
            "its name in UTF-8."
        )
    if len(files) > 1:
        raise InvalidOption(f"{len(files)} files were sent. Send one slice at a time.")
    return Upload(files[0].stream.read(), _shown_name(files[0].filename or ""))


def read_threshold(request: Request) -> float:
    """Return the option "threshold" of the form or the address, or the default.

    Raises
    ------
    InvalidOption : it is no number above 0 and below 1.
    """
    text = request.values.get("threshold", "")
    return parse_threshold(text) if text else current_settings().threshold


def read_quality(request: Request) -> bool:
    """Return the option "quality" of the form or the address: several looks are averaged where it is 1.

    Raises
    ------
    InvalidOption : it is neither 1 nor 0.
    """
    text = request.values.get("quality", "") or "0"
    if text not in ("0", "1"):
        raise InvalidOption(f"The option quality is {text[:20]!r}; it can be 1 (four looks, slower) or 0.")
    return text == "1"


def _shown_name(filename: str) -> str:
    """Return a file name without folders, control characters and marks that reverse the writing direction."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    visible = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C").strip() or "slice"
    return visible if len(visible) <= _LONGEST_NAME else visible[: _LONGEST_NAME - 1] + "…"
