"""Mutate files for so long: python -m tests.fuzz --seconds 600. Ends with 1 where something was found; it is kept."""

from __future__ import annotations

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.harness import Harness, Unforeseen, keep
from tests.fuzz.mutations import FORMATS, mutated

EXAMPLES = {"compressed DICOM": 30}
"""Of one format, before it is the turn of the next; each of these starts a process for its pixels."""

OTHERWISE = 300


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    until, turn, found = time.monotonic() + options.seconds, options.seed, 0
    with Harness() as harness:
        while time.monotonic() < until:
            found += sum(_turn(harness, kind, turn, until) for kind in FORMATS)
            turn += 1
        sys.stdout.write(f"{harness.read:,} files were read, {harness.refused:,} refused, {found} found.\n")
    return 1 if found else 0


def _turn(harness: Harness, kind: str, number: int, until: float) -> int:
    """Try files of a format; return how many were found."""
    found = set()

    @seed(number)
    @settings(
        max_examples=EXAMPLES.get(kind, OTHERWISE),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(kind))
    def attempt(content: bytes) -> None:
        if time.monotonic() > until:
            return
        try:
            harness.check(content)
        except Unforeseen as exc:
            path = keep(kind, content)
            found.add(path)
            sys.stdout.write(f"{path.name}: {exc}\n")
            sys.stdout.flush()

    attempt()
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
