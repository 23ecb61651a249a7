"""The steps for a volume in order: slice -> findings -> files, one after the other; then the whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from model.agreement import Agreement
from model.card import Identity
from model.cores import usable_cores
from model.decode.ct import MOST_DAMAGED, CtSlice, CtVolume
from model.engine import Engine
from model.errors import DamagedImage
from model.findings import Findings
from model.recognise.judge import Recogniser, Recognition
from model.recognise.volume import recognise_volume, spread, vote
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

    Slices are decoded one after the other, and while the next is, those before are read and kept. Those by which it is
    recognised come first, so that of what is refused hardly any others are read.

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
    recognition, findings = None, dict[int, Findings | None]()
    if recogniser and not recogniser.knows(engine):
        recognition, recogniser = recognise_volume(volume, recogniser), None
        refuse(recognition, force=force)
    reader = _Reader(volume, engine, files, threshold=threshold, quality=quality, recogniser=recogniser)
    # Closed here: whoever hears of an error may delete the folder, and no thread must write into it then.
    with closing(reader.read_all(usable_cores())) as read:
        for number, found in read:
            findings[number] = found
            if len(findings) == len(reader.looked_at):
                recognition = vote(reader.recognitions)
                refuse(recognition, force=force)
            if progress is not None:
                progress(len(findings), len(volume))
    in_order = [findings[number] for number in range(len(volume))]
    measured = measure_volume(files, in_order, volume, threshold=threshold)
    shown = [recognition.sentence] if recognition and recognition.sentence else []
    notes = (*shown, *damaged(reader.damaged), *volume.notes, *reader.notes, *cut_off(measured.rows))
    return VolumeSegmentation(files, measured, engine.identity, quality, notes, reader.flips, recognition)


class _Reader:
    """Reads the slices of a volume and keeps them: first those by which it is recognised, then the others in order.

    looked_at : the numbers, from 0, of the slices by which it is recognised; none where nobody asks.
    recognitions : what they show, of those that are not damaged.
    flips : of the slices that were read so far, see `VolumeSegmentation`.
    """

    def __init__(
        self,
        volume: CtVolume,
        engine: Engine,
        files: SliceFiles,
        *,
        threshold: float,
        quality: bool,
        recogniser: Recogniser | None,
    ) -> None:
        self._volume, self._engine, self._files = volume, engine, files
        self._threshold, self._quality, self._recogniser = threshold, quality, recogniser
        self._damaged: dict[int, str] = {}
        self._notes: dict[int, tuple[str, ...]] = {}
        self.looked_at = spread(len(volume)) if recogniser else []
        self.recognitions: list[Recognition] = []
        self.flips: Agreement | None = Agreement(0, 0) if quality else None

    @property
    def damaged(self) -> dict[int, str]:
        """By the number of a slice, from 1, what is wrong with it."""
        return dict(sorted(self._damaged.items()))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is told of slices, each sentence once, in the order of the slices."""
        return tuple(dict.fromkeys(note for _, notes in sorted(self._notes.items()) for note in notes))

    def read_all(self, at_once: int) -> Generator[tuple[int, Findings | None], None, None]:
        """Read the slices and keep them; yield their numbers, from 0, and findings, None for those that are damaged.

        at_once : how many are read side by side; two more at most are held in memory.

        Raises
        ------
        DamagedImage : too many are.
        """
        others = sorted(set(range(len(self._volume))) - set(self.looked_at))
        waiting: deque[tuple[int, Future[Segmentation | None]]] = deque()
        with ThreadPoolExecutor(at_once, "slice") as threads:
            for number in (*self.looked_at, *others):
                waiting.append((number, threads.submit(self._read, number, self._decoded(number))))
                # One more than are read, so that a thread finds its next slice decoded.
                if len(waiting) > at_once:
                    yield self._told(*waiting.popleft())
            while waiting:
                yield self._told(*waiting.popleft())

    def _decoded(self, number: int) -> CtSlice | None:
        try:
            return self._volume.read(number)
        except DamagedImage as exc:
            self._damaged[number + 1] = str(exc)
            if len(self._damaged) > MOST_DAMAGED * len(self._volume):
                raise
            return None

    def _read(self, number: int, ct_slice: CtSlice | None) -> Segmentation | None:
        """Read a slice, counted from 0, and keep it; in a thread."""
        if ct_slice is None:
            self._files.write_empty(number, self._volume.shape[1:], with_lung="lung" in self._engine.channels)
            return None
        segmentation = segment_slice(
            ct_slice,
            self._engine,
            threshold=self._threshold,
            quality=self._quality,
            recogniser=self._recogniser if number in self.looked_at else None,
            # One slice decides nothing.
            force=True,
        )
        self._files.write(number, segmentation)
        return segmentation

    def _told(self, number: int, reading: Future[Segmentation | None]) -> tuple[int, Findings | None]:
        """Wait for a slice, gather what it tells of the whole; return its number and figures."""
        segmentation = reading.result()
        if segmentation is None:
            return number, None
        self._notes[number] = segmentation.ct_slice.notes
        if segmentation.recognition:
            self.recognitions.append(segmentation.recognition)
        if self.flips and segmentation.flips:
            self.flips += segmentation.flips
        return number, segmentation.findings
