"""What was measured -> a page of tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Figures
from benchmarks.peers import GUARDED_DECODING, KERAS, OUR_REQUEST, PLAIN_DECODING, PUBLIC_REQUEST, SERVED
from benchmarks.targets import CLIENTS, TARGETS, faster

QUIET_BELOW = 0.1
"""Cores that others may have had on the mean."""


def as_markdown(figures: Figures) -> str:
    """Return the page of a run, see `benchmarks.bench.whole_run`."""
    parts = figures["parts"]
    lines = [
        *_head(figures),
        *_targets(figures),
        *_networks(parts["network"]["ms"]),
        *_request(parts["request"]["ms"]),
        *_picture(parts["picture"]),
        *_volume(parts["volume"]),
        *_start(parts["start"]),
        *_memory(parts["memory"]),
        *_throughput(parts["throughput"]),
        *_accuracy(parts["accuracy"]),
        *_growth(parts["growth"]),
    ]
    return "\n".join(lines) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, with an empty one behind.

    >>> table(["a", "b"], [["1", "2"]])
    ['| a | b |', '|---|---|', '| 1 | 2 |', '']
    """
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def spread_of(told: Figures, form: str = "{:.1f}") -> list[str]:
    """Return median, middle half and count of `benchmarks.figures.spread` as three cells; why, where it is absent.

    >>> spread_of({"median": 2.0, "p25": 1.0, "p75": 3.5, "count": 5})
    ['2.0', '1.0 – 3.5', '5']
    """
    if "absent" in told:
        return ["–", str(told["absent"]), "0"]
    middle, low, high = (form.format(told[name]) for name in ("median", "p25", "p75"))
    return [middle, f"{low} – {high}", str(told["count"])]


def _head(figures: Figures) -> list[str]:
    about, served = figures["machine"], figures["served"]
    warnings = []
    if figures["quick"]:
        warnings.append("**A quick run, to see that all parts work: its figures mean nothing.**")
    others = about["others_cores"]
    if others is not None and others >= QUIET_BELOW:
        warnings.append(f"**The machine was not quiet: others had {others:.1f} of its cores on the mean.**")
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return [
        "# How fast it is",
        "",
        *(line for warning in warnings for line in (warning, "")),
        f"One run of {figures['seconds'] / 60.0:.0f} minutes on {figures['made']}, on one machine: {about['summary']}",
        f"({', '.join(about['abilities'])}).",
        f"{about['system']}, Python {about['python']}, {packages}.",
        f"Served: {served['model_id']}, {served['file']}, SHA-256 {served['sha256'][:12]}….",
        "Written by `make bench`, with `benchmarks.json`, which holds every figure.",
        "",
        "Each peer has a process of its own, and they work by turns, so that whatever else the machine does meets them",
        "alike. A figure is the median; beside it stand the middle half of what was measured, and how often that was.",
        "Pictures are drawn phantoms of 512×512 pixels.",
        "",
    ]


def _targets(figures: Figures) -> list[str]:
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = []
    for target in TARGETS:
        value, told = figures["ratios"][target.key], figures["targets"][target.key]
        measured = "–" if value is None else target.form.format(value)
        rows.append([target.what, told["target"], measured, words[told["met"]]])
    return ["## What is aimed at", "", *table(["", "Target", "Measured", "Met"], rows)]


def _networks(ms: Figures) -> list[str]:
    rows = []
    for name, told in ms.items():
        times = faster(ms[KERAS], told)
        rows.append([name, *spread_of(told), "–" if times is None else f"{times:.1f}×"])
    return [
        "## The network, one slice",
        "",
        "Input of 448×448, the same weights everywhere, all cores; but in INT8, as it is served, the last stage of the",
        "U-Net is a lighter one that was learned from its answers. What that costs stands under accuracy.",
        "",
        *table(["", "ms", "middle half", "times", "than Keras"], rows),
    ]


def _request(ms: Figures) -> list[str]:
    apart = [ms[name]["median"] for name in (PLAIN_DECODING, GUARDED_DECODING)]
    return [
        "## A whole request",
        "",
        "From the bytes of a PNG to those of the overlay, with the recognition of chest CT, which the public style has",
        "not: it is Keras `predict` and a figure of pyplot with slice, heat map and colour bar, saved as PNG.",
        "",
        *table(
            ["", "ms", "middle half", "times"],
            [[name, *spread_of(ms[name])] for name in (PUBLIC_REQUEST, OUR_REQUEST)],
        ),
        "The server decodes uploads in a process apart, which is not in this:",
        f"{apart[1]:.1f} ms instead of {apart[0]:.1f}.",
        "",
    ]


def _picture(picture: Figures) -> list[str]:
    named = {**picture["steps_ms"], "**all of it, as one**": picture["whole_ms"]}
    return [
        "## Everything but the network",
        "",
        f"A PNG of {picture['side']}×{picture['side']} pixels to its overlay with colour bar. A remembered answer",
        "takes the place of the network's, what its encoder saw included, by which chest CT is recognised.",
        "",
        *table(["Step", "ms", "middle half", "times"], [[name, *spread_of(ms)] for name, ms in named.items()]),
    ]


def _volume(volume: Figures) -> list[str]:
    slices, command = volume["slices"], volume["command_s"]
    seconds = command["median"]
    percent = volume["profile"]["percent"]
    shown = {name: share for name, share in percent.items() if share >= 1.0}
    rest = sum(percent.values()) - sum(shown.values())
    return [
        "## A volume",
        "",
        f"`python -m model segment` of a NIfTI file of {slices} slices of {volume['side']}×{volume['side']}, from the",
        f"start of the process to its end, its files written: {seconds:.1f} s in the median of {command['count']}",
        f"({command['min']:.1f} – {command['max']:.1f}), {1000.0 * seconds / slices:.1f} ms a slice,",
        f"{volume['command_peak_mb']['median']:,.0f} MB at most. Keras `predict`, {slices} times, in between:",
        f"{volume['keras_s']:.1f} s. With an overlay of each slice as well (`--overlays`), one run:",
        f"{volume['with_overlays_s']:.1f} s.",
        "",
        "Where the time goes, by modules of the library: how much of the time a thread was there, in percent. Threads",
        "work at once, so that it may be more than 100 together.",
        "",
        *table(["Module", "%"], [[f"`{name}`", f"{share:.1f}"] for name, share in shown.items()]),
        f"All others together: {rest:.1f} %.",
        "",
    ]


def _start(start: Figures) -> list[str]:
    names = {"served": "what is served", "keras": "TensorFlow and the `.h5`"}
    rows = [
        [names[peer], what, *spread_of(told, "{:.2f}")]
        for peer, all_told in start.items()
        for what, told in all_told.items()
    ]
    return [
        "## Start",
        "",
        "Seconds from the start of a process until the framework is imported, the weights are ready, the first slice",
        "is answered.",
        "",
        *table(["", "until", "s", "middle half", "times"], rows),
    ]


def _memory(memory: Figures) -> list[str]:
    rows = []
    for name in ("served", "public style"):
        told = memory[name]
        held = [
            "–" if told[key] is None else f"{told[key]:,.0f}" for key in ("worker_mb", "helpers_mb", "with_helpers_mb")
        ]
        rows.append([name, *held, f"{told['first_answer_s']:.1f}"])
    return [
        "## Memory of a serving worker",
        "",
        f"The most that one worker of gunicorn has held after {memory['requests']} slices sent to `/predict`, in",
        "millions of bytes. Ours has a process beside it that decodes uploads; the ratio counts it. The other server",
        "is Flask, Keras `predict` and pyplot.",
        "",
        *table(["", "worker", "beside it", "together", "first slice answered after s"], rows),
    ]


def _throughput(throughput: Figures) -> list[str]:
    loop = throughput["closed_loop_per_second"]
    rows = []
    for told in throughput["clients"]:
        waits = ["–" if told[key] is None else f"{told[key]:.2f}" for key in ("p50_s", "p95_s")]
        share = f"{told['per_second'] / loop:.2f}"
        counts = [str(told[key]) for key in ("requests", "turned_away", "failed")]
        rows.append([str(told["clients"]), f"{told['per_second']:.1f}", share, *waits, *counts])
    loops = ", ".join(f"{rate:.1f}" for rate in throughput["closed_loops_per_second"])
    return [
        "## Throughput",
        "",
        "Clients that send a slice to `POST /predict` of the server of `make serve`, wait for the overlay, and send",
        "the next, each from an address of its own, rates off; answers of the first tenth of the time, while the line",
        "grows, do not count. What the cores can give is the rate at which as many",
        f"processes as there are cores ({throughput['cores']}), each with an engine of one thread, do the same work in",
        "a closed loop without a server: decode, ask the network, recognise chest CT, draw and encode the overlay.",
        f"That was {loop:.1f} a second, the median of {loops}: before, between and after the clients.",
        "",
        *table(
            [
                "Clients",
                "slices a second",
                "of the cores",
                "median s",
                "95 % within s",
                "requests",
                "turned away",
                "failed",
            ],
            rows,
        ),
        f"With {CLIENTS} clients nobody may be turned away; with 64, 503 with `Retry-After` is as it should be.",
        "",
    ]


def _accuracy(accuracy: Figures) -> list[str]:
    if accuracy.get("absent"):
        return ["## Accuracy", "", f"Not measured: {accuracy['absent']}.", ""]
    keras, ours = accuracy["keras_dice"], accuracy["served_dice"]
    rows = [["all", keras["pooled"], ours["pooled"]]]
    rows += [[name, dice, ours["patients"][name]] for name, dice in keras["patients"].items()]
    return [
        "## Accuracy",
        "",
        f"Lesion Dice on {accuracy['slices']} validation slices of `{accuracy['manifest']}`, their pixels counted",
        "together.",
        "",
        *table(
            ["Patient", "Keras, float32", "served", "lost"],
            [[name, f"{dice:.4f}", f"{other:.4f}", f"{dice - other:.4f}"] for name, dice, other in rows],
        ),
    ]


def _growth(growth: Figures) -> list[str]:
    slices = [
        [f"{one['slices']:,}", one["why"], "–", "–"]
        if one["seconds"] is None
        else [
            f"{one['slices']:,}",
            f"{one['seconds']:.1f}",
            f"{1000.0 * one['seconds'] / one['slices']:.1f}",
            f"{one['peak_mb']:,.0f}",
        ]
        for one in growth["slices"]
    ]
    sides = [
        [f"{one['side']}²", *(f"{one[key]['median']:.1f}" for key in ("request_ms", "without_network_ms"))]
        for one in growth["sides"]
    ]
    return [
        "## How cost grows",
        "",
        "With slices: the command line, whole process, one run each.",
        "",
        *table(["Slices", "s", "ms a slice", "MB at most"], slices),
        "With pixels: a whole request, and everything but the network.",
        "",
        *table(["Picture", "request ms", "without the network ms"], sides),
        "With cores: the network, and whole requests without a server, by a process for each core.",
        "",
        *table(["Cores", f"{KERAS} ms", f"{SERVED} ms", "requests a second"], [_cores(one) for one in growth["cores"]]),
        "With clients: see above.",
    ]


def _cores(one: Figures) -> list[str]:
    return [
        str(one["cores"]),
        *(spread_of(one["network_ms"][name])[0] for name in (KERAS, SERVED)),
        f"{one['requests_per_second']:.1f}",
    ]
