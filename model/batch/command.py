"""The options of python -m model batch. Heavy imports wait until there is work to do."""

from __future__ import annotations

import argparse
import sys

from model import options
from model.batch.shard import Shard

SECONDS = 3600.0


def add_batch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    batch = commands.add_parser(
        "batch",
        help="read thousands of studies into one table; safe to be ended and begun again",
        description="Finds every picture, DICOM series and NIfTI volume below the sources, reads those that are not "
        "done yet, and gathers a row of each in DIR/results.parquet and DIR/results.csv. A study that cannot be read "
        "is a row with its reason, and the exit status is 1. Ended in whatever way, the same command goes on from "
        "there.",
    )
    batch.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="folder, file, s3://bucket/folder or gs://bucket/folder"
    )
    batch.add_argument("--out", required=True, metavar="DIR", help="folder for what is written, or s3://, gs://")
    batch.add_argument("--masks", action="store_true", help="write the masks, too, to DIR/studies/STUDY")
    options.add_reading(batch)
    batch.add_argument("--again", action="store_true", help="read once more what failed before")
    batch.add_argument(
        "--shard",
        type=options.shard,
        default=Shard(),
        metavar="I/N",
        help="read the I-th of N parts only; its tables are called results-I-of-N, and the same command without "
        "--shard gathers those of all parts",
    )
    batch.add_argument(
        "--workers",
        type=options.at_least_one,
        default=0,
        metavar="N",
        help="processes side by side (default: one for each core)",
    )
    batch.add_argument(
        "--limit",
        type=options.seconds,
        default=SECONDS,
        metavar="SECONDS",
        help="what takes longer than this is given up (default: %(default)g)",
    )
    batch.add_argument(
        "--cluster",
        type=options.cluster,
        metavar="ADDRESS",
        help="read by a Ray cluster: auto, or HOST:PORT; needs requirements-cluster.txt",
    )
    batch.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        sys.stderr.write("batch needs packages that are missing here: pip install -r requirements-batch.txt\n")
        return 2
    if given.cluster and given.workers:
        sys.stderr.write("--workers is for this machine alone; on a cluster Ray counts the cores of its nodes\n")
        return 2
    from model.batch.run import Options, run
    from model.reading import How

    return run(
        given.sources,
        out=given.out,
        options=Options(
            how=How(given.threshold, given.quality, given.force),
            weights=tuple(given.weights),
            masks=given.masks,
            shard=given.shard,
            again=given.again,
            workers=given.workers,
            seconds=given.limit,
            cluster=given.cluster,
        ),
    )
