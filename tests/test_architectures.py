from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from model.errors import WeightsError
from model.network import ARCHITECTURES, CHANNELS, build_network, load_network

SIZE = 64
OTHERS = [name for name in ARCHITECTURES if name != "resnet34-unet"]

FloatArray = NDArray[np.float32]


def noise(*shape: int) -> FloatArray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


@pytest.mark.parametrize("mixed_bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_answers_probabilities_of_lesion_and_lung(arch: str, mixed_bfloat16: bool) -> None:
    built = build_network(arch=arch, size=SIZE, mixed_bfloat16=mixed_bfloat16)
    answer = built.predict_on_batch(noise(2, SIZE, SIZE, 1))
    assert built.input_shape == (None, SIZE, SIZE, 1)
    assert answer.shape == (2, SIZE, SIZE, len(CHANNELS))
    assert answer.dtype == np.float32
    assert 0.0 <= answer.min() and answer.max() <= 1.0
    assert {weight.dtype for weight in built.weights} == {"float32"}


@pytest.mark.parametrize(
    ("arch", "size", "loss"),
    [
        ("resnet34-unet", 448, "bce-jaccard"),
        ("unet", 512, "dice"),
        ("unet-small", 128, "bce"),
        ("resnet-hybrid", 256, "bce"),
    ],
)
def test_each_has_its_size_and_loss(arch: str, size: int, loss: str) -> None:
    architecture = ARCHITECTURES[arch]
    assert (architecture.name, architecture.default_size, architecture.default_loss) == (arch, size, loss)
    assert build_network(arch=arch, classes=1).output_shape == (None, size, size, 1)


def levels(widths: tuple[int, ...], inputs: int) -> list[tuple[int, int]]:
    """Inputs and outputs of the two convolutions of each level of a U-Net, encoder and decoder."""
    encoder = list(zip((inputs, *widths[:-1]), widths, strict=True))
    decoder = [(2 * width, width) for width in widths[:-1]]
    return encoder + decoder


def ups(widths: tuple[int, ...]) -> int:
    """The transposed convolutions: a kernel of 2×2 from each width to the one above, and biases."""
    return sum(2 * 2 * deep * width + width for width, deep in zip(widths, widths[1:], strict=False))


def test_the_small_unet_has_the_parameters_counted_by_hand() -> None:
    widths = (16, 32, 64, 128, 256)
    convolutions = sum((9 * i + 1) * o + (9 * o + 1) * o for i, o in levels(widths, inputs=1))
    counted = convolutions + ups(widths) + (16 + 1) * 2
    assert build_network(arch="unet-small", size=SIZE).count_params() == counted == 1_940_834


def test_the_plain_unet_has_the_parameters_counted_by_hand() -> None:
    widths = (64, 128, 256, 512, 1024)
    # No bias, but four numbers of the batch normalisation for each filter.
    convolutions = sum((9 * i + 4) * o + (9 * o + 4) * o for i, o in levels(widths, inputs=3))
    counted = convolutions + ups(widths) + (64 + 1) * 2
    assert build_network(arch="unet", size=SIZE).count_params() == counted


def test_the_hybrid_has_the_parameters_counted_by_hand() -> None:
    widths = (32, 64, 128, 256, 512)
    encoder, decoder = levels(widths, inputs=1)[:5], levels(widths, inputs=1)[5:]
    # Two blocks a level, the first with a shortcut of 1×1; then the decoder of the plain U-Net.
    blocks = sum((9 * i + 4) * o + (i + 4) * o + 3 * (9 * o + 4) * o for i, o in encoder)
    convolutions = sum((9 * i + 4) * o + (9 * o + 4) * o for i, o in decoder)
    counted = blocks + convolutions + ups(widths) + (32 + 1) * 2
    assert build_network(arch="resnet-hybrid", size=SIZE).count_params() == counted


def test_the_plain_unet_sees_the_slice_three_times() -> None:
    built = build_network(arch="unet", size=32)
    seen = keras.Model(built.input, built.get_layer("gray_three_times").output).predict_on_batch(noise(1, 32, 32, 1))
    assert seen.shape == (1, 32, 32, 3)
    assert np.array_equal(seen, np.repeat(noise(1, 32, 32, 1), 3, axis=-1))


@pytest.mark.parametrize("arch", OTHERS)
def test_names_of_weights_do_not_depend_on_what_was_built_before(arch: str) -> None:
    first, second = (build_network(arch=arch, size=SIZE) for _ in range(2))
    assert [weight.path for weight in first.weights] == [weight.path for weight in second.weights]


@pytest.mark.parametrize(
    ("arch", "file"),
    [
        ("unet", "a.weights.h5"),
        ("unet-small", "a.weights.h5"),
        ("unet-small", "a.keras"),
        ("unet-small", "a.h5"),
        ("resnet-hybrid", "a.weights.h5"),
        ("resnet-hybrid", "a.keras"),
    ],
)
def test_weights_come_back(arch: str, file: str, tmp_path: Path) -> None:
    network = build_network(arch=arch, size=SIZE)
    save = network.save_weights if file == "a.weights.h5" else network.save
    save(tmp_path / file)
    loaded = load_network(tmp_path / file, arch=arch, size=SIZE)
    image = noise(1, SIZE, SIZE, 1)
    assert np.array_equal(loaded.predict_on_batch(image), network.predict_on_batch(image))


def test_weights_come_back_at_another_size_and_with_one_class(tmp_path: Path) -> None:
    build_network(arch="unet-small", size=32, classes=1).save_weights(tmp_path / "a.weights.h5")
    assert load_network(tmp_path / "a.weights.h5", arch="unet-small").output_shape == (None, 128, 128, 1)


def test_weights_trained_in_bfloat16_come_back_in_float32(tmp_path: Path) -> None:
    trained = build_network(arch="resnet-hybrid", size=SIZE, mixed_bfloat16=True)
    trained.save_weights(tmp_path / "a.weights.h5")
    loaded = load_network(tmp_path / "a.weights.h5", arch="resnet-hybrid", size=SIZE)
    for old, new in zip(trained.get_weights(), loaded.get_weights(), strict=True):
        assert np.array_equal(old, new)


@pytest.mark.parametrize(
    ("saved", "arch"),
    [
        ("unet-small", "unet"),
        ("unet-small", "resnet-hybrid"),
        ("unet-small", "resnet34-unet"),
        ("resnet-hybrid", "unet-small"),
        ("resnet34-unet", "resnet-hybrid"),
    ],
)
def test_weights_of_another_network_are_refused(saved: str, arch: str, tmp_path: Path) -> None:
    build_network(arch=saved, size=SIZE).save_weights(tmp_path / "a.weights.h5")
    title = ARCHITECTURES[arch].title.replace("+", r"\+")
    with pytest.raises(WeightsError, match=f"does not fit the {title} .64×64×1, .* of another network"):
        load_network(tmp_path / "a.weights.h5", arch=arch, size=SIZE)


def test_weights_without_a_convolution_are_refused(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(WeightsError, match="it holds no convolution"):
        load_network(tmp_path / "a.weights.h5", arch="unet", size=SIZE)


@pytest.mark.parametrize("content", [b"", b"damage"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_damaged_weights_are_refused(arch: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.weights.h5").write_bytes(content)
    with pytest.raises(WeightsError, match="or is damaged"):
        load_network(tmp_path / "a.weights.h5", arch=arch, size=SIZE)


def test_served_weights_are_told_from_damaged_ones(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<net/>")
    with pytest.raises(WeightsError, match=r"a.xml holds no Keras weights.*Beside a served NAME.xml"):
        load_network(tmp_path / "a.xml", arch="unet-small", size=SIZE)


def test_missing_weights_are_told_from_damaged_ones(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"a.weights.h5 does not exist"):
        load_network(tmp_path / "a.weights.h5", arch="unet-small", size=SIZE)


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(ValueError, match="arch must be one of resnet34-unet, unet, .*, got 'vnet'"):
        build_network(arch="vnet")


@pytest.mark.parametrize("arch", OTHERS)
def test_it_refuses_a_size_that_is_no_multiple_of_32(arch: str) -> None:
    with pytest.raises(ValueError, match="size must be a positive multiple of 32, got 48"):
        build_network(arch=arch, size=48)


@pytest.mark.parametrize("arch", OTHERS)
def test_it_learns_a_drawn_sample(arch: str) -> None:
    keras.utils.set_random_seed(2)
    image = np.full((2, 32, 32, 1), 0.3, np.float32)
    image[0, 8:20, 4:16] = image[1, 14:28, 10:24] = 0.8
    truth = np.concatenate([image > 0.5, image > 0.1], axis=-1).astype(np.float32)
    learner = build_network(arch=arch, size=32)
    # So few steps are not worth a compiled graph.
    learner.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy", run_eagerly=True)
    first = learner.train_on_batch(image, truth)
    assert any(learner.train_on_batch(image, truth) < 0.6 * first for _ in range(12))
