"""The steps for a volume in order: slice -> findings -> files, one after the other; then the whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from model.agreement import Agreement
from model.cores import usable_cores
from model.decode.ct import MOST_DAMAGED, CtSlice, CtVolume
from model.engine import Engine, Identity
from model.errors import DamagedImage
from model.findings import Findings
from model.recognise.judge import Recogniser, Recognition
from model.recognise.volume import recognise_volume
from model.segment import Segmentation, refuse, segment_slice
from model.threshold import DEFAULT_THRESHOLD
from model.volume.files import SliceFiles
from model.volume.findings import Measured, measure_volume
from model.volume.notes import cut_off, damaged

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class VolumeSegmentation:
    """A volume, read: its slices lie in files, its figures here.

    notes : what it looks like where that is no upright chest CT, those of the volume, and what several of its slices
        have in common.
    flips : how far the looks at the slices and at their mirror images agree; None without `quality`.
    recognition : what the volume looks like; None where nobody asked.
    """

    files: SliceFiles
    measured: Measured
    model: Identity
    quality: bool
    notes: tuple[str, ...]
    flips: Agreement | None = None
    recognition: Recognition | None = None


def segment_volume(
    volume: CtVolume,
    engine: Engine,
    files: SliceFiles,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    quality: bool = False,
    recogniser: Recogniser | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> VolumeSegmentation:
    """Find the lesions of a volume.

    Slices are decoded one after the other, and while the next is, those before are read and kept.

    Parameters
    ----------
    files : where its slices are kept.
    threshold, quality, recogniser, force : as `model.segment.segment` takes them.
    progress : called after each slice with how many are done, and of how many.

    Raises
    ------
    InputError : a slice cannot be read, other than for damage; or too many slices are damaged.
    NotChestCt : it does not look like a chest CT, and `force` is not given.
    StorageError : the slices cannot be kept.
    """
    recognition = recognise_volume(volume, recogniser) if recogniser else None
    refuse(recognition, force=force)
    reader = _Reader(volume, engine, files, threshold=threshold, quality=quality)
    findings = []
    # Closed here: whoever hears of an error may delete the folder, and no thread must write into it then.
    with closing(reader.read_all(usable_cores())) as read:
        for found in read:
            findings.append(found)
            if progress is not None:
                progress(len(findings), len(volume))
    measured = measure_volume(reader.files, findings, volume, threshold=threshold)
    shown = [recognition.sentence] if recognition and recognition.sentence else []
    notes = (*shown, *damaged(reader.damaged), *volume.notes, *reader.notes, *cut_off(measured.rows))
    return VolumeSegmentation(reader.files, measured, engine.identity, quality, notes, reader.flips, recognition)


class _Reader:
    """Reads the slices of a volume and keeps them.

    notes : what is told of slices, each sentence once. damaged : by the number of a slice, from 1, what is wrong.
    flips : of the slices that were read so far, see `VolumeSegmentation`.
    """

    def __init__(self, volume: CtVolume, engine: Engine, files: SliceFiles, *, threshold: float, quality: bool) -> None:
        self._volume, self._engine, self.files = volume, engine, files
        self._threshold, self._quality = threshold, quality
        self.notes: dict[str, None] = {}
        self.damaged: dict[int, str] = {}
        self.flips: Agreement | None = Agreement(0, 0) if quality else None

    def read_all(self, at_once: int) -> Generator[Findings | None, None, None]:
        """Read the slices in order and keep them; yield None for those whose file is damaged.

        at_once : how many are read side by side; two more at most are held in memory.

        Raises
        ------
        DamagedImage : too many are.
        """
        waiting: deque[Future[Segmentation | None]] = deque()
        with ThreadPoolExecutor(at_once, "slice") as threads:
            for number in range(len(self._volume)):
                ct_slice = self._decoded(number)
                waiting.append(threads.submit(self._read, number, ct_slice))
                # One more than are read, so that a thread finds its next slice decoded.
                if len(waiting) > at_once:
                    yield self._told(waiting.popleft().result())
            while waiting:
                yield self._told(waiting.popleft().result())

    def _decoded(self, number: int) -> CtSlice | None:
        try:
            return self._volume.read(number)
        except DamagedImage as exc:
            self.damaged[number + 1] = str(exc)
            if len(self.damaged) > MOST_DAMAGED * len(self._volume):
                raise
            return None

    def _read(self, number: int, ct_slice: CtSlice | None) -> Segmentation | None:
        """Read a slice, counted from 0, and keep it; in a thread."""
        if ct_slice is None:
            self.files.write_empty(number, self._volume.shape[1:], with_lung="lung" in self._engine.channels)
            return None
        segmentation = segment_slice(ct_slice, self._engine, threshold=self._threshold, quality=self._quality)
        self.files.write(number, segmentation)
        return segmentation

    def _told(self, segmentation: Segmentation | None) -> Findings | None:
        """Gather what a slice tells of the whole; return its figures."""
        if segmentation is None:
            return None
        self.notes |= dict.fromkeys(segmentation.ct_slice.notes)
        if self.flips and segmentation.flips:
            self.flips += segmentation.flips
        return segmentation.findings
