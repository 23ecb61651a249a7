"""A run whose figures were made by hand, so that every ratio can be told in the head."""

from __future__ import annotations

from typing import Any

from benchmarks.peers import GUARDED_DECODING, KERAS, ONNX, OUR_REQUEST, PLAIN_DECODING, PUBLIC_REQUEST, SERVED


def times(median: float, count: int = 3) -> dict[str, Any]:
    """As benchmarks.figures.spread tells of something that took this long, half or twice of it at the extremes."""
    return {
        "median": median,
        "p25": 0.5 * median,
        "p75": 2.0 * median,
        "min": 0.5 * median,
        "max": 2.0 * median,
        "count": count,
    }


def of_clients(clients: int, per_second: float, **others: Any) -> dict[str, Any]:
    told = {"turned_away": 0, "failed": 0, "p50_s": 0.5, "p95_s": 1.0, "max_s": 2.0, "seconds": 10.0, "requests": 90}
    return {"clients": clients, "per_second": per_second, **told, **others}


def parts() -> dict[str, Any]:
    """What all parts measured; every target is met."""
    return {
        "network": {"ms": {KERAS: times(180.0), ONNX: {"absent": "it is not installed"}, SERVED: times(30.0)}},
        "request": {
            "ms": {
                PUBLIC_REQUEST: times(450.0),
                OUR_REQUEST: times(50.0),
                PLAIN_DECODING: times(2.0),
                GUARDED_DECODING: times(3.0),
            }
        },
        "picture": {
            "side": 512,
            "whole_ms": times(16.0),
            "steps_ms": {"decode": times(2.0), "encode": times(8.0)},
        },
        "volume": {
            "slices": 300,
            "side": 512,
            "command_s": times(9.0),
            "with_overlays_s": 12.0,
            "command_peak_mb": times(500.0),
            "keras_s": 54.0,
            "keras_ms_a_slice": times(180.0),
            "profile": {"samples": 900, "percent": {"engine": 90.0, "overlay": 40.0, "steps": 0.5}},
        },
        "start": {
            "served": {"imported": times(0.2), "ready": times(0.5), "answered": times(0.6)},
            "keras": {"imported": times(3.0), "ready": times(5.0), "answered": times(6.0)},
        },
        "memory": {
            "requests": 50,
            "served": {"worker_mb": 300.0, "helpers_mb": 100.0, "with_helpers_mb": 400.0, "first_answer_s": 1.5},
            "public style": {"worker_mb": 1200.0, "helpers_mb": 0.0, "with_helpers_mb": 1200.0, "first_answer_s": 8.0},
        },
        "throughput": {
            "cores": 2,
            "closed_loop_per_second": 20.0,
            "closed_loops_per_second": [19.0, 20.0, 21.0],
            "clients": [of_clients(1, 18.0), of_clients(16, 19.2), of_clients(64, 19.0, turned_away=400)],
        },
        "accuracy": {
            "manifest": "drawn/index.csv",
            "slices": 12,
            "keras_dice": {"pooled": 0.75, "patients": {"one": 0.5, "two": 0.8}},
            "served_dice": {"pooled": 0.7475, "patients": {"one": 0.4875, "two": 0.8125}},
            "lost_pooled": 0.0025,
            "lost_worst_patient": 0.0125,
        },
        "growth": {
            "slices": [
                {"slices": 10, "seconds": 2.0, "peak_mb": 450.0},
                {"slices": 1000, "seconds": None, "peak_mb": None, "why": "not measured: it takes too long"},
            ],
            "sides": [{"side": 4096, "request_ms": times(900.0), "without_network_ms": times(870.0)}],
            "cores": [
                {"cores": 1, "network_ms": {KERAS: times(340.0), SERVED: times(58.0)}, "requests_per_second": 10.0},
                {"cores": 2, "network_ms": {KERAS: {"absent": "no"}, SERVED: times(30.0)}, "requests_per_second": 20.0},
            ],
        },
    }


def run() -> dict[str, Any]:
    """The same as it is written to benchmarks.json."""
    from benchmarks.targets import judged, ratios

    made = parts()
    return {
        "ratios": ratios(made),
        "targets": judged(made),
        "quick": False,
        "made": "2026-01-02",
        "seconds": 600,
        "machine": {
            "summary": "2 cores",
            "others_cores": 0.05,
            "abilities": ["avx2"],
            "system": "Linux",
            "python": "3.11.1",
            "packages": {"openvino": "1.0"},
        },
        "served": {"file": "net.xml", "model_id": "net-1", "sha256": "ab" * 32, "precision": "int8"},
        "parts": made,
    }
