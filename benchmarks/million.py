"""What a million studies would take, worked out from what one costs."""

from __future__ import annotations

from dataclasses import dataclass

STUDIES, SLICES = 1_000_000, 150
"""The slices are those of a chest CT of 2 mm."""

CORES = 16
"""Of each machine that is rented."""

DOLLARS = 0.04
"""For a core and an hour: about what the large clouds ask for plain machines on demand. What may be taken away at any
moment, which a batch bears, costs a third to a half."""

MACHINES = (1, 10, 100, 1_000)


@dataclass(frozen=True)
class Published:
    """What others have told of a run of theirs."""

    source: str
    studies: int
    machines: int
    hours: float
    dollars: float


NLST = Published(
    source="Thiriveedhi et al., Cloud-based large-scale curation of medical imaging data using AI segmentation, 2024, "
    "https://doi.org/10.21203/rs.3.rs-4351526/v1",
    studies=126_000,
    machines=21_000,
    hours=9.0,
    dollars=1_011.05,
)
"""TotalSegmentator and radiomics of the National Lung Screening Trial: more of it is asked than ours answers."""


@dataclass(frozen=True)
class Cost:
    """What so many studies take.

    >>> Cost(seconds_of_a_core=0.1, studies=36, slices=1000).core_hours
    1.0
    """

    seconds_of_a_core: float  # for a slice, everything counted
    studies: int = STUDIES
    slices: int = SLICES

    @property
    def core_hours(self) -> float:
        """Return the hours that one core would take."""
        return self.studies * self.slices * self.seconds_of_a_core / 3600.0

    def dollars(self, price: float = DOLLARS) -> float:
        """Return what the cores cost; storage, and the way of the scans to them, are not counted."""
        return self.core_hours * price

    def hours(self, machines: int, cores: int = CORES) -> float:
        """Return how long machines take together."""
        return self.core_hours / (machines * cores)
