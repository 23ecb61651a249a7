"""The jobs of one server: how many may wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.errors import Busy
from webapp.jobs.store import JobStore, Order
from webapp.results import ResultStore

ORDER = Order("a.nii", ("a.nii",), threshold=0.5, quality=False, as_picture=False, patient=False)
PLACES, UPLOADS = 3, 8


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(ResultStore(tmp_path / "results", lifetime_s=60), longest_queue=PLACES)


def test_uploads_at_the_same_time_get_no_more_places_than_there_are(store: JobStore, tmp_path: Path) -> None:
    all_are_saving = threading.Barrier(UPLOADS)

    def save(folder: Path) -> None:
        folder.mkdir()
        # All have been let in by now, since there was a place for each alone.
        all_are_saving.wait(timeout=30)

    def submit(_: int) -> str | None:
        try:
            return store.create(ORDER, save)
        except Busy:
            return None

    with ThreadPoolExecutor(UPLOADS) as pool:
        taken = [result_id for result_id in pool.map(submit, range(UPLOADS)) if result_id is not None]
    assert len(taken) == PLACES
    assert sorted(store.waiting()) == sorted(taken)
    assert len(list((tmp_path / "results").iterdir())) == PLACES


def test_a_full_queue_refuses_before_the_upload_is_saved(store: JobStore) -> None:
    for _ in range(PLACES):
        store.create(ORDER, Path.mkdir)
    with pytest.raises(Busy, match="the queue is full"):
        store.create(ORDER, lambda folder: pytest.fail("it was saved"))
