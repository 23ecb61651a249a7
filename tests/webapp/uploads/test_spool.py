from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from flask import Flask

from webapp.uploads.requests import read_upload
from webapp.uploads.spool import Spool


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_parts_are_read_as_they_were_written() -> None:
    spool = Spool()
    parts = []
    for content in (b"one", b"", b"three"):
        part = spool.part()
        part.write(content[:2])
        part.write(content[2:])
        part.seek(0)
        parts.append(part)
    assert [part.read() for part in reversed(parts)] == [b"three", b"", b"one"]
    assert parts[2].seek(-3, os.SEEK_END) == 2
    assert parts[2].read(2) == b"re"
    assert parts[2].tell() == 4
    spool.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="it counts open files by /proc")
def test_thousands_of_files_are_one_open_file(app: Flask, tmp_path: Path) -> None:
    contents = [str(number).encode() * 800 for number in range(4000)]
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.dcm"\r\n\r\n' + content + b"\r\n"
        for content in contents
    ]
    body = b"".join(parts) + b"--x--\r\n"
    assert len(body) > 8_000_000
    before = open_files()
    with app.test_request_context(
        method="POST",
        input_stream=io.BytesIO(body),
        content_length=len(body),
        content_type="multipart/form-data; boundary=x",
    ) as context:
        upload = read_upload(context.request)
        assert open_files() <= before + 2
        paths = upload.save(tmp_path / "saved")
        assert [source.path.read_bytes() for source in paths] == contents
    assert open_files() <= before
