"""A part of a batch, for schedulers that start several runs."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """A part of all studies: the `number`-th of `count`, from 1; each study is in one, whatever else there is.

    >>> [Shard(number, 2).has("a-0f") for number in (1, 2)]
    [False, True]
    """

    number: int = 1
    count: int = 1

    def has(self, name: str) -> bool:
        """Whether a study of this name belongs to the part; its last digits are as good as drawn by lot."""
        return int(name.rpartition("-")[2], 16) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


def parse_shard(text: str) -> Shard:
    """Read a part as people write it.

    Raises
    ------
    ValueError : it is none.

    >>> parse_shard("2/8")
    Shard(number=2, count=8)
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise ValueError(f"must be i/n with 1 <= i <= n, such as 1/4, got {text!r}")
    return Shard(number, count)
