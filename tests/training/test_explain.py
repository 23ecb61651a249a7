from __future__ import annotations

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from model.card import SHIPPED_WEIGHTS
from model.network import build_network, load_network
from tests.training.drawn import draw_sample, write_data, write_png
from training import explain as explanation
from training.data.dataset import read_manifest, read_sample
from training.explain import LAYER, FloatArray, explain, explain_picture, likeness, main, randomise
from training.measures.sanity import Look, check_explanations, compare_maps, keras_weights_of, sum_up

SIZE = 64
SEED = 0


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Bright pixels are lesion: two channels, of which the second is of no use to the lesion."""
    picture = keras.Input((SIZE, SIZE, 1))
    bright = keras.layers.Conv2D(2, 1, activation="relu", name="features")(picture)
    logits = keras.layers.Conv2D(2, 1, name="logits")(bright)
    model = keras.Model(picture, keras.layers.Activation("sigmoid")(logits))
    model.get_layer("features").set_weights([np.array([[[[1.0, -1.0]]]]), np.array([-0.5, 0.5])])
    model.get_layer("logits").set_weights([np.array([[[[8.0, 0.0], [0.0, 8.0]]]]), np.array([-1.0, -1.0])])
    return model


@pytest.fixture(scope="module")
def unet() -> keras.Model:
    """The real network, small and of random weights, the same ones always: by some all maps are flat."""
    keras.utils.set_random_seed(SEED)
    return build_network(size=SIZE)


def picture() -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.asarray(draw_sample(0).image[..., np.newaxis] / 255.0, np.float32)


def test_the_map_is_as_computed_by_hand(network: keras.Model) -> None:
    image = picture()
    found = explain(network, image, draw_sample(0).lesion > 0, layer="features")
    # The lesion's logit is 8 times the first feature: the map is that feature, divided by its maximum.
    feature = np.maximum(image[..., 0] - 0.5, 0.0)
    np.testing.assert_allclose(found, feature / feature.max(), atol=1e-5)


def test_the_map_fits_the_input_and_is_in_range(unet: keras.Model) -> None:
    found = explain(unet, picture(), draw_sample(0).lesion > 0)
    assert found.shape == (SIZE, SIZE)
    assert found.dtype == np.float32
    assert 0.0 <= found.min() <= found.max() <= 1.0


def test_it_refuses_an_empty_mask(network: keras.Model) -> None:
    with pytest.raises(ValueError, match="mask is empty"):
        explain(network, picture(), np.zeros((SIZE, SIZE), np.bool_), layer="features")


def test_it_names_the_layers_that_there_are(network: keras.Model) -> None:
    with pytest.raises(ValueError, match="no layer 'other'.*features, logits"):
        explain(network, picture(), draw_sample(0).lesion > 0, layer="other")


def test_randomised_weights_are_seeded_and_change_the_map(unet: keras.Model) -> None:
    one, same = (randomise(unet, picture()[np.newaxis], np.random.default_rng(1)) for _ in range(2))
    for first, second, trained in zip(one.get_weights(), same.get_weights(), unet.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
        if trained.ndim == 4:
            np.testing.assert_array_equal(np.sort(first.ravel()), np.sort(trained.ravel()))
            assert not np.array_equal(first, trained)
    mask = draw_sample(0).lesion > 0
    assert not np.allclose(explain(unet, picture(), mask), explain(one, picture(), mask))


def spread(network: keras.Model, layer: str, inputs: FloatArray) -> float:
    """How differently a layer answers two inputs: the mean difference by the mean activation."""
    probe = keras.Model(network.input, network.get_layer(layer).output)
    first, second = probe.predict_on_batch(inputs)
    return float(np.abs(first - second).mean() / np.abs([first, second]).mean())


def test_the_randomised_copy_of_the_shipped_weights_sees_the_picture() -> None:
    network = load_network(SHIPPED_WEIGHTS.with_suffix(".weights.h5"), size=SIZE)
    inputs = np.stack([picture(), np.zeros_like(picture())])
    copy = randomise(network, inputs[:1], np.random.default_rng(0))
    # With the batch normalisation of the trained kernels it would be a hundredth.
    assert spread(copy, LAYER, inputs) > 0.2


def test_batch_normalisation_is_measured_without_changing_how_it_learns(unet: keras.Model) -> None:
    def normalisation(network: keras.Model) -> list[keras.layers.Layer]:
        return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]

    half = np.full((1, SIZE, SIZE, 1), 0.5, np.float32)
    copy = randomise(unet, half, np.random.default_rng(0))
    # The first one looks at the picture itself, which has a mean of 0.5 and no variance.
    first = normalisation(copy)[0]
    assert first.moving_mean.numpy().tolist() == [0.5]
    assert first.moving_variance.numpy().tolist() == [0.0]
    assert [layer.momentum for layer in normalisation(copy)] == [layer.momentum for layer in normalisation(unet)]


def test_likeness_is_that_of_ranks() -> None:
    rising = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert likeness(rising, rising**2) == pytest.approx(1.0)
    assert likeness(rising, -rising) == pytest.approx(-1.0)
    assert np.isnan(likeness(rising, np.zeros((3, 3), np.float32)))


def test_a_picture_gets_its_map_in_its_own_shape(network: keras.Model) -> None:
    wide = np.zeros((40, 100), np.uint8)
    wide[10:20, 30:50] = 230
    found = explain_picture(network, wide, threshold=0.5, layer="features")
    assert found.shape == wide.shape
    assert found[15, 40] > 0.9
    assert found[30, 80] == 0.0


def test_the_command_writes_a_picture(network: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "load_network", lambda weights: network)
    write_png(tmp_path / "slice.png", draw_sample(0).image)
    options = ["--weights", "w.h5", "--image", str(tmp_path / "slice.png"), "--layer", "features"]
    main([*options, "--out", str(tmp_path / "map.png")])
    drawn = cv2.imread(str(tmp_path / "map.png"))
    assert drawn is not None
    assert drawn.shape == (SIZE, SIZE, 3)


def test_the_command_says_that_nothing_is_called(
    network: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(explanation, "load_network", lambda weights: network)
    write_png(tmp_path / "black.png", np.zeros((64, 64), np.uint8))
    with pytest.raises(SystemExit):
        main(["--weights", "w.h5", "--image", str(tmp_path / "black.png"), "--out", str(tmp_path / "map.png")])
    assert "choose another slice or a lower threshold" in capsys.readouterr().err


def test_the_command_says_which_weights_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(tmp_path / "slice.png", draw_sample(0).image)
    (tmp_path / "a.xml").touch()
    options = ["--weights", str(tmp_path / "a.xml"), "--image", str(tmp_path / "slice.png"), "--out", "map.png"]
    with pytest.raises(SystemExit) as stop:
        main(options)
    assert stop.value.code == 1
    assert "a.xml holds no Keras weights" in capsys.readouterr().err


def test_the_check_compares_with_random_weights(unet: keras.Model, tmp_path: Path) -> None:
    rows = read_manifest(write_data(tmp_path, train=0, val=2))
    found, maps = check_explanations(unet, rows, threshold=0.001, rng=np.random.default_rng(0), keep=1)
    assert found.slices == 2
    assert -1.0 <= found.likeness_randomised < 1.0
    assert 0.0 < found.called_share <= 1.0
    (pair,) = maps
    assert pair.row == rows[0]
    assert pair.trained.shape == pair.randomised.shape == read_sample(rows[0]).image.shape
    nothing, maps = check_explanations(unet, [], threshold=0.5, rng=np.random.default_rng(0), keep=1)
    assert (nothing.slices, maps) == (0, [])
    assert np.isnan(nothing.likeness_randomised)


def test_a_share_inside_is_of_the_sum_of_the_map() -> None:
    found = np.array([[0.5, 0.25], [0.25, 1.0]], np.float32)
    flat = np.zeros_like(found)
    called = np.array([[True, True], [False, False]])
    look = compare_maps(found, flat, called)
    # 0.75 of 2.0; half of the pixels are called.
    assert (look.called_share, look.inside_trained) == (0.5, 0.375)
    assert np.isnan([look.inside_randomised, look.likeness]).all()
    assert np.isnan(compare_maps(flat + 1.0, found, called).inside_trained)


def test_a_flat_map_of_the_copy_does_not_drop_the_trained_figure() -> None:
    nan = float("nan")
    looks = [Look(0.1, 0.9, nan, nan), Look(0.2, 0.6, 0.1, 0.5), Look(0.3, 0.2, nan, nan), Look(0.9, nan, 0.3, nan)]
    found = sum_up(looks)
    assert (found.slices, found.flat_trained, found.flat_randomised) == (4, 1, 2)
    assert found.called_share == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert found.inside_trained == pytest.approx((0.9 + 0.6 + 0.2) / 3)
    assert found.inside_trained_median == 0.6
    assert found.above_chance == pytest.approx(2 / 3)
    assert found.inside_randomised == pytest.approx(0.2)
    assert found.inside_randomised_median == pytest.approx(0.2)
    assert found.likeness_randomised == 0.5


def test_served_weights_have_keras_weights_beside_them(tmp_path: Path) -> None:
    assert keras_weights_of(tmp_path / "a.weights.h5") == tmp_path / "a.weights.h5"
    assert keras_weights_of(tmp_path / "a.xml") is None
    (tmp_path / "a.weights.h5").touch()
    assert keras_weights_of(tmp_path / "a.xml") == tmp_path / "a.weights.h5"
