"""A lighter end in the place of a network's last stage, and what it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from model.card import SHIPPED_WEIGHTS
from model.engine import float_form
from tests.training.drawn import write_data
from training import distil
from training.distil import Pieces, gathered_pixels, learn
from training.forms import save_for_openvino
from training.light_end import LightEnd, before_end, read_light_end, replace_end
from training.subpixel import gather_answers, merge_enlargements

SIDE, BEFORE, MAPS, CLASSES = 16, 5, 7, 2
"""Of the network in these tests: its input's side, and channels."""


@pytest.fixture(scope="module")
def unet() -> keras.Model:
    """Two stages down and up, weights random but fixed; what an end reads is its second output."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 1))
    level = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    deepest = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(level)
    joined = layers.Concatenate()([layers.UpSampling2D((2, 2))(deepest), level])
    before = layers.Conv2D(BEFORE, 3, padding="same", activation="relu")(joined)
    large = layers.UpSampling2D((2, 2))(before)
    answer = layers.Conv2D(CLASSES, 3, padding="same", activation="sigmoid")(large)
    return keras.Model(inputs, [answer, before])


@pytest.fixture
def graph(unet: keras.Model, tmp_path: Path) -> openvino.Model:
    save_for_openvino(keras.Model(unet.inputs, unet.outputs[0]), tmp_path / "unet.xml")
    return openvino.Core().read_model(tmp_path / "unet.xml")


@pytest.fixture(scope="module")
def end() -> LightEnd:
    rng = np.random.default_rng(3)

    def numbers(*shape: int) -> NDArray[np.float32]:
        return (0.3 * rng.standard_normal(shape)).astype(np.float32)

    return LightEnd(
        first=numbers(MAPS, BEFORE, 3, 3),
        first_bias=numbers(MAPS),
        last=numbers(4 * CLASSES, MAPS, 3, 3),
        last_bias=numbers(4 * CLASSES),
    )


def convolved(maps: NDArray[np.float32], kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, channels) -> the same size, by the sum that a convolution is."""
    padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))  # (H, W, channels, 3, 3)
    summed: NDArray[np.float32] = np.einsum("hwiyx,oiyx->hwo", windows, kernel) + bias
    return summed


def answer_of(end: LightEnd, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """What an end gives for (H/2, W/2, C): (H/2, W/2, 4 classes)."""
    maps = np.maximum(convolved(maps, end.first, end.first_bias), 0.0)
    return np.asarray(1.0 / (1.0 + np.exp(-convolved(maps, end.last, end.last_bias))), np.float32)


def test_the_graph_answers_by_the_end(unet: keras.Model, graph: openvino.Model, end: LightEnd) -> None:
    batch = np.random.default_rng(1).random((1, SIDE, SIDE, 1), np.float32)
    _, before = (np.asarray(output)[0] for output in unet(batch))
    replace_end(graph, end)
    # As an export goes on with it: what is left to be merged is the enlargement before.
    assert (merge_enlargements(graph), gather_answers(graph)) == (1, 0)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    answer = openvino.Core().compile_model(graph, "CPU", settings)({0: batch})[0]
    assert answer.shape == (1, SIDE, SIDE, CLASSES)
    np.testing.assert_allclose(gathered_pixels(answer[0]), answer_of(end, before), atol=2e-3)


def test_what_the_end_reads_is_found(graph: openvino.Model) -> None:
    assert list(before_end(graph).get_shape()) == [1, BEFORE, SIDE // 2, SIDE // 2]


def test_an_end_of_another_size_is_refused(graph: openvino.Model, end: LightEnd) -> None:
    other = LightEnd(**{**vars(end), "last": end.last[:4], "last_bias": end.last_bias[:4]})
    with pytest.raises(ValueError, match=r"the end gives .*1\], the network .*2\]"):
        replace_end(graph, other)


def test_a_network_that_enlarges_nothing_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 1))
    plain = keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same")(inputs))
    save_for_openvino(plain, tmp_path / "plain.xml")
    with pytest.raises(ValueError, match="no U-Net of ours"):
        before_end(openvino.Core().read_model(tmp_path / "plain.xml"))


def test_an_end_is_read_as_it_was_saved(end: LightEnd, tmp_path: Path) -> None:
    end.save(tmp_path / "end.npz")
    found = read_light_end(tmp_path / "end.npz")
    for name, values in vars(end).items():
        np.testing.assert_array_equal(getattr(found, name), values)


def test_what_is_no_end_is_refused(end: LightEnd, tmp_path: Path) -> None:
    for name, write in (
        ("other.npz", lambda file: np.savez(file, first=np.zeros(3))),
        ("one.npy", lambda file: np.save(file, np.zeros(3))),
        ("torn.npz", lambda file: file.write_bytes(b"PK\x03\x04")),
        ("text.npz", lambda file: file.write_text("no end")),
        ("short.npz", lambda file: replace(end, first_bias=end.first_bias[:-1]).save(file)),
        ("other-maps.npz", lambda file: replace(end, last=end.last[:, :-1]).save(file)),
        ("double.npz", lambda file: replace(end, last=end.last.astype(np.float64)).save(file)),
        ("nan.npz", lambda file: replace(end, last_bias=end.last_bias * np.float32("nan")).save(file)),
        ("scalar.npz", lambda file: replace(end, first=np.array(1.0, np.float32)).save(file)),
    ):
        write(tmp_path / name)
        with pytest.raises(ValueError, match=f"{name} is no end of a network"):
            read_light_end(tmp_path / name)


def test_an_end_of_another_network_is_refused(unet: keras.Model, end: LightEnd, tmp_path: Path) -> None:
    save_for_openvino(unet, tmp_path / "unet.xml")
    wider = replace(end, first=np.zeros((MAPS, BEFORE + 1, 3, 3), np.float32))
    with pytest.raises(ValueError, match=f"the end reads {BEFORE + 1} channels, the network has {BEFORE}"):
        replace_end(openvino.Core().read_model(tmp_path / "unet.xml"), wider)


def test_pixels_are_gathered_as_the_end_gives_them() -> None:
    picture = np.arange(4 * 4 * 2).reshape(4, 4, 2)
    gathered = gathered_pixels(picture)
    assert gathered.shape == (2, 2, 8)
    assert gathered[0, 1].tolist() == [*picture[0, 2], *picture[0, 3], *picture[1, 2], *picture[1, 3]]


def test_an_end_learns_what_the_network_answers() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((16, 16, 16, 4))
    # Each of the 2×2 pixels answers by another channel.
    answer = np.where(maps > 0.5, 0.9, 0.1)
    end = learn(Pieces(maps.astype(np.float16), answer.astype(np.float16)), epochs=300, verbose=0)
    found = answer_of(end, maps[0].astype(np.float32))
    inside = slice(distil.BORDER, -distil.BORDER)
    right = (found > 0.5) == (answer[0] > 0.5)
    assert right[inside, inside].mean() > 0.9


@pytest.mark.parametrize(
    ("more", "told"),
    [(["--epochs", "0"], "1 or more"), (["--slices", "0"], "1 or more"), ([], "none.xml cannot be read as a network")],
    ids=["epochs", "slices", "network"],
)
def test_what_cannot_be_learned_from_is_told(
    more: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path / "data")
    command = ["--network", str(tmp_path / "none.xml"), "--manifest", str(data), "--out", str(tmp_path / "end.npz")]
    with pytest.raises(SystemExit) as ended:
        distil.main([*command, *more])
    assert ended.value.code != 0
    assert told in capsys.readouterr().err
    assert not (tmp_path / "end.npz").exists()


def test_from_the_command_line(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    network, out = float_form(SHIPPED_WEIGHTS), tmp_path / "new" / "end.npz"
    command = ["--network", str(network), "--manifest", str(data), "--slices", "2", "--epochs", "1"]
    distil.main([*command, "--out", str(out)])
    model = openvino.Core().read_model(network)
    replace_end(model, read_light_end(out))
    assert list(model.output(0).get_shape()) == [1, 448, 448, 2]
