"""Several slices of a volume, and what each shows -> what the volume shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from model.decode.ct import CtVolume
from model.errors import DamagedImage
from model.recognise.judge import Recogniser, Recognition

LOOKED_AT = 9
"""Slices that are looked at, evenly from the feet to the head."""

LEAST_CHEST = 1.0 / 3.0
"""Share of them that must look like a chest: a scan from the neck to the pelvis has no more, one of the abdomen shows
the chest in its highest slices only."""


def recognise_volume(volume: CtVolume, recogniser: Recogniser) -> Recognition:
    """Tell what a volume shows by looks of the recogniser's own, for a reader whose network it does not know.

    Raises
    ------
    InputError : a slice cannot be read, other than for damage.
    """
    return vote([answer for number in spread(len(volume)) for answer in _look(volume, number, recogniser)])


def _look(volume: CtVolume, number: int, recogniser: Recogniser) -> list[Recognition]:
    """Return what one slice shows; nothing where it is damaged, which is told when it is read."""
    try:
        return [recogniser.recognise(volume.read(number))]
    except DamagedImage:
        return []


def spread(count: int) -> list[int]:
    """Return the numbers, from 0, of the slices that are looked at, of so many.

    >>> spread(3), spread(100)
    ([0, 1, 2], [5, 16, 27, 38, 50, 61, 72, 83, 94])
    """
    looked_at = min(count, LOOKED_AT)
    # In the middle of equal parts: the ends of a scan show the abdomen and the neck.
    return [int((part + 0.5) * count / looked_at) for part in range(looked_at)]


def vote(answers: Sequence[Recognition]) -> Recognition:
    """Decide for a volume by several of its slices; where none could be read, nothing is said.

    >>> chest, head = Recognition("chest CT", False, ""), Recognition("head CT", True, "It looks like a head CT.")
    >>> vote([chest, chest, head, head, head]).refused, vote([chest, head, head, head]).sentence
    (False, 'It looks like a head CT. Slices that were looked at: 4; that look like a chest: 1.')
    """
    refused = [answer for answer in answers if answer.refused]
    read = [answer for answer in answers if not answer.refused]
    if len(read) >= LEAST_CHEST * len(answers):
        return _most(read) if read else Recognition("", False, "")
    most = _most(refused)
    counts = f"Slices that were looked at: {len(answers)}; that look like a chest: {len(read)}."
    return most if len(answers) == 1 else Recognition(most.kind, True, f"{most.sentence} {counts}")


def _most(answers: Sequence[Recognition]) -> Recognition:
    """Return the first of the answers of the most frequent kind."""
    kind, _ = Counter(answer.kind for answer in answers).most_common(1)[0]
    return next(answer for answer in answers if answer.kind == kind)
