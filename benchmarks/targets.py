"""What is aimed at, and how far it is reached: one figure each, from all that was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Figures
from benchmarks.peers import KERAS, OUR_REQUEST, PUBLIC_REQUEST, SERVED

POOLED_BOUND, PATIENT_BOUND = 0.005, 0.02
"""Those of `training.measures.accuracy`, which brings TensorFlow in; a test holds them together."""

CLIENTS = 16

QUEUE_FACTOR = 1.5
"""Where clients stand in one line, each waits for all others once: clients / rate. The line of one process may be
longer than that of another; what exceeds this by half is no queue any more."""

Parts = Mapping[str, Any]
"""What each part of `benchmarks.parts` has measured, by its name."""


@dataclass(frozen=True)
class Target:
    """One figure that is aimed at.

    key : its name in the JSON. what : in words.
    bound : that it is to reach, or not to exceed. at_least : which of both.
    read : takes it from the parts; None where it was not measured. form : how it is written.
    also : whether what belongs to it holds too; in words, `provided`.
    """

    key: str
    what: str
    bound: float
    at_least: bool
    read: Callable[[Parts], float | None]
    form: str = "{:.1f}×"
    also: Callable[[Parts], bool] = lambda parts: True
    provided: str = ""

    @property
    def told(self) -> str:
        """Return the bound in words.

        >>> TARGETS[0].told
        '≥ 5.0×'
        """
        provided = f", {self.provided}" if self.provided else ""
        return f"{'≥' if self.at_least else '≤'} {self.form.format(self.bound)}{provided}"

    def is_met(self, value: float | None, parts: Parts) -> bool | None:
        """Whether the figure is as it should be; None where there is none."""
        if value is None:
            return None
        reached = value >= self.bound if self.at_least else value <= self.bound
        return reached and self.also(parts)


def faster(peer_ms: Figures, our_ms: Figures) -> float | None:
    """Return how many times faster than a peer we are, by the medians; None where one of them is absent.

    >>> faster({"median": 150.0}, {"median": 30.0})
    5.0
    """
    if "absent" in peer_ms or "absent" in our_ms:
        return None
    return float(peer_ms["median"] / our_ms["median"])


def _network(parts: Parts) -> float | None:
    ms = parts["network"]["ms"]
    return faster(ms[KERAS], ms[SERVED])


def _request(parts: Parts) -> float | None:
    ms = parts["request"]["ms"]
    return faster(ms[PUBLIC_REQUEST], ms[OUR_REQUEST])


def _volume(parts: Parts) -> float:
    volume = parts["volume"]
    return float(volume["keras_s"] / volume["command_s"]["median"])


def _start(parts: Parts) -> float | None:
    start = parts["start"]
    return faster(start["keras"]["ready"], start["served"]["ready"])


def _memory(parts: Parts) -> float | None:
    ours, theirs = (parts["memory"][name]["with_helpers_mb"] for name in ("served", "public style"))
    return None if ours is None or theirs is None else float(theirs / ours)


def at(parts: Parts, clients: int) -> Figures:
    """Return the figures of so many clients."""
    told: Figures = next(one for one in parts["throughput"]["clients"] if one["clients"] == clients)
    return told


def _throughput_share(parts: Parts) -> float:
    return float(at(parts, CLIENTS)["per_second"] / parts["throughput"]["closed_loop_per_second"])


def is_orderly(parts: Parts) -> bool:
    """Whether no request of CLIENTS clients was turned away or failed, and 95 % waited no longer than for the queue."""
    told = at(parts, CLIENTS)
    if told["failed"] or told["turned_away"] or not told["per_second"]:
        return False
    return bool(told["p95_s"] <= QUEUE_FACTOR * CLIENTS / told["per_second"])


TARGETS = (
    Target("network", "network, one slice, against Keras `predict` on the same weights", 5.0, True, _network),
    Target("request", "whole request, PNG to overlay PNG, against Keras `predict` and pyplot", 8.0, True, _request),
    Target(
        "picture_ms",
        "everything but the network, 512×512 PNG to overlay PNG with colour bar",
        20.0,
        False,
        lambda parts: float(parts["picture"]["whole_ms"]["median"]),
        "{:.1f} ms",
    ),
    Target(
        "volume", "volume of 300 slices, command line, whole process, against 300 × Keras `predict`", 5.0, True, _volume
    ),
    Target("start", "import and weights ready, against importing TensorFlow and loading the `.h5`", 5.0, True, _start),
    Target("memory", "peak memory of a serving worker, how many times less than with TensorFlow", 2.0, True, _memory),
    Target(
        "throughput_share",
        f"throughput at {CLIENTS} clients, of what the cores can give",
        0.95,
        True,
        _throughput_share,
        "{:.2f}",
        is_orderly,
        f"no request failing, 95 % within {QUEUE_FACTOR} × clients / rate",
    ),
    Target(
        "dice_lost_pooled",
        "lesion Dice lost against Keras in float32, all validation slices",
        POOLED_BOUND,
        False,
        lambda parts: parts["accuracy"]["lost_pooled"],
        "{:.4f}",
    ),
    Target(
        "dice_lost_worst_patient",
        "the same, of the patient who loses most",
        PATIENT_BOUND,
        False,
        lambda parts: parts["accuracy"]["lost_worst_patient"],
        "{:.4f}",
    ),
)


def ratios(parts: Parts) -> dict[str, float | None]:
    """Return the figure of each target by its key; None where it was not measured."""
    return {target.key: target.read(parts) for target in TARGETS}


def judged(parts: Parts) -> dict[str, Figures]:
    """Return for each target by its key its bound in words, and whether it is met; None where it was not measured."""
    found = ratios(parts)
    return {target.key: {"target": target.told, "met": target.is_met(found[target.key], parts)} for target in TARGETS}
