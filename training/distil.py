"""Learn a lighter end for a network from its own answers: python -m training.distil --network NET.xml --out END.npz

The slices are those of the manifest's training patients, augmented as in training; pieces of them are shown, some about
lesions. What is learned is how the network answers, not where lesions are drawn; no patient who validates is seen, but
the network's answers are divided by a temperature, which was fitted on these.
`training.export --end` puts the end in the place of the network's own.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import openvino
from numpy.typing import NDArray

from model.options import at_least_one
from model.preprocess import INPUT_SIZE
from training.commands import sentences
from training.data.augment import Augmentation
from training.data.dataset import MANIFEST, SliceBatches, read_manifest, read_scans
from training.data.splits import split_rows
from training.learning.schedule import CosineWithWarmup
from training.light_end import BLOCK, MAPS, LightEnd, before_end
from training.measures.robustness import spread_evenly

log = logging.getLogger(__name__)

PIECE = 96
"""Sides of the pieces that are learned from, in pixels of what the end reads, half as many as the slice has."""

PER_SLICE, ABOUT_LESIONS = 4, 2
BORDER = 2
"""Pixels at the border of a piece that count for nothing: two convolutions carry what lies beyond it so far."""

BATCH = 8
EPOCHS = 12
UNSURE = 10.0
"""How much more than a sure pixel one weighs whose probability is 0.5. With it masks of the end and of the network have
a Dice of 0.988 on three training patients that were left out, without it 0.984."""
LEARNING_RATE = 2e-3

AUGMENTATION = Augmentation(strokes=0.25, densify=0.25, graft=0.25, haze=0.2, blend=0.3)
"""As groundglass-2 was trained."""

Half = NDArray[np.float16]


@dataclass(frozen=True)
class Pieces:
    """What an end reads, and what the network answers, of N pieces of slices.

    maps : (N, PIECE, PIECE, C). answer : (N, PIECE, PIECE, 4 classes), probabilities of 2×2 pixels, in the order of
    `LightEnd`. Both float16.
    """

    maps: Half
    answer: Half


def see_pieces(network: Path, batches: SliceBatches, rng: np.random.Generator) -> Pieces:
    """Ask a network about slices, and keep pieces of what its end reads and answers."""
    seen = [piece for item in _answers(network, batches) for piece in _pieces(*item, rng)]
    return Pieces(*(np.stack(part) for part in zip(*seen, strict=True)))


def _answers(network: Path, batches: SliceBatches) -> Iterator[tuple[Half, Half]]:
    """Yield, for each slice, what the end reads, and what the network answers, each (H, W, channels)."""
    core = openvino.Core()
    model = _read_network(core, network)
    graph = openvino.Model([before_end(model), model.get_results()[0].input_value(0)], model.get_parameters())
    request = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    for number in range(len(batches)):
        for image in batches[number][0]:
            maps, probability = request.infer({0: image[np.newaxis]}).to_tuple()
            # The maps have their channels first.
            yield np.moveaxis(maps[0], 0, -1).astype(np.float16), gathered_pixels(probability[0]).astype(np.float16)
        if number % 100 == 0:
            log.info("%d of %d batches seen", number, len(batches))


def _read_network(core: openvino.Core, network: Path) -> openvino.Model:
    try:
        return core.read_model(network)
    except RuntimeError as exc:
        raise ValueError(
            f"{network} cannot be read as a network of OpenVINO: name the .float.xml of an export"
        ) from exc


def gathered_pixels(picture: NDArray[Any]) -> NDArray[Any]:
    """Return (H / 2, W / 2, 4 C) of (H, W, C): all channels of the upper left of 2×2 pixels, the upper right and so on.

    >>> gathered_pixels(np.arange(4).reshape(2, 2, 1)).tolist()
    [[[0, 1, 2, 3]]]
    """
    height, width, channels = picture.shape
    blocks = picture.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels)
    return blocks.transpose(0, 2, 1, 3, 4).reshape(height // BLOCK, width // BLOCK, BLOCK * BLOCK * channels)


def _pieces(maps: Half, answer: Half, rng: np.random.Generator) -> Iterator[tuple[Half, Half]]:
    """Yield pieces: some about a lesion, where there is any, and others wherever chance has them."""
    lesions = np.argwhere(answer[..., 0] > 0.2)
    for number in range(PER_SLICE):
        centre = rng.integers(0, maps.shape[:2])
        if number < ABOUT_LESIONS and len(lesions):
            centre = lesions[rng.integers(len(lesions))]
        top, left = np.clip(centre - PIECE // 2, 0, maps.shape[0] - PIECE).tolist()
        rows, columns = slice(top, top + PIECE), slice(left, left + PIECE)
        yield maps[rows, columns].copy(), answer[rows, columns].copy()


def learn(pieces: Pieces, *, epochs: int = EPOCHS, seed: int = 0, verbose: int = 2) -> LightEnd:
    """Learn an end that answers as the network does."""
    keras.utils.set_random_seed(seed)
    network = _build(pieces)
    batches = _Batches(pieces, seed)
    steps = epochs * len(batches)
    network.compile(
        optimizer=keras.optimizers.Adam(CosineWithWarmup(LEARNING_RATE, steps, steps // 20)),
        loss=_loss,
        jit_compile=keras.backend.backend() != "tensorflow",
    )
    network.fit(batches, epochs=epochs, shuffle=False, verbose=verbose)
    layers = [layer.get_weights() for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    return LightEnd(*(_as_graph(weights) for layer in layers for weights in layer))


def _loss(answer: Any, logits: Any) -> Any:
    """Return the binary cross-entropy, in which unsure pixels, whose side of the threshold counts, weigh more."""
    weights = 1.0 + UNSURE * 4.0 * answer * (1.0 - answer)
    return keras.ops.mean(weights * keras.ops.binary_crossentropy(answer, logits, from_logits=True), axis=-1)


def _as_graph(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a kernel, (3, 3, channels in, channels out) in Keras, as graphs have it; a bias as it is."""
    return weights.transpose(3, 2, 0, 1) if weights.ndim == 4 else weights


def _build(pieces: Pieces) -> keras.Model:
    layers = keras.layers
    given = keras.Input(pieces.maps.shape[1:])
    maps = layers.Conv2D(MAPS, 3, padding="same", activation="relu")(given)
    logits = layers.Conv2D(pieces.answer.shape[-1], 3, padding="same")(maps)
    return keras.Model(given, layers.Cropping2D(BORDER)(logits))


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras states no types.
    """Pieces in an order of chance, another one in each epoch."""

    def __init__(self, pieces: Pieces, seed: int) -> None:
        super().__init__(workers=1)
        self._pieces, self._rng = pieces, np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return max(1, len(self._pieces.maps) // BATCH)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        some = np.sort(self._order[index * BATCH : (index + 1) * BATCH])
        answer = self._pieces.answer[some, BORDER:-BORDER, BORDER:-BORDER]
        return self._pieces.maps[some].astype(np.float32), answer.astype(np.float32)

    def on_epoch_end(self) -> None:
        """Draw another order."""
        self._order = self._rng.permutation(len(self._pieces.maps))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and learn; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.distil", description="Learn a lighter end of a network.")
    parser.add_argument("--network", type=Path, required=True, help="the .xml in floating point that an export wrote")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to be written")
    parser.add_argument("--manifest", type=Path, default=MANIFEST, help="of the scans (default: %(default)s)")
    parser.add_argument("--epochs", type=at_least_one, default=EPOCHS, help="(default: %(default)s)")
    parser.add_argument("--slices", type=at_least_one, default=None, help="only so many, spread evenly (default: all)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with sentences(parser):
        training, _ = split_rows(read_manifest(options.manifest))
        rows = training if options.slices is None else spread_evenly(training, options.slices)
        batches = SliceBatches(read_scans(rows), size=INPUT_SIZE, batch_size=1, seed=0, augmentation=AUGMENTATION)
        pieces = see_pieces(options.network, batches, np.random.default_rng(0))
        options.out.parent.mkdir(parents=True, exist_ok=True)
        learn(pieces, epochs=options.epochs).save(options.out)


if __name__ == "__main__":
    main()
