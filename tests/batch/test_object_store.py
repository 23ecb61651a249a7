"""Batches from and to an S3 server on the loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import s3fs

from model.phantom import phantom_png
from tests.batch.mixed import SERIES, needs_scans, write_series
from tests.batch.started import finish, rows_in, start, without_time


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What programs must know of the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        )
    try:
        _wait_for(port, server, log)
        yield {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60.0
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


@pytest.fixture
def store(environment: dict[str, str]) -> s3fs.S3FileSystem:
    return s3fs.S3FileSystem(
        key="tester", secret="secret", endpoint_url=environment["AWS_ENDPOINT_URL"], skip_instance_cache=True
    )


@needs_scans
def test_rows_from_a_store_are_those_from_a_disk(
    environment: dict[str, str], store: s3fs.S3FileSystem, tmp_path: Path
) -> None:
    scans = tmp_path / "scans"
    write_series(SERIES[:3], scans / "dicom", 1)
    (scans / "a").mkdir()
    (scans / "a" / "b c.png").write_bytes(phantom_png("many"))
    (scans / "a" / "bad.png").write_text("no picture")
    (scans / "notes.txt").write_text("no scan")
    store.mkdir("hospital")
    store.put(f"{scans}/", "hospital/archive", recursive=True)
    local, remote = (
        start(scans, "--out", tmp_path / "out"),
        start("s3://hospital/archive", "--out", "s3://hospital/out", "--masks", env=environment),
    )
    assert "3 studies, 1 of them failed; 1 other file left alone" in finish(remote)
    finish(local)
    assert (local.returncode, remote.returncode) == (1, 1)
    store.get("hospital/out/results.parquet", str(tmp_path / "results.parquet"))
    rows = pq.read_table(tmp_path / "results.parquet").to_pylist()
    other = {"study", "source", "version", "seconds"}
    assert [_without(row, other) for row in rows] == [_without(row, other) for row in rows_in(tmp_path / "out")]
    names = {row["path"]: row["study"] for row in rows}
    kept = set(store.find("hospital/out/studies"))
    assert kept == {
        f"hospital/out/studies/{names['a/b c.png']}/mask.png",
        f"hospital/out/studies/{names['dicom']}/mask.nii.gz",
        f"hospital/out/studies/{names['dicom']}/mask.dcm",
    }
    assert store.exists("hospital/out/results.csv")


def _without(row: dict[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names}


def test_a_store_is_taken_up_where_it_was_left(environment: dict[str, str], store: s3fs.S3FileSystem) -> None:
    store.mkdir("again")
    for name in ("one", "none"):
        store.pipe_file(f"again/in/{name}.png", phantom_png(name))
    # Results below the source are no source.
    first = start("s3://again/", "--out", "s3://again/out", env=environment)
    finish(first)
    written = {file: store.info(file)["LastModified"] for file in store.find("again/out/rows")}
    assert (first.returncode, len(written)) == (0, 2)
    store.pipe_file("again/in/none.png", phantom_png("many"))
    second = start("s3a://again", "--out", "s3://again/out", "--masks", env=environment)
    assert "2 studies, 0 of them failed" in finish(second)
    rows = [json.loads(store.cat_file(file)) for file in store.find("again/out/rows")]
    assert sorted(row["lesion_area_px"] > 0 for row in rows) == [True, True]


def test_one_object_is_a_source_too(environment: dict[str, str], store: s3fs.S3FileSystem, tmp_path: Path) -> None:
    store.mkdir("single")
    store.pipe_file("single/in/one.png", phantom_png("one"))
    process = start("s3://single/in/one.png", "--out", tmp_path / "out", env=environment)
    finish(process)
    assert [row["path"] for row in without_time(rows_in(tmp_path / "out"))] == ["one.png"]


@pytest.mark.parametrize(
    ("source", "out", "told"),
    [
        ("s3://nowhere/x", "out", "s3://nowhere/x cannot be read: "),
        (".", "s3://nowhere/out", "s3://nowhere/out cannot be written: "),
    ],
)
def test_a_store_that_is_not_there_ends_the_run(
    source: str, out: str, told: str, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.png").write_bytes(phantom_png("one"))
    given = tmp_path / "in" if source == "." else source
    process = start(given, "--out", out if "://" in out else tmp_path / out, env=environment)
    said = finish(process)
    assert process.returncode == 2, said
    assert told in said
    assert "Traceback" not in said
