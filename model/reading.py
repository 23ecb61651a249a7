"""The work on one study: what was opened -> what was found. Web jobs, command line and batches call it alike."""

from __future__ import annotations

from dataclasses import dataclass

from model.decode.ct import CtSlice
from model.decode.study import Study, VolumeStudy
from model.engine import Engine
from model.export.folder import with_file_notes
from model.recognise.judge import Recogniser
from model.segment import Segmentation, segment_slice
from model.threshold import DEFAULT_THRESHOLD
from model.volume.files import SliceFiles
from model.volume.segment import Progress, VolumeSegmentation, segment_volume


@dataclass(frozen=True)
class How:
    """How a study is read.

    threshold : probability from which a pixel is lesion, above 0 and below 1.
    quality : average four looks at each slice; a little more accurate, four times slower.
    force : read what does not look like a chest CT, too.
    """

    threshold: float = DEFAULT_THRESHOLD
    quality: bool = False
    force: bool = False


@dataclass(frozen=True)
class Networks:
    """What reads: the network that finds lesions, and what recognises chest CT."""

    engine: Engine
    recogniser: Recogniser


@dataclass(frozen=True)
class VolumeReading:
    """A volume, and what was found in it; the notes tell where its files will fall short of it, too."""

    study: VolumeStudy
    segmentation: VolumeSegmentation


def read_study(
    study: Study, networks: Networks, how: How, *, files: SliceFiles, progress: Progress | None = None
) -> Segmentation | VolumeReading:
    """Find the lesions of a study: nothing but its pixels, the networks and `how` decides what is found.

    Parameters
    ----------
    files : where the slices of a volume are kept; of a picture nothing is.
    progress : as `model.volume.segment.segment_volume` takes it.

    Raises
    ------
    InputError, StorageError : as `model.segment.segment_slice` and `model.volume.segment.segment_volume` raise them.
    """
    if isinstance(study, CtSlice):
        return read_slice(study, networks, how)
    segmentation = segment_volume(
        study.volume,
        networks.engine,
        files,
        threshold=how.threshold,
        quality=how.quality,
        recogniser=networks.recogniser,
        force=how.force,
        progress=progress,
    )
    return VolumeReading(study, with_file_notes(segmentation, study))


def read_slice(ct_slice: CtSlice, networks: Networks, how: How) -> Segmentation:
    """Find the lesions of a slice; errors as `model.segment.segment_slice` raises them."""
    return segment_slice(
        ct_slice,
        networks.engine,
        threshold=how.threshold,
        quality=how.quality,
        recogniser=networks.recogniser,
        force=how.force,
    )
