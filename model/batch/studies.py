"""A study of a batch: its files, its name, and what its row must have been made of to count as done."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any, Self

from model.batch.headers import FILE, FOLDER, SERIES


@dataclass(frozen=True)
class Study:
    """What is read as one: a picture, a volume's file, the files of a series; or what cannot be read at all.

    source : address of the place that it lies in. kind : see `model.batch.headers`.
    paths, versions : of its files, in order of the paths. key : what it is known by in its source.
    problem : why it cannot be read; empty where that is not known yet.
    """

    source: str
    kind: str
    key: str
    paths: tuple[str, ...]
    versions: tuple[str, ...]
    problem: str = ""

    @property
    def name(self) -> str:
        """Return a name for its row and files: alike in each run, another for each study, and good for any system.

        >>> Study("/scans", "picture", "a/Slice 1.png", ("a/Slice 1.png",), ("",)).name
        'a-Slice-1-4efbd852be0b6b35'
        """
        # Not by the paths of a series, of which there may be more the next time.
        told = self.kind if self.kind == SERIES else self.paths[0]
        words = re.sub(r"[^0-9A-Za-z]+", "-", re.sub(r"(\.nii)?\.[0-9A-Za-z]{1,5}$", "", told)).strip("-")
        return f"{words[-60:].strip('-') or 'study'}-{_digest([self.source, self.kind, self.key])}"

    @property
    def is_readable(self) -> bool:
        """Whether there is something to be read."""
        return self.kind not in (FILE, FOLDER)

    @property
    def where(self) -> str:
        """Return where its files lie: the file, or the folder that they share."""
        if len(self.paths) == 1:
            return self.paths[0]
        levels = zip(*(path.split("/")[:-1] for path in self.paths), strict=False)
        shared = takewhile(lambda names: len(set(names)) == 1, levels)
        return "/".join(names[0] for names in shared) or "."

    def version(self, settings: str) -> str:
        """Return what changes with any of its files, and with how it is read."""
        return _digest([settings, self.kind, *self.paths, *self.versions])

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Self:
        """Return a study that was told as plain values."""
        return cls(**told | {"paths": tuple(told["paths"]), "versions": tuple(told["versions"])})


def _digest(parts: list[str]) -> str:
    """Return 16 hexadecimal digits; of a million studies two share theirs with a chance of 1 in 37 million."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
