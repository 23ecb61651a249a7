"""Several pictures in one upload: each becomes a result of its own, and the job's own result lists them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.decode.kinds import SourceFile
from model.errors import InputError
from webapp import words
from webapp.jobs.attempt import Attempt
from webapp.results import ResultStore, read_owner, write_owner, write_result

Details = dict[str, Any]

ReadPicture = Callable[[SourceFile, Path], tuple[Details, dict[str, bytes]]]
"""Reads one picture, with a folder for what is unpacked; returns what `webapp.jobs.work.picture_result` does."""


def read_pictures(sources: Sequence[SourceFile], shown_name: str, attempt: Attempt, read_one: ReadPicture) -> None:
    """Read pictures one after the other; what cannot be read is left, with the reason.

    Results lie in the attempt's own room until all are read: one that is cut off while it reads leaves none behind. One
    that dies in the moment between their appearance and the end of the job leaves results that no list names; they are
    deleted when their time is over, as all are.
    """
    drafts: list[tuple[Path, Details]] = []
    left: list[dict[str, str]] = []
    for number, source in enumerate(sources):
        attempt.progress(number, len(sources))
        draft = attempt.scratch / f"picture-{number}"
        try:
            details, pictures = read_one(source, attempt.scratch / f"unpacked-{number}")
        except InputError as exc:
            left.append({"name": source.name, "sentence": str(exc)})
        else:
            draft.mkdir(mode=0o700, parents=True)
            write_owner(draft, read_owner(attempt.folder))
            write_result(draft, details, pictures)
            drafts.append((draft, details))
    attempt.progress(len(sources), len(sources))
    # How long it keeps them is for others to say.
    store = ResultStore(attempt.folder.parent, lifetime_s=math.inf)
    read = [_line(store.adopt(draft), details) for draft, details in drafts]
    write_result(attempt.made, {"name": shown_name, "pictures": read, "left": left}, {})


def _finding(details: Mapping[str, Any]) -> str:
    """Return what one picture shows, or why it was not read as a chest CT."""
    recognition = details["recognition"]
    return str(recognition["sentence"]) if recognition["refused"] else words.summary(details["measurements"])


def _line(result_id: str, details: Mapping[str, Any]) -> Details:
    """Return what the list says of one picture."""
    return {
        "result_id": result_id,
        "name": details["name"],
        "sentence": _finding(details),
        "lesion_count": details["measurements"]["lesion_count"],
        "recognition": details["recognition"],
        "notes": details["notes"],
    }
