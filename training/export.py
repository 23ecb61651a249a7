"""Trained weights -> the served files, checked against the original.

python -m training.export --weights runs/second/best.weights.h5 --name groundglass-2 --out model/weights --temperature 3

The lesion logit is divided by the temperature that training.evaluate fitted (Guo et al., ICML 2017), inside the last
layer: the served probabilities are calibrated. A threshold of 0.5 draws nearly the same lesions: not exactly, since
the probabilities are interpolated to the slice's size after the division.

OUT/NAME.weights.h5          the weights in 16 bit, for TensorFlow: to fine-tune, to compare
OUT/NAME.xml, NAME.bin       the network as it is served by OpenVINO, in the precision that the card states
OUT/NAME.float.xml, .bin     the same in floating point, weights in 16 bit, where the served form is in whole numbers:
                             what explains a call is computed by it
OUT/NAME.end.npz             the lighter end of the form in whole numbers, where it is served and an end is given
                             (--end, training.distil)
OUT/NAME.json                the card: what the files are and their SHA-256; training.card adds data and figures

Which precision is served is decided by measurement: the fastest of 8-bit whole numbers, bfloat16 and float32 whose
lesion Dice on the validation slices is within bounds of that of the original. Without such a form nothing is written.
The whole numbers are calibrated on training slices.

python -m training.export --again --name groundglass-2 --out model/weights

measures and decides anew, from the files that were exported before; the rest of the card stays. Without --end the end
that lies there is used again; without either, the network keeps its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import file_sha256, read_card
from model.engine import CHANNELS_BY_COUNT, load_engine
from model.network import load_network
from model.phantom import EXAMPLES, draw_phantom
from model.preprocess import preprocess
from training.commands import count, sentences
from training.commands import temperature as read_temperature
from training.data.dataset import MANIFEST, Row, describe_manifest, read_manifest
from training.data.splits import split_rows
from training.forms import divide_lesion_logit, save_for_openvino, save_in_8_bit, save_in_16_bit
from training.light_end import LightEnd, read_light_end
from training.measures.robustness import spread_evenly
from training.precision import BF16, F32, INT8, fastest, measure_forms

log = logging.getLogger(__name__)

TOLERANCE = 0.02
"""Largest difference of a probability between the original and its forms in 16 bit, which keep three digits."""

END_SUFFIX = ".end.npz"

CALIBRATED_ON = 300
"""Training slices that the ranges of whole numbers are taken from."""


@dataclass(frozen=True)
class Slices:
    """calibration : of patients that the network was trained on. validation : of others. manifest : of both."""

    calibration: Sequence[Row]
    validation: Sequence[Row]
    manifest: str


def read_slices(manifest: Path, *, calibrate_on: int = CALIBRATED_ON) -> Slices:
    """Read the slices that an export needs, by the manifest's own split.

    Raises
    ------
    FileNotFoundError, ValueError : see `training.data.dataset.read_manifest`; there are none to train or to validate.
    """
    training, validation = split_rows(read_manifest(manifest))
    return Slices(spread_evenly(training, calibrate_on), validation, describe_manifest(manifest))


def export(
    weights: Path, out: Path, name: str, slices: Slices, *, temperature: float = 1.0, end: Path | None = None
) -> Path:
    """Write the served files of a network and their card.

    Parameters
    ----------
    weights : what `model.network.load_network` reads.
    out : folder, made if absent; files of the same name are replaced.
    name : the model's id, and the stem of the files.
    temperature : above 0; 1.0 leaves the probabilities as they were trained.
    end : of the form in whole numbers, as `training.distil` writes it; None where that keeps the network's own.

    Returns
    -------
    The path of the served .xml.

    Raises
    ------
    WeightsError : the weights do not fit the network.
    ValueError : the temperature is out of range, or no form answers as the original; nothing is written.
    """
    network = load_network(weights)
    divide_lesion_logit(network, temperature)
    with tempfile.TemporaryDirectory() as folder:
        keras_file, floating = Path(folder) / f"{name}.weights.h5", Path(folder) / f"{name}.float.xml"
        save_in_16_bit(network, keras_file)
        save_for_openvino(network, floating)
        about = {
            "model_id": name,
            "output": list(CHANNELS_BY_COUNT[network.output_shape[-1]]),
            "temperature": temperature,
            "input": "448 x 448 x 1 float32, 0.0 = -1250 HU or less, 1.0 = 250 HU or more",
            "largest_difference_from_float32": {
                file.name: _difference(network, file) for file in (keras_file, floating)
            },
        }
        return _serve(keras_file, floating, out, about, slices, end)


def export_again(out: Path, name: str, slices: Slices, *, end: Path | None = None) -> Path:
    """Decide anew how a network that was exported is served, by another end or by its own; raises as `export`.

    What the card tells of the earlier forms goes: the figures of the report, and differences from the original, which
    is not there any more.
    """
    about = read_card(out / f"{name}.xml")
    about.pop("validation", None)
    differences = about.get("largest_difference_from_float32", {})
    about["largest_difference_from_float32"] = {
        file: difference for file, difference in differences.items() if file.endswith(".h5")
    }
    with tempfile.TemporaryDirectory() as folder:
        keras_file, floating = Path(folder) / f"{name}.weights.h5", Path(folder) / f"{name}.float.xml"
        shutil.copy(out / keras_file.name, keras_file)
        save_for_openvino(load_network(keras_file), floating)
        there = out / f"{name}{END_SUFFIX}"
        return _serve(keras_file, floating, out, about, slices, end or (there if there.exists() else None))


def _serve(
    keras_file: Path, floating: Path, out: Path, about: Mapping[str, Any], slices: Slices, end: Path | None
) -> Path:
    """Decide for a precision and write what it needs, the card last.

    keras_file, floating : the forms in 16 bit, in a folder of their own.
    """
    whole = floating.with_name(floating.name.replace(".float.", ".whole."))
    light_end = None if end is None else read_light_end(end)
    save_in_8_bit(floating, whole, slices.calibration, light_end)
    forms = {INT8: whole, BF16: floating, F32: floating}
    measured = measure_forms(keras_file, forms, slices.validation)
    precision = fastest(measured)
    told = {
        "served": precision,
        "measured": {name: form.as_dict() for name, form in measured.items()},
        "calibration_slices": len(slices.calibration),
        "validation_slices": len(slices.validation),
        "manifest": slices.manifest,
        "cores": os.cpu_count(),
    }
    kept = light_end if precision == INT8 else None
    return _write(keras_file, forms[precision], floating, out, dict(about) | {"precision": told}, kept)


def _write(
    keras_file: Path, form: Path, floating: Path, out: Path, card: dict[str, Any], light_end: LightEnd | None
) -> Path:
    """Put the files of a network into their folder, and their hashes into its card."""
    name = keras_file.name.removesuffix(".weights.h5")
    served, beside, told = out / f"{name}.xml", out / floating.name, out / f"{name}.json"
    learned = out / f"{name}{END_SUFFIX}"
    out.mkdir(parents=True, exist_ok=True)
    # The hashes of an earlier export would call the new files damaged.
    told.unlink(missing_ok=True)
    files = [out / keras_file.name, served, served.with_suffix(".bin")]
    shutil.copy(keras_file, files[0])
    _copy_form(form, served)
    if form == floating:
        for file in (beside, beside.with_suffix(".bin")):
            file.unlink(missing_ok=True)
    else:
        _copy_form(floating, beside)
        files += [beside, beside.with_suffix(".bin")]
    if light_end is None:
        learned.unlink(missing_ok=True)
    else:
        light_end.save(learned)
        files.append(learned)
    card["sha256"] = {file.name: file_sha256(file) for file in files}
    told.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return served


def _copy_form(source: Path, target: Path) -> None:
    """Copy an .xml and the .bin beside it."""
    shutil.copy(source, target)
    shutil.copy(source.with_suffix(".bin"), target.with_suffix(".bin"))


def _difference(network: keras.Model, file: Path) -> float:
    """Return the largest difference of a probability between a network and a form of it in 16 bit, on phantoms.

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and export; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description="Write the served files.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", type=Path, help="trained weights, such as best.weights.h5")
    source.add_argument("--again", action="store_true", help="decide anew how what OUT holds is served")
    parser.add_argument("--name", required=True, help="the model's id and the stem of its files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files, such as model/weights")
    parser.add_argument(
        "--temperature",
        type=read_temperature,
        default=1.0,
        help="of the report of these weights (default: %(default)s, none)",
    )
    parser.add_argument("--manifest", type=Path, default=MANIFEST, help="of the scans (default: %(default)s)")
    parser.add_argument(
        "--calibrate-on", type=count, default=CALIBRATED_ON, help="training slices (default: %(default)s)"
    )
    parser.add_argument("--end", type=Path, help="a lighter end that training.distil has learned from these weights")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        slices = read_slices(options.manifest, calibrate_on=options.calibrate_on)
        if options.again:
            export_again(options.out, options.name, slices, end=options.end)
        else:
            export(options.weights, options.out, options.name, slices, temperature=options.temperature, end=options.end)


if __name__ == "__main__":
    main()
