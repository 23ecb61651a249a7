"""Reading a request: the uploaded file and the options, alike for pages and API."""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from flask import Request, current_app
from gunicorn.http.errors import ParseException
from werkzeug.datastructures import FileStorage, MultiDict

from model.decode.kinds import DICOM, HEAD_BYTES, PICTURE, UNKNOWN, ZIP, SourceFile, kind_of
from model.decode.picture import MAX_FILE_MB, several_zips
from model.decode.picture import several_pictures as too_many_pictures
from model.errors import BrokenUpload, InvalidOption, MissingFile, StorageError, TooLarge
from webapp.jobs.store import Order, upload_names
from webapp.settings import Settings
from webapp.uploads.multipart import FIELD, FORM, NO_FILE_NAME, FormParser
from webapp.uploads.options import PredictOptions, ReadingOptions
from webapp.uploads.spool import Spool

log = logging.getLogger(__name__)

SETTINGS_EXTENSION = "groundglass-settings"
_LONGEST_NAME = 80

MAX_PICTURES = 20
"""Most pictures that are read in one upload: so many are read in half a minute, in quality mode in two."""

_IN_MEMORY_BYTES = 8_000_000

# RFC 2046 allows 70; some clients write a few more.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,200}")
_SOME_BOUNDARY = re.compile(r""";\s*boundary="?[^\s;"]""", re.IGNORECASE)
_SHOWN_LETTERS = 20

_WHOLE = re.compile(r"[0-9]{1,9}")


class UploadRequest(Request):
    """A request whose files go to disk where the whole of it is large: a series is hundreds of small files."""

    form_data_parser_class = FormParser

    _spool: Spool | None = None

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if total_content_length is None or total_content_length > _IN_MEMORY_BYTES:
            self._spool = self._spool or Spool()
            return cast("IO[bytes]", self._spool.part())
        return BytesIO()

    def close(self) -> None:
        """Give back what the files lie in."""
        super().close()
        if self._spool is not None:
            self._spool.close()


@dataclass(frozen=True)
class Upload:
    """The uploaded files, and a name made safe to show for each of them and for all."""

    files: tuple[FileStorage, ...]
    names: tuple[str, ...]

    @property
    def shown_name(self) -> str:
        """Return the name of the only file, or how many there are."""
        return self.names[0] if len(self.names) == 1 else f"{len(self.names)} files"

    @property
    def is_picture(self) -> bool:
        """Whether it is one file that can only be a picture, if anything: those are read at once, in memory."""
        return len(self.files) == 1 and self.kinds <= {PICTURE, UNKNOWN}

    @property
    def is_dicom_file(self) -> bool:
        """Whether it is one DICOM file."""
        return len(self.files) == 1 and self.kinds == {DICOM}

    @property
    def is_several_pictures(self) -> bool:
        """Whether there are several files, at least one of them a picture, and the others nothing that is known."""
        return len(self.files) > 1 and PICTURE in self.kinds <= {PICTURE, UNKNOWN}

    @cached_property
    def kinds(self) -> set[str]:
        """What the files are, by their first bytes."""
        return {_kind(file) for file in self.files}

    def read(self) -> bytes:
        """Return the content of the only file.

        Raises
        ------
        TooLarge : it has more bytes than are read of a picture.
        """
        data = self.files[0].stream.read(MAX_FILE_MB * 1_000_000 + 1)
        if len(data) > MAX_FILE_MB * 1_000_000:
            raise TooLarge(f"The picture has more than {MAX_FILE_MB} MB, the most that is read of one.")
        return data

    def save(self, folder: Path) -> list[SourceFile]:
        """Write the files into a folder, under numbers."""
        folder.mkdir(mode=0o700, parents=True)
        paths = [folder / name for name in upload_names(self.names)]
        for file, path in zip(self.files, paths, strict=True):
            file.save(path)
        return [SourceFile(path, name) for path, name in zip(paths, self.names, strict=True)]


def _kind(file: FileStorage) -> str:
    head = file.stream.read(HEAD_BYTES)
    file.stream.seek(0)
    return kind_of(head)


def current_settings() -> Settings:
    """Return the settings of the current app."""
    settings: Settings = current_app.extensions[SETTINGS_EXTENSION]
    return settings


_OURS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
    }
)
"""What goes wrong with files of ours, and never with a client's connection."""


@contextlib.contextmanager
def on_disk() -> Iterator[None]:
    """Tell a disk that is full, say, from an upload that broke off.

    Raises
    ------
    StorageError : files cannot be written or opened in the block.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno not in _OURS:
            raise
        log.error("an upload cannot be kept in the folder for temporary files: %s", exc.strerror)
        raise StorageError("The server has no room for this upload now. Try again later.") from exc


def read_form(request: Request) -> None:
    """Read the body of a request, whose fields and files can then be asked for.

    Raises
    ------
    BrokenUpload : the request ended early, is no proper form, or is compressed.
    MissingFile, TooLarge : see `webapp.uploads.multipart`.
    StorageError : it cannot be kept.
    """
    _require_readable(request)
    try:
        with on_disk():
            _ = request.form
    except (OSError, ParseException) as exc:
        # The client is gone, or gunicorn met a malformed body while Flask read it.
        raise BrokenUpload("The upload broke off or is no proper form. Send it again.") from exc


def _require_readable(request: Request) -> None:
    """Refuse a form that cannot be taken apart, by its headers alone."""
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if {name.strip() for name in coding.split(",")} - {"", "identity"}:
        raise BrokenUpload(
            f"The request is compressed as a whole (Content-Encoding: {coding[:_SHOWN_LETTERS]}), which is not read. "
            "Send it without; files that are compressed themselves, .nii.gz or .zip, are read."
        )
    if request.mimetype != FORM:
        return
    boundary = request.mimetype_params.get("boundary", "").strip()
    if not _BOUNDARY.fullmatch(boundary):
        shown = f"is {boundary[:_SHOWN_LETTERS]!r}, of {len(boundary)} characters" if boundary else "is missing"
        if not boundary and _SOME_BOUNDARY.search(request.headers.get("Content-Type", "")):
            # One of other letters Werkzeug passes over.
            shown = "cannot be read"
        raise BrokenUpload(
            f"The boundary of the form, in the header Content-Type, {shown}. It must be 1 to 200 letters, digits and "
            "such; let your HTTP library choose it."
        )


def read_upload(request: Request, *, several_pictures: bool = False) -> Upload:
    """Return the files in the multipart field "file".

    several_pictures : whether up to MAX_PICTURES are taken at once.

    Raises
    ------
    MissingFile : no such field, or no file was chosen.
    BrokenUpload : the request ended early or is no proper form.
    NotAnImage : there are several files, all of them zip files, or all of them pictures where only one is taken.
    TooLarge : there are more than MAX_PICTURES pictures.
    """
    read_form(request)
    files = [file for file in request.files.getlist(FIELD) if file.filename]
    if not files and FIELD in request.form:
        raise MissingFile(NO_FILE_NAME)
    if not files:
        raise MissingFile(
            f'No file was sent. Choose a CT slice; programs send it as multipart/form-data in the field "{FIELD}", '
            "its name in UTF-8."
        )
    upload = Upload(tuple(files), tuple(_shown_name(file.filename or "") for file in files))
    if len(files) > 1 and upload.kinds == {PICTURE} and not several_pictures:
        raise too_many_pictures(len(files))
    if several_pictures and upload.is_several_pictures and len(files) > MAX_PICTURES:
        raise TooLarge(f"{len(files)} pictures were sent; up to {MAX_PICTURES} are read at once. Send fewer at a time.")
    if len(files) > 1 and upload.kinds == {ZIP}:
        raise several_zips(len(files))
    return upload


def read_number(request: Request, name: str, *, least: int, most: int, otherwise: int) -> int:
    """Return a whole number of the address, brought into its range; `otherwise` where it is none."""
    text = request.args.get(name, "")
    return min(max(int(text), least), most) if _WHOLE.fullmatch(text) else otherwise


def read_form_options(request: Request) -> ReadingOptions:
    """Return the options of the page's form; a field that was left empty is not given.

    Raises
    ------
    InvalidOption : see `webapp.uploads.options`; the address or the form has two values of an option.
    """
    given = {name: text for name, text in _given(request).items() if text and name in ReadingOptions.model_fields}
    return ReadingOptions.model_validate(_with_defaults(given))


def read_predict_options(request: Request) -> PredictOptions:
    """Return the options of the address, or else of the form, of a program's request.

    Raises
    ------
    InvalidOption : see `webapp.uploads.options`; an option does not exist, or address or form have two values of it.
    """
    sent = [(name, text) for name, texts in request.values.lists() for text in texts if name != FIELD]
    for name, text in sent:
        # Those too that another goes before: a mistake is none the less one.
        PredictOptions.model_validate({name: text})
    best = request.accept_mimetypes.best_match(["image/png", "application/json"], default="image/png")
    by_accept = "json" if best == "application/json" else "overlay"
    return PredictOptions.model_validate(_with_defaults({"output": by_accept, **_given(request)}))


def _given(request: Request) -> dict[str, str]:
    """Return options by name: those of the address go before those of the form."""
    return _one_each(request.form) | _one_each(request.args)


def _one_each(sent: MultiDict[str, str]) -> dict[str, str]:
    """Return options by name; one that is sent again must say the same, since nobody knows which was meant."""
    for name, texts in sent.lists():
        other = next((text for text in texts if text != texts[0]), None)
        if other is not None and name != FIELD:
            raise InvalidOption(f"The option {name} is both {texts[0][:20]!r} and {other[:20]!r}. Send one of them.")
    return {name: text for name, text in sent.items() if name != FIELD}


def _with_defaults(given: Mapping[str, str]) -> dict[str, str]:
    """Add what the settings say of options that were not given."""
    return {"threshold": str(current_settings().threshold), **given}


def order_of(upload: Upload, options: ReadingOptions, *, each_picture: bool = False) -> Order:
    """Return how the files of an upload are to be read.

    each_picture : whether several pictures are each read by themselves.
    """
    return Order(
        shown_name=upload.shown_name,
        names=upload.names,
        threshold=options.threshold,
        quality=options.quality,
        as_picture=options.picture,
        patient=options.patient,
        each_picture=each_picture,
        force=options.force,
    )


def _shown_name(filename: str) -> str:
    """Return a file name without folders, control characters and marks that reverse the writing direction."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    visible = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C").strip() or "slice"
    return visible if len(visible) <= _LONGEST_NAME else visible[: _LONGEST_NAME - 1] + "…"
