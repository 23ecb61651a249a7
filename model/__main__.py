"""The command line: python -m model segment|batch|phantom. Heavy imports wait until there is work to do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from model.batch.command import add_batch
from model.inputs import is_picture
from model.options import add_reading


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 all done, 1 some inputs failed, 2 nothing could be done."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _segment(options: argparse.Namespace) -> int:
    # Here, so that --help does not wait for OpenCV and the engine; in this order, so that networks load meanwhile.
    from model.networks import NetworkLoader

    networks = NetworkLoader(options.weights, volumes=not all(map(is_picture, options.inputs)))
    from model.reading import How
    from model.segment_files import Options, run

    how = Options(
        how=How(options.threshold, options.quality, options.force),
        as_picture=options.as_picture,
        patient=options.patient_name,
        overlays=options.overlays,
    )
    return run(options.inputs, out=options.out, options=how, networks=networks)


def _phantom(options: argparse.Namespace) -> int:
    from model.phantom import phantom_png  # Here for the same reason.

    try:
        options.file.write_bytes(phantom_png(options.kind))
    except OSError as exc:
        sys.stderr.write(f"{options.file}: {exc.strerror}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model",
        description="Find COVID-19 lesions in chest CT slices. Research software, no medical device.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_segment(commands)
    add_batch(commands)
    _add_phantom(commands)
    return parser


def _add_segment(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    segment = commands.add_parser(
        "segment",
        help="write overlay, mask, probability and measurements of each input",
        description="Of a picture it writes NAME_overlay.png, NAME_mask.png (0 or 255), NAME_probability.png (16 bit, "
        "65535 = 1.0) and a row of DIR/measurements.csv. Of a DICOM series or a NIfTI volume it writes the folder NAME "
        "with masks (NIfTI, DICOM SEG), probabilities, montage, report and tables, and a row of "
        "DIR/volumes.csv. A bad input is named on standard error; the others still "
        "finish, and the exit status is 1.",
    )
    segment.add_argument(
        "inputs", nargs="+", type=Path, metavar="INPUT", help="picture, DICOM, NIfTI, zip of a series, or folder"
    )
    segment.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for what is written")
    add_reading(segment)
    segment.add_argument(
        "--as-picture", action="store_true", help="read single DICOM files as plain pictures, secondary captures too"
    )
    segment.add_argument("--overlays", action="store_true", help="write an overlay of each slice of a volume, too")
    segment.add_argument("--patient-name", action="store_true", help="print the patient's name in the PDF report")
    segment.set_defaults(run=_segment)


def _add_phantom(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    phantom = commands.add_parser("phantom", help="draw a CT slice to try things out with")
    phantom.add_argument("kind", choices=("none", "one", "many"), help="how many lesions")
    phantom.add_argument("file", type=Path, help="the PNG to write")
    phantom.set_defaults(run=_phantom)


if __name__ == "__main__":
    sys.exit(main())
