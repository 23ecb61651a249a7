"""Which files reach a build, as .dockerignore says: the last pattern that fits a path or a folder above it decides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_PARTS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_SPECIAL = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]")


class Ignored:
    """The patterns of a .dockerignore file."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        self._rules = [_rule(line) for line in lines if line and not line.startswith("#")]

    def leaves_out(self, path: str) -> bool:
        """Whether a file does not reach the build.

        path : from the folder that is built, with slashes.

        >>> rules = Ignored("*\\n!model\\n**/*.py[co]")
        >>> [rules.leaves_out(path) for path in ("a.txt", "model/card.py", "model/a/b.pyc")]
        [True, False, True]
        """
        whole = PurePosixPath(path)
        ways = [str(whole), *(str(above) for above in whole.parents if above.name)]
        is_out = False
        for pattern, brings_back in self._rules:
            if any(pattern.fullmatch(way) for way in ways):
                is_out = not brings_back
        return is_out


def _rule(line: str) -> tuple[re.Pattern[str], bool]:
    brings_back, glob = line.startswith("!"), line.removeprefix("!").strip("/")
    pieces, at = [], 0
    for found in _SPECIAL.finditer(glob):
        pieces += [re.escape(glob[at : found.start()]), _PARTS.get(found[0], found[0])]
        at = found.end()
    return re.compile("".join(pieces) + re.escape(glob[at:])), brings_back


def files_of(context: Path, source: str, ignored: Ignored) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield what COPY takes of one source: each file, with its place below where it is copied to.

    A file goes by its name, a folder gives its content, as COPY does.
    """
    root = context / source
    for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
        path = file.relative_to(context).as_posix()
        if file.is_file() and not ignored.leaves_out(path):
            yield file, PurePosixPath(file.relative_to(root if root.is_dir() else root.parent).as_posix())
