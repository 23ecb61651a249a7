"""What is measured does what it is measured for."""

from __future__ import annotations

import importlib.util
import io
import os

import numpy as np
import pytest
from PIL import Image

from benchmarks import contestant, peers
from benchmarks.contest import contest, together
from benchmarks.contestant import confine
from benchmarks.peers import (
    GUARDED_DECODING,
    NETWORKS,
    OPENVINO_F32,
    OUR_REQUEST,
    PEERS,
    PLAIN_DECODING,
    PUBLIC_REQUEST,
    SERVED,
    Absent,
    check_name,
)
from model.decode.ct import CtSlice


@pytest.fixture(scope="module")
def original() -> np.ndarray:
    answer = PEERS[OPENVINO_F32](0)()
    assert isinstance(answer, np.ndarray)
    return answer


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_the_answer_of_one_network(name: str, original: np.ndarray) -> None:
    try:
        answer = PEERS[name](0)()
    except Absent as exc:
        pytest.skip(str(exc))
    assert isinstance(answer, np.ndarray)
    assert answer.shape == (1, 448, 448, 2)
    # Rounding to whole numbers moves edges by a pixel; another network, or another input, moves far more.
    assert float(np.mean((answer >= 0.5) != (original >= 0.5))) < 0.005
    assert 0.005 < float(np.mean(original[..., 0] >= 0.5)) < 0.1


@pytest.mark.parametrize("name", [OUR_REQUEST, PUBLIC_REQUEST])
def test_a_request_gives_a_picture_in_colours(name: str) -> None:
    ask = PEERS[name](0)
    pictures = [ask() for _ in range(3)]
    for png in pictures:
        assert isinstance(png, bytes)
        with Image.open(io.BytesIO(png)) as image:
            assert image.format == "PNG"
            assert min(image.size) > 300
            pixels = np.asarray(image.convert("RGB")).astype(int)
        assert int((pixels.max(axis=2) - pixels.min(axis=2)).max()) > 100
    # Not the same one each time.
    assert len(set(pictures)) == 3


@pytest.mark.parametrize("name", [PLAIN_DECODING, GUARDED_DECODING])
def test_decoding_gives_a_slice(name: str) -> None:
    ct_slice = PEERS[name](0)()
    assert isinstance(ct_slice, CtSlice)
    assert ct_slice.shape == (512, 512)


def test_without_its_package_a_peer_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Absent, match="onnxruntime is not installed"):
        peers.onnx_runtime()


def test_without_bfloat16_that_peer_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "computes_in_bfloat16", lambda: False)
    with pytest.raises(Absent, match="no bfloat16"):
        PEERS[peers.OPENVINO_BF16](0)


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match="got 'abacus'"):
        check_name("abacus")


def test_peers_work_by_turns_in_processes_of_their_own() -> None:
    told = contest([PLAIN_DECODING, GUARDED_DECODING], rounds=2, each=3)
    assert list(told) == [PLAIN_DECODING, GUARDED_DECODING]
    for ms in told.values():
        assert ms["count"] == 6
        assert 0.0 < ms["min"] <= ms["p25"] <= ms["median"] <= ms["p75"] <= ms["max"]


def test_where_there_are_not_so_many_cores_nobody_competes() -> None:
    (told,) = contest([PLAIN_DECODING], rounds=1, each=1, cores=100_000).values()
    assert "100000" in told["absent"] or "cannot confine" in told["absent"]


def test_several_at_once() -> None:
    assert together(PLAIN_DECODING, processes=2, seconds=0.2) > 0.0


def test_a_contestant_works_as_often_as_it_is_told() -> None:
    calls: list[int] = []
    assert len(contestant._work(lambda: calls.append(1), "count 4")) == 4
    assert len(calls) == 4
    # At least once, however short the time is.
    assert len(contestant._work(lambda: calls.append(1), "for 0.0")) >= 1


def test_no_process_is_confined_to_cores_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[object] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda number: {3, 1}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda number, cores: chosen.append(cores), raising=False)
    confine(1)
    assert chosen == [[1]]
    with pytest.raises(Absent, match="2 cores, not 3"):
        confine(3)


def test_what_is_served_is_among_the_peers() -> None:
    assert SERVED in NETWORKS
    assert set(NETWORKS) < set(PEERS)
