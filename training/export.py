"""Trained weights -> the served files, checked against the original.

python -m training.export --weights runs/second/best.weights.h5 --name groundglass-2 --out model/weights --temperature 3

The lesion logit is divided by the temperature that training.evaluate fitted (Guo et al., ICML 2017), inside the last
layer: the served probabilities are calibrated. A threshold of 0.5 draws nearly the same lesions: not exactly, since
the probabilities are interpolated to the slice's size after the division.

OUT/NAME.weights.h5      the weights in 16 bit, for TensorFlow: to fine-tune, to compare
OUT/NAME.xml, NAME.bin   the same network for OpenVINO, weights in 16 bit
OUT/NAME.json            the card: what the files are and their SHA-256; training.card adds data and figures
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import openvino
from numpy.typing import NDArray

from model.engine import CHANNELS_BY_COUNT, file_sha256, load_engine
from model.network import load_network
from model.phantom import EXAMPLES, draw_phantom
from model.preprocess import preprocess
from training.commands import sentences
from training.commands import temperature as read_temperature

log = logging.getLogger(__name__)

TOLERANCE = 0.02
"""Largest difference of a probability between the original and a served form; 16-bit weights keep three digits."""


def export(weights: Path, out: Path, name: str, *, temperature: float = 1.0) -> Path:
    """Write the served files of a network and their card.

    Parameters
    ----------
    weights : what `model.network.load_network` reads.
    out : folder, made if absent; files of the same name are replaced.
    name : the model's id, and the stem of the files.
    temperature : above 0; 1.0 leaves the probabilities as they were trained.

    Returns
    -------
    The path of the .xml.

    Raises
    ------
    WeightsError : the weights do not fit the network.
    ValueError : the temperature is out of range, or a served form answers otherwise than the original; nothing of it
        is kept.
    """
    network = load_network(weights)
    divide_lesion_logit(network, temperature)
    out.mkdir(parents=True, exist_ok=True)
    keras_file, served = out / f"{name}.weights.h5", out / f"{name}.xml"
    card = out / f"{name}.json"
    # The hashes of an earlier export would call the new files damaged.
    card.unlink(missing_ok=True)
    save_in_16_bit(network, keras_file)
    save_for_openvino(network, served)
    try:
        differences = {file.name: _difference(network, file) for file in (keras_file, served)}
    except ValueError:
        for file in (keras_file, served, served.with_suffix(".bin")):
            file.unlink(missing_ok=True)
        raise
    files = [keras_file, served, served.with_suffix(".bin")]
    about = {"model_id": name, "output": list(CHANNELS_BY_COUNT[network.output_shape[-1]]), "temperature": temperature}
    _write_card(card, about, files=files, differences=differences)
    return served


def divide_lesion_logit(network: keras.Model, temperature: float) -> None:
    """Divide the logit of a network's first channel, the lesion, by a temperature; changes the last convolution.

    Raises
    ------
    ValueError : the temperature is not above 0.
    """
    # Written so that NaN fails too.
    if not 0.0 < temperature < float("inf"):
        raise ValueError(f"temperature must be above 0, got {temperature}")
    last = next(layer for layer in reversed(network.layers) if layer.weights)
    kernel, bias = (weight.copy() for weight in last.get_weights())  # (3, 3, maps, classes), (classes,)
    kernel[..., 0] /= temperature
    bias[0] /= temperature
    last.set_weights([kernel, bias])


def save_in_16_bit(network: keras.Model, file: Path) -> None:
    """Write the weights of a network in Keras' format, in half precision: half the size, read back as float32."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.weights.h5"
        network.save_weights(whole)
        with h5py.File(whole) as source, h5py.File(file, "w") as target:
            source.visititems(lambda name, item: _copy_in_16_bit(target, name, item))


def _copy_in_16_bit(target: h5py.File, name: str, item: Any) -> None:
    if isinstance(item, h5py.Dataset):
        halved = item[()].astype(np.float16) if item.dtype == np.float32 else item[()]
        target.create_dataset(name, data=halved)
    else:
        target.require_group(name)
    for key, value in item.attrs.items():
        target[name].attrs[key] = value


def save_for_openvino(network: keras.Model, file: Path) -> None:
    """Write a network as OpenVINO's .xml, with a .bin beside it that holds the weights in half precision."""
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        # Not openvino.convert_model, which reports its use to its makers.
        converted = openvino.Core().read_model(folder)
        converted.reshape([1, *network.input_shape[1:]])
        openvino.save_model(converted, file, compress_to_fp16=True)


def _difference(network: keras.Model, file: Path) -> float:
    """Return the largest difference of a probability between a network and its served form, on phantoms.

    Raises
    ------
    ValueError : it is more than TOLERANCE.
    """
    batch = np.stack([preprocess(draw_phantom(blobs)) for blobs in EXAMPLES.values()])
    original: NDArray[np.float32] = network.predict_on_batch(batch)
    difference = float(np.abs(load_engine(file).predict(batch) - original).max())
    log.info("%s differs from the original by at most %.5f", file.name, difference)
    # Written so that NaN fails too.
    if not difference <= TOLERANCE:
        raise ValueError(f"{file.name} differs from the original by {difference}, more than {TOLERANCE}")
    return difference


def _write_card(card: Path, about: dict[str, Any], *, files: Sequence[Path], differences: dict[str, float]) -> None:
    content = about | {
        "sha256": {file.name: file_sha256(file) for file in files},
        "input": "448 x 448 x 1 float32, 0.0 = -1250 HU or less, 1.0 = 250 HU or more",
        "largest_difference_from_float32": differences,
    }
    card.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and export; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description="Write the served files.")
    parser.add_argument("--weights", type=Path, required=True, help="trained weights, such as best.weights.h5")
    parser.add_argument("--name", required=True, help="the model's id and the stem of its files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files, such as model/weights")
    parser.add_argument(
        "--temperature",
        type=read_temperature,
        default=1.0,
        help="of the report of these weights (default: %(default)s, none)",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        export(options.weights, options.out, options.name, temperature=options.temperature)


if __name__ == "__main__":
    main()
