from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from model.errors import StorageError
from webapp.results import ResultStore, start_sweeping

DETAILS = {"name": "slice.png"}
PICTURES = {"original": b"png"}


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results", lifetime_s=60.0)


def age(store_folder: Path, result_id: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(store_folder / result_id, (then, then))


def test_what_is_saved_is_found(store: ResultStore) -> None:
    result_id = store.save(DETAILS, PICTURES)
    assert store.details(result_id) == DETAILS
    assert store.picture(result_id, "original") == b"png"


def test_ids_are_128_random_bits(store: ResultStore) -> None:
    ids = {store.save(DETAILS, PICTURES) for _ in range(20)}
    assert len(ids) == 20
    assert all(len(bytes.fromhex(result_id)) == 16 for result_id in ids)


def test_only_the_servers_user_may_look(store: ResultStore, tmp_path: Path) -> None:
    result_id = store.save(DETAILS, PICTURES)
    for folder in (tmp_path / "results", tmp_path / "results" / result_id):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_expired_result_is_not_shown_even_before_it_is_swept(store: ResultStore, tmp_path: Path) -> None:
    result_id = store.save(DETAILS, PICTURES)
    age(tmp_path / "results", result_id, 61)
    assert store.details(result_id) is None
    assert store.picture(result_id, "overlay") is None


def test_sweeping_deletes_what_has_expired_and_nothing_else(store: ResultStore, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    old, new = store.save(DETAILS, PICTURES), store.save(DETAILS, PICTURES)
    age(folder, old, 61)
    (folder / "notes").mkdir()
    age(folder, "notes", 61)
    assert store.sweep() == 1
    assert {entry.name for entry in folder.iterdir()} == {new, "notes"}


def test_sweeping_deletes_the_draft_of_a_process_that_died(store: ResultStore, tmp_path: Path) -> None:
    draft = tmp_path / "results" / (".draft-" + "0" * 32)
    draft.mkdir(parents=True)
    age(draft.parent, draft.name, 61)
    assert store.sweep() == 1
    assert not draft.exists()


def test_clearing_deletes_all_results(store: ResultStore, tmp_path: Path) -> None:
    store.save(DETAILS, PICTURES)
    assert store.clear() == 1
    assert list((tmp_path / "results").iterdir()) == []


def test_a_result_that_cannot_be_written_leaves_nothing(store: ResultStore, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot keep results now"):
        store.save(DETAILS, {"no/such": b"png"})
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("result_id", ["", "..", "../secret", ".draft-" + "0" * 32, "0" * 33])
def test_an_id_is_no_path(store: ResultStore, tmp_path: Path, result_id: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "details.json").write_text("{}")
    assert store.details(result_id) is None
    assert store.picture(result_id, "../../secret/details") is None


def test_the_sweeper_works_by_itself(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, lifetime_s=0.05)
    result_id = store.save(DETAILS, PICTURES)
    start_sweeping(store)
    deadline = time.monotonic() + 10
    while (tmp_path / result_id).exists():
        assert time.monotonic() < deadline, "the sweeper left an expired result"
        time.sleep(0.02)
