"""The steps for a volume in order: slice -> findings -> files, one after the other; then the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model.decode.ct import CtVolume
from model.engine import Engine, Identity
from model.segment import segment_slice
from model.threshold import DEFAULT_THRESHOLD
from model.volume.files import SliceFiles
from model.volume.findings import Measured, measure_volume

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class VolumeSegmentation:
    """A volume, read: its slices lie in files, its figures here.

    notes : those of the volume, and what several of its slices have in common.
    """

    files: SliceFiles
    measured: Measured
    model: Identity
    quality: bool
    notes: tuple[str, ...]


def segment_volume(
    volume: CtVolume,
    engine: Engine,
    folder: Path,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    quality: bool = False,
    progress: Progress | None = None,
) -> VolumeSegmentation:
    """Find the lesions of a volume.

    Parameters
    ----------
    folder : where its slices are kept, see `model.volume.files.SliceFiles`.
    threshold, quality : as `model.segment.segment` takes them.
    progress : called after each slice with how many are done, and of how many.

    Raises
    ------
    InputError : a slice cannot be read. StorageError : the slices cannot be kept.
    """
    files, findings = SliceFiles(folder), []
    notes = dict.fromkeys(volume.notes)
    for number, ct_slice in enumerate(volume.slices()):
        segmentation = segment_slice(ct_slice, engine, threshold=threshold, quality=quality)
        files.write(number, segmentation)
        findings.append(segmentation.findings)
        notes |= dict.fromkeys(ct_slice.notes)
        if progress is not None:
            progress(number + 1, len(volume))
    measured = measure_volume(files, findings, volume, threshold=threshold)
    return VolumeSegmentation(files, measured, engine.identity, quality, tuple(notes))
