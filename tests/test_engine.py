from __future__ import annotations

import gc
import json
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from model.card import SHIPPED_WEIGHTS, file_sha256
from model.engine import Engine, Seen, load_engine
from model.errors import WeightsError
from model.phantom import EXAMPLES, draw_phantom
from model.preprocess import preprocess

BATCH = np.stack([preprocess(draw_phantom(blobs)) for blobs in EXAMPLES.values()])


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The shipped files in a folder where they may be damaged."""
    for suffix in (".xml", ".bin", ".json"):
        shutil.copy(SHIPPED_WEIGHTS.with_suffix(suffix), tmp_path)
    return tmp_path / SHIPPED_WEIGHTS.name


def test_the_shipped_network_gives_lesion_and_lung(engine: Engine) -> None:
    probabilities = engine.predict(BATCH)
    assert engine.channels == ("lesion", "lung")
    assert probabilities.shape == (3, 448, 448, 2)
    assert probabilities.dtype == np.float32
    assert 0.0 <= probabilities.min() < probabilities.max() <= 1.0


def test_the_identity_is_that_of_the_card(engine: Engine) -> None:
    card = json.loads(SHIPPED_WEIGHTS.with_suffix(".json").read_text())
    assert engine.identity.model_id == card["model_id"]
    assert engine.identity.sha256 == card["sha256"][SHIPPED_WEIGHTS.with_suffix(".bin").name]


def test_a_slice_is_answered_alike_alone_and_in_a_batch(engine: Engine) -> None:
    np.testing.assert_array_equal(engine.predict(BATCH)[1], engine.predict(BATCH[1:2])[0])


@pytest.mark.parametrize("streams", [1, 2])
def test_threads_do_not_get_each_others_answers(engine: Engine, streams: int) -> None:
    expected, asked = engine.predict(BATCH), load_engine(streams=streams)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: asked.predict(BATCH[i : i + 1])[0], [0, 1, 2] * 4))
    for index, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, expected[index % 3])


def test_threads_are_answered_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, told, may_begin = load_engine(), [], threading.Event()

    def answer(batch: NDArray[np.float32]) -> Seen:
        may_begin.wait(30.0)
        told.append(int(batch[0, 0, 0, 0]))
        return Seen(batch, None)

    monkeypatch.setattr(asked, "_answer", answer)
    batches = [np.full((1, 448, 448, 1), number, np.float32) for number in range(6)]
    threads = [threading.Thread(target=asked.predict, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
        # Long enough to come before the next.
        time.sleep(0.05)
    may_begin.set()
    for thread in threads:
        thread.join()
    assert told == [0, 1, 2, 3, 4, 5]


def test_an_engine_that_nobody_holds_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    asked = load_engine()
    asked.predict(BATCH[:1])
    # Others may end meanwhile.
    own = set(threading.enumerate()) - before
    assert own
    del asked
    gc.collect()
    for thread in own:
        thread.join(10.0)
    assert not any(thread.is_alive() for thread in own)


@pytest.mark.parametrize("shape", [(448, 448, 1), (1, 512, 512, 1), (0, 448, 448, 1), (1, 448, 448, 3)])
def test_it_refuses_a_batch_of_another_shape(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="batch must be"):
        engine.predict(np.zeros(shape, np.float32))


def test_it_refuses_a_batch_of_another_type(engine: Engine) -> None:
    with pytest.raises(ValueError, match="uint8"):
        engine.predict(np.zeros((1, 448, 448, 1), np.uint8))


def test_damaged_weights_are_named_with_both_hashes(copied: Path) -> None:
    weights = copied.with_suffix(".bin")
    with weights.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    with pytest.raises(WeightsError, match=rf"{weights.name} is damaged: its SHA-256 is {file_sha256(weights)}"):
        load_engine(copied)


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_missing_weights_are_named_with_what_to_do(copied: Path, suffix: str) -> None:
    copied.with_suffix(suffix).unlink()
    with pytest.raises(WeightsError, match=rf"{SHIPPED_WEIGHTS.stem}{suffix} does not exist. Check the path"):
        load_engine(copied)


def test_missing_shipped_weights_are_restored_from_the_repository(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.card.SHIPPED_WEIGHTS", copied)
    copied.unlink()
    with pytest.raises(WeightsError, match="Restore it with: git checkout -- model/weights"):
        load_engine(copied)


def test_a_damaged_card_is_named(copied: Path) -> None:
    copied.with_suffix(".json").write_text("{")
    with pytest.raises(WeightsError, match=rf"{SHIPPED_WEIGHTS.stem}.json is damaged"):
        load_engine(copied)


@pytest.mark.parametrize("card", ["[]", '{"sha256": []}'])
def test_a_card_of_another_form_is_named(copied: Path, card: str) -> None:
    copied.with_suffix(".json").write_text(card)
    with pytest.raises(WeightsError, match="it is no card"):
        load_engine(copied)


@pytest.mark.parametrize("shape", [(1, 256, 256, 1), (1, 448, 448, 3), (1, 10)])
def test_a_network_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    parameter = openvino.opset15.parameter(shape, np.float32)
    other = openvino.Model([openvino.opset15.sigmoid(parameter)], [parameter])
    openvino.save_model(other, tmp_path / "other.xml")
    with pytest.raises(WeightsError, match="can be served"):
        load_engine(tmp_path / "other.xml")


def test_keras_weights_without_tensorflow_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.h5").write_bytes(b"weights")
    monkeypatch.setitem(sys.modules, "model.network", None)  # makes its import fail
    with pytest.raises(WeightsError, match="needs TensorFlow, which is not installed. Install it with: make install"):
        load_engine(tmp_path / "a.h5")


def test_an_unreadable_network_without_a_card_is_a_weights_error(tmp_path: Path) -> None:
    (tmp_path / "other.xml").write_text("<net/>")
    (tmp_path / "other.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"other.xml cannot be loaded by OpenVINO"):
        load_engine(tmp_path / "other.xml")


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="must end in"):
        load_engine(tmp_path / "weights.pt")
