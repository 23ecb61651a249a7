"""Share of the lung -> class of severity, by published cut-offs. Not the score of 0 to 25, which needs the lobes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Severity:
    """A class of severity: its number, and the shares of the lung that it spans, as text."""

    grade: int
    span: str


SCALE = "share of both lungs that is lesion: 0 none, 1 below 5 %, 2 from 5 %, 3 from 25 %, 4 from 50 %, 5 from 75 %"
"""The cut-offs that radiologists use lobe by lobe (Pan et al., Radiology 2020), here for both lungs together, as
LungQuant does (Lizzi et al., Int J Comput Assist Radiol Surg 2022)."""

_CLASSES = (
    (75.0, Severity(5, "75 % and more")),
    (50.0, Severity(4, "50 to 75 %")),
    (25.0, Severity(3, "25 to 50 %")),
    (5.0, Severity(2, "5 to 25 %")),
)


def severity(lesion_percent_of_lung: float) -> Severity:
    """Return the class of a share of the lung.

    Parameters
    ----------
    lesion_percent_of_lung : 0 ... 100.

    >>> severity(0.0).grade, severity(4.9).grade, severity(25.0)
    (0, 1, Severity(grade=3, span='25 to 50 %'))
    """
    if lesion_percent_of_lung <= 0.0:
        return Severity(0, "none")
    return next((found for cut, found in _CLASSES if lesion_percent_of_lung >= cut), Severity(1, "below 5 %"))
