"""A multipart form -> its fields and files; of one that cannot be taken apart, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser, MultiPartParser
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData, State

from model.errors import BrokenUpload, MissingFile, TooLarge

FORM = "multipart/form-data"

FIELD = "file"
"""The field with the files of an upload."""

MAX_PARTS = 5_000
"""Most files and fields in one upload: a series has a thousand slices at the most."""

MAX_FIELDS_BYTES = 100_000
"""Most bytes in one field that is no file: options and a token are short."""

NO_FILE_NAME = (
    f'The field "{FIELD}" holds text, and no file. Send the file itself in it, with a file name, and no multipart '
    "within the part."
)

_KILOBYTES = MAX_FIELDS_BYTES // 1000
_CHUNK_BYTES = 64 * 1024
_SHOWN_LETTERS = 20

_NO_PART = (
    "No part of the form that was sent begins with the boundary that its header Content-Type names. Let your HTTP "
    "library write both."
)
_ENDLESS_HEAD = (
    f"A part of the form has a head of more than {_KILOBYTES} kB. Let only its name, file name and type stand there."
)
_LONG_END = f"More than {_KILOBYTES} kB follow the end of the form. Send them as a part of it."
_BROKE_OFF = "The form that was sent broke off: the boundary that ends it is missing. Send it again."
_NAMELESS = "A part of the form does not say which field it is, in a header Content-Disposition. Send it with its name."
_NOT_UTF_8 = "A name in the form is not UTF-8. Rename the file, or let your HTTP library write the name as UTF-8."


class FormParser(FormDataParser):
    """Flask's way to take forms apart; of a multipart form, with a sentence for each thing that can be wrong."""

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return what is left of the stream, the fields, and the files.

        Raises
        ------
        BrokenUpload : it ended early, or is no proper form.
        MissingFile : the field for files holds a long text.
        TooLarge : it has too many parts, or a field that is too long.
        """
        if mimetype != FORM:
            return super().parse(stream, mimetype, content_length, options)
        boundary = (options or {}).get("boundary", "").encode()
        parts = _Parts(MultiPartParser(stream_factory=self.stream_factory), content_length)
        for event in _events(stream, boundary):
            parts.take(event)
        return stream, self.cls(parts.fields), self.cls(parts.files)


class _Parts:
    """The fields and files that have come so far, and the one that is coming."""

    def __init__(self, parser: MultiPartParser, content_length: int | None) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, FileStorage]] = []
        self._parser, self._content_length = parser, content_length
        self._count = 0
        self._part: Field | File | None = None
        self._text = bytearray()
        self._stream: IO[bytes] | None = None

    def take(self, event: Event) -> None:
        """Add what has come next.

        Raises
        ------
        MissingFile, TooLarge : see `FormParser.parse`.
        """
        if isinstance(event, Field | File):
            self._begin(event)
        elif isinstance(event, Data):
            self._add(event.data)
            if not event.more_data:
                self._end()

    def _begin(self, part: Field | File) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise TooLarge(
                f"The upload has more than {MAX_PARTS:,} files and fields, the most that are taken. Send a series as a "
                "zip file, say."
            )
        self._part, self._text, self._stream = part, bytearray(), None
        if isinstance(part, File):
            self._stream = self._parser.start_file_streaming(part, self._content_length)

    def _add(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.write(data)
            return
        self._text += data
        if len(self._text) > MAX_FIELDS_BYTES:
            raise _too_long(self._part.name if self._part else "")

    def _end(self) -> None:
        part = self._part
        if part is None:
            return
        # A part without a name has None.
        name = part.name or ""
        if self._stream is None:
            text = self._text.decode(self._parser.get_part_charset(part.headers), "replace")
            self.fields.append((name, text))
        elif isinstance(part, File):
            self._stream.seek(0)
            self.files.append((name, FileStorage(self._stream, part.filename, name, headers=part.headers)))


def _too_long(name: str) -> MissingFile | TooLarge:
    """Say that a field is too long; one for files was meant to be one."""
    if name == FIELD:
        return MissingFile(NO_FILE_NAME)
    return TooLarge(
        f"The field {name[:_SHOWN_LETTERS]!r} has more than {_KILOBYTES} kB, the most that is taken of one "
        f'that is no file. Send files in the field "{FIELD}", with a file name.'
    )


def _events(stream: IO[bytes], boundary: bytes) -> Iterator[Event]:
    """Yield what comes in a form, in order; nothing of a body without a byte.

    Raises
    ------
    BrokenUpload : it ended early, or is no proper form.
    """
    decoder = MultipartDecoder(boundary, max_form_memory_size=MAX_FIELDS_BYTES)
    data = stream.read(_CHUNK_BYTES)
    if not data:
        return
    while True:
        try:
            # None is the end.
            decoder.receive_data(data or None)
        except RequestEntityTooLarge as exc:
            raise BrokenUpload(_too_much(decoder.state)) from exc
        while not isinstance(event := _next(decoder), NeedData):
            yield event
            if isinstance(event, Epilogue):
                return
        data = stream.read(_CHUNK_BYTES)


def _next(decoder: MultipartDecoder) -> Event:
    try:
        return decoder.next_event()
    except UnicodeDecodeError as exc:
        raise BrokenUpload(_NOT_UTF_8) from exc
    except ValueError as exc:
        if not decoder.complete:
            raise BrokenUpload(_NAMELESS) from exc
        raise BrokenUpload(_NO_PART if decoder.state == State.PREAMBLE else _BROKE_OFF) from exc


def _too_much(state: State) -> str:
    """Say what is longer than the decoder keeps: whatever is no content of a part."""
    return {State.PREAMBLE: _NO_PART, State.EPILOGUE: _LONG_END}.get(state, _ENDLESS_HEAD)
