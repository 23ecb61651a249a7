from __future__ import annotations

import hashlib
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from webapp.keys import add_key, main, name_of, read_keys


def test_a_key_is_told_once_and_its_hash_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "instance" / "keys"
    main(["new", "ward-3", "--file", str(path)])
    told = capsys.readouterr()
    key = told.out.strip()
    assert re.fullmatch(r"gg_[\w-]{43}", key)
    assert "Give ward-3 this key; it is not shown again." in told.err
    assert path.read_text() == f"ward-3 {hashlib.sha256(key.encode()).hexdigest()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_tells_its_owner(tmp_path: Path) -> None:
    keys = {name: add_key(tmp_path / "keys", name) for name in ("anna", "bert")}
    kept = read_keys(tmp_path / "keys")
    assert {name: name_of(key, kept) for name, key in keys.items()} == {"anna": "anna", "bert": "bert"}


@pytest.mark.parametrize("key", ["", "gg_", "anna", "é\x00"])
def test_what_is_no_key_is_nobodys(tmp_path: Path, key: str) -> None:
    add_key(tmp_path / "keys", "anna")
    assert name_of(key, read_keys(tmp_path / "keys")) is None
    # Nor is the hash a key, which whoever can read the file has.
    assert name_of(read_keys(tmp_path / "keys")["anna"], read_keys(tmp_path / "keys")) is None


def test_keys_that_are_made_at_once_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add_key(tmp_path / "keys", f"program-{number}"), range(32)))
    assert len(read_keys(tmp_path / "keys")) == 32


def test_a_last_line_without_an_end_stays_a_line(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"anna {'0' * 64}")
    key = add_key(tmp_path / "keys", "bert")
    kept = read_keys(tmp_path / "keys")
    assert (kept["anna"], name_of(key, kept)) == ("0" * 64, "bert")


def test_a_key_that_was_not_kept_is_not_told() -> None:
    with pytest.raises(ValueError, match="The key for anna is not in /dev/null after it was written there"):
        add_key(Path("/dev/null"), "anna")


def test_a_name_has_one_key(tmp_path: Path) -> None:
    add_key(tmp_path / "keys", "anna")
    with pytest.raises(SystemExit, match="There is a key for anna in .* already. Delete its line first"):
        main(["new", "anna", "--file", str(tmp_path / "keys")])


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "#anna", "é", "x" * 41])
def test_a_name_that_would_break_the_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="A name has up to 40 letters"):
        add_key(tmp_path / "keys", name)


def test_remarks_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"# the wards\n\nanna {'0' * 64}\n")
    assert read_keys(tmp_path / "keys") == {"anna": "0" * 64}


@pytest.mark.parametrize("line", ["anna", f"anna {'0' * 63}", f"anna {'G' * 64}", "anna gg_pasted-by-mistake"])
def test_a_bad_line_is_named_by_its_number_alone(tmp_path: Path, line: str) -> None:
    (tmp_path / "keys").write_text(f"# wards\n{line}\n")
    with pytest.raises(ValueError, match=r"^Line 2 of .*keys must be a name of its own and the SHA-256 of a key$"):
        read_keys(tmp_path / "keys")


def test_two_keys_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"anna {'0' * 64}\nanna {'1' * 64}\n")
    with pytest.raises(ValueError, match="Line 2"):
        read_keys(tmp_path / "keys")


def test_a_file_that_is_not_there_is_told_with_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be read.*python -m webapp\.keys new NAME"):
        read_keys(tmp_path / "keys")
