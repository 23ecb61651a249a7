from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from webapp.doors.secret import secret_key
from webapp.settings import Settings


def key_in(path: Path) -> str:
    return secret_key(Settings(secret_key_file=path))


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "instance" / "key"
    first = key_in(path)
    assert len(first) == 64
    assert key_in(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_each_server_has_a_key_of_its_own(tmp_path: Path) -> None:
    assert key_in(tmp_path / "one") != key_in(tmp_path / "another")


def test_all_who_come_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(key_in, [tmp_path / "key"] * 64))
    assert len(keys) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "key"]


def test_a_key_that_is_given_goes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert secret_key(Settings(secret_key="k" * 32, secret_key_file=path)) == "k" * 32
    assert not path.exists()


def test_a_key_that_is_given_is_never_shown() -> None:
    assert "kkkk" not in repr(Settings(secret_key="k" * 32))
    with pytest.raises(ValueError, match="GROUNDGLASS_SECRET_KEY must have 32 characters or more$"):
        Settings(secret_key="k" * 31)


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("dev\n")
    with pytest.raises(ValueError, match="key holds no secret key: 3 characters, 32 are the least"):
        key_in(tmp_path / "key")


def test_a_key_that_can_be_neither_read_nor_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"neither read from .*file/key nor made there.* GROUNDGLASS_SECRET_KEY\."):
        key_in(tmp_path / "file" / "key")
