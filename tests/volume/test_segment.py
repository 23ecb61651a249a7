from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.decode.ct import CtSlice, CtVolume
from model.engine import Engine
from model.errors import DamagedImage, NotChestCt
from model.preprocess import WINDOW_HU
from model.recognise.judge import CHEST, Recogniser, Recognition
from model.recognise.volume import LOOKED_AT
from model.volume import segment
from model.volume.files import SliceFiles
from model.volume.segment import segment_volume
from tests.training.stub import FakeEngine, FloatArray
from tests.volume.written import drawn_volume

# Gray 0.5 and 0.8 in the window: what FakeEngine calls lung, and lesion.
LUNG_HU, LESION_HU = -500.0, -50.0

# Square pixels of 6 mm², slices 4 mm apart.
SQUARE = np.diag([6.0**0.5, 6.0**0.5, 4.0, 1.0])


def pixels() -> np.ndarray:
    """(3, 32, 32): lung in the middle of each slice, lesion in the last two."""
    values = np.full((3, 32, 32), -1250.0, np.float32)
    values[:, 4:28, 4:28] = LUNG_HU
    values[1, 8:12, 8:12] = LESION_HU
    values[2, 8:12, 8:14] = LESION_HU
    return values


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "usable_cores", lambda: 2)


def test_slices_are_read_in_order_and_kept(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    volume = drawn_volume(pixels(), extents_mm=(4.0, 4.0, 4.0))
    files = SliceFiles(tmp_path)
    segmentation = segment_volume(volume, FakeEngine(), files, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [row.findings.lesion_area_px for row in segmentation.measured.rows] == [0, 16, 24]
    assert np.array_equal(segmentation.files.lesion(2, 0.5), pixels()[2] == LESION_HU)
    # 40 pixels of 2 · 3 mm, 4 mm high.
    assert segmentation.measured.findings.lesion_ml == pytest.approx(40 * 6 * 4 / 1000)
    assert segmentation.model == FakeEngine.identity


def test_a_slice_is_asked_for_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def read(number: int) -> CtSlice:
        asked.append(number)
        return CtSlice(pixels()[number], WINDOW_HU, notes=(f"odd: {number % 2}",))

    volume = replace(drawn_volume(pixels()), read=read, notes=("of the volume",))
    segmentation = segment_volume(volume, FakeEngine(), SliceFiles(tmp_path))
    assert asked == [0, 1, 2]
    assert segmentation.notes[:3] == ("of the volume", "odd: 0", "odd: 1")


def damaged(volume: CtVolume, *numbers: int) -> CtVolume:
    """The volume, of which some slices, counted from 0, cannot be read."""

    def read(number: int) -> CtSlice:
        if number in numbers:
            raise DamagedImage("Its pixels are damaged.")
        return volume.read(number)

    return replace(volume, read=read)


def test_of_a_few_damaged_slices_those_beside_stand_for_them(tmp_path: Path) -> None:
    values = np.repeat(pixels()[1:2], 20, axis=0)
    volume = damaged(drawn_volume(values, affine=SQUARE, extents_mm=(4.0,) * 20), 0, 7)
    segmentation = segment_volume(volume, FakeEngine(), SliceFiles(tmp_path))
    rows, findings = segmentation.measured.rows, segmentation.measured.findings
    assert segmentation.notes[0] == (
        "2 slices (1, 8) were not read: shown black, and measured like the slices beside. Its pixels are damaged."
    )
    assert [row.number for row in rows if not row.is_read] == [1, 8]
    assert (findings.slice_count, findings.slices_read, findings.slices_with_lesion) == (20, 18, 18)
    # 16 pixels of 6 mm² in 20 slices of 4 mm, as if none were damaged; one lesion, joined across the gap.
    assert findings.lesion_ml == pytest.approx(20 * 16 * 6 * 4 / 1000)
    assert findings.lung_ml == pytest.approx(20 * 24 * 24 * 6 * 4 / 1000)
    assert findings.lesion_count == 1
    row = rows[7].as_dict()
    assert (row["is_read"], row["lesion_area_px"], row["right_lung_px"], row["height_px"]) == (False, None, None, 32)
    assert not segmentation.files.gray(7).any() and not segmentation.files.lesion(7, 0.5).any()


def test_what_the_slices_add_is_the_volume(tmp_path: Path) -> None:
    values = np.repeat(pixels()[1:2], 20, axis=0)
    volume = damaged(drawn_volume(values, affine=SQUARE, extents_mm=[4.0] * 10 + [2.0] * 10), 7)
    measured = segment_volume(volume, FakeEngine(), SliceFiles(tmp_path)).measured
    rows = [row.as_dict() for row in measured.rows]
    assert [row["extent_mm"] for row in rows[6:12]] == [6.0, 0.0, 6.0, 4.0, 2.0, 2.0]
    assert sum(row["lesion_ml"] or 0.0 for row in rows) == pytest.approx(measured.findings.lesion_ml)
    assert sum(row["lung_ml"] or 0.0 for row in rows) == pytest.approx(measured.findings.lung_ml)


def test_of_many_damaged_slices_none_is_measured(tmp_path: Path) -> None:
    volume = damaged(drawn_volume(np.repeat(pixels()[1:2], 20, axis=0)), 2, 7, 9)
    with pytest.raises(DamagedImage, match="Its pixels"):
        segment_volume(volume, FakeEngine(), SliceFiles(tmp_path))


@pytest.mark.parametrize(
    ("lung", "told"),
    [
        ((0, 9, 9), ["The last slice shows lung"]),
        ((9, 9, 0), ["The first slice shows lung"]),
        ((9, 9, 9), ["The first and the last slice show lung"]),
        ((0, 9, 0), []),
    ],
)
def test_lungs_that_the_scan_cuts_off_are_told(lung: tuple[int, ...], told: list[str], tmp_path: Path) -> None:
    values = np.full((3, 32, 32), -1250.0, np.float32)
    for number, width in enumerate(lung):
        values[number, :, :width] = LUNG_HU
    notes = segment_volume(drawn_volume(values), FakeEngine(), SliceFiles(tmp_path)).notes
    assert [note.split(":")[0] for note in notes] == told


def test_the_threshold_is_that_of_the_findings(tmp_path: Path) -> None:
    segmentation = segment_volume(drawn_volume(pixels()), FakeEngine(), SliceFiles(tmp_path), threshold=0.3)
    assert segmentation.measured.findings.threshold == 0.3
    assert not segmentation.quality


@pytest.mark.usefixtures("two_cores")
def test_slices_are_read_side_by_side_and_stay_in_order(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=30)

    class Both(FakeEngine):
        """Answers once two ask."""

        def predict(self, batch: FloatArray) -> FloatArray:
            together.wait()
            return super().predict(batch)

    values = np.concatenate([pixels(), pixels()[2:]])
    segmentation = segment_volume(drawn_volume(values), Both(), SliceFiles(tmp_path))
    assert [row.findings.lesion_area_px for row in segmentation.measured.rows] == [0, 16, 24, 24]


@pytest.mark.usefixtures("two_cores")
def test_few_slices_are_in_memory_however_slow_the_network(tmp_path: Path) -> None:
    decoded: list[int] = []
    ahead: list[int] = []

    class Slow(FakeEngine):
        def predict(self, batch: FloatArray) -> FloatArray:
            time.sleep(0.05)
            ahead.append(len(decoded) - len(ahead))
            return super().predict(batch)

    def read(number: int) -> CtSlice:
        decoded.append(number)
        return CtSlice(pixels()[number % 3], WINDOW_HU)

    volume = replace(drawn_volume(np.repeat(pixels(), 4, axis=0)), read=read)
    segment_volume(volume, Slow(), SliceFiles(tmp_path))
    assert len(decoded) == 12
    assert max(ahead) <= 4


@pytest.mark.usefixtures("two_cores")
def test_nothing_is_written_once_it_was_given_up(tmp_path: Path) -> None:
    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    volume = drawn_volume(np.repeat(pixels(), 4, axis=0))
    with pytest.raises(KeyboardInterrupt) as raised:
        segment_volume(volume, FakeEngine(), SliceFiles(tmp_path), progress=stop)
    # What holds the frames, and with them what runs in them, is still there.
    assert raised.tb is not None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("slice")]


GOOD, HEAD = Recognition(CHEST, False, ""), Recognition("head CT", True, "It is a head.")


class Told(Recogniser):
    """Says of a slice what its first gray value stands for, and keeps which were asked about."""

    def __init__(self, *answers: Recognition, knows: bool = True) -> None:
        self.answers, self.asked, self._knows = answers, list[int](), knows

    def knows(self, reader: Engine) -> bool:
        return self._knows

    def before_reading(self, ct_slice: CtSlice, reader: Engine) -> Recognition:
        return self.recognise(ct_slice)

    def recognise(self, ct_slice: CtSlice) -> Recognition:
        self.asked.append(int(ct_slice.pixels[0, 0]))
        return self.answers[self.asked[-1] % len(self.answers)]


def numbered(count: int, read: list[int]) -> CtVolume:
    """Slices whose gray value is their number, which is told when they are read."""

    def ct_slice(number: int) -> CtSlice:
        read.append(number)
        return CtSlice(np.full((32, 32), number, np.uint8), (0.0, 255.0), notes=(f"note {number}",))

    return replace(drawn_volume(np.zeros((count, 32, 32), np.float32)), read=ct_slice)


def test_the_slices_it_is_recognised_by_come_first_and_are_read_once(tmp_path: Path) -> None:
    read: list[int] = []
    told = Told(GOOD)
    files = SliceFiles(tmp_path)
    segmentation = segment_volume(numbered(100, read), FakeEngine(), files, recogniser=told)
    assert read[:LOOKED_AT] == sorted(told.asked) == [5, 16, 27, 38, 50, 61, 72, 83, 94]
    assert sorted(read) == list(range(100))
    assert segmentation.recognition == GOOD
    # Whatever order they were read in, all is told in that of the volume.
    assert [row.number for row in segmentation.measured.rows] == list(range(1, 101))
    assert [note for note in segmentation.notes if note.startswith("note")] == [
        f"note {number}" for number in range(100)
    ]


def test_what_is_refused_is_not_read_to_its_end(tmp_path: Path) -> None:
    read: list[int] = []
    with pytest.raises(NotChestCt, match=r"It is a head\. Slices that were looked at: 9; that look like a chest: 0\."):
        segment_volume(numbered(100, read), FakeEngine(), SliceFiles(tmp_path), recogniser=Told(HEAD))
    assert LOOKED_AT <= len(read) <= LOOKED_AT + 4


def test_what_is_refused_is_read_by_force(tmp_path: Path) -> None:
    read: list[int] = []
    told = Told(HEAD)
    segmentation = segment_volume(numbered(20, read), FakeEngine(), SliceFiles(tmp_path), recogniser=told, force=True)
    assert sorted(read) == list(range(20))
    assert segmentation.recognition is not None and segmentation.recognition.refused
    assert segmentation.notes[0].startswith("It is a head.")


def test_damaged_slices_tell_nothing_of_what_it_shows(tmp_path: Path) -> None:
    volume = damaged(numbered(20, []), 1)
    told = Told(GOOD, HEAD)
    segmentation = segment_volume(volume, FakeEngine(), SliceFiles(tmp_path), recogniser=told)
    assert 1 not in told.asked
    assert len(told.asked) == LOOKED_AT - 1
    assert segmentation.recognition == GOOD


def test_for_a_network_that_it_does_not_know_the_recogniser_looks_before_anything_is_read(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counted(FakeEngine):
        def predict(self, batch: FloatArray) -> FloatArray:
            asked.append(len(batch))
            return super().predict(batch)

    told = Told(HEAD, knows=False)
    with pytest.raises(NotChestCt, match="It is a head"):
        segment_volume(numbered(100, []), Counted(), SliceFiles(tmp_path), recogniser=told)
    assert (len(told.asked), asked) == (LOOKED_AT, [])
    segmentation = segment_volume(
        damaged(numbered(20, []), 1), Counted(), SliceFiles(tmp_path), recogniser=Told(GOOD, knows=False)
    )
    assert segmentation.recognition == GOOD
    assert len(asked) == 19
