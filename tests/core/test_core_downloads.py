"""Downloads of files whose digest is known, from a server on loopback."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from mtf.core import downloads
from mtf.core.errors import BadInput, MtfError
from mtf.core.file_lock import ProcessLock

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Files(BaseHTTPRequestHandler):
    """A server of one file under addresses that say how it behaves. `asked` holds each request's path and range."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.asked.append((self.path, asked))
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if self.path == "/moved":
            self._answer(302, b"", Location="/good")
        elif self.path == "/local":
            self._answer(302, b"", Location="file:///etc/hostname")
        elif self.path == "/gone":
            self._answer(404, b"gone")
        elif self.path == "/endless":
            self._answer(200, CONTENT * 3, length=None)
        elif self.path == "/too-long":
            self._answer(200, CONTENT * 3)
        elif self.path == "/another":
            self._answer(200, CONTENT[::-1])
        elif self.path == "/breaks":
            # Each connection gives a third of the file.
            part = CONTENT[start : start + len(CONTENT) // 3 + 1]
            self._answer(206 if asked else 200, part, length=len(CONTENT) - start, start=start)
        elif self.path == "/no-ranges":
            self._answer(200, CONTENT)
        elif asked and start >= len(CONTENT):
            self._answer(416, b"")
        else:
            self._answer(206 if asked else 200, CONTENT[start:], start=start)

    def _answer(self, status: int, body: bytes, *, length: int | None = -1, start: int = 0, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length == -1 else length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests' output is theirs."""


@pytest.fixture
def server():
    Files.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models" / "file.onnx"


def fetch(url: str, path: Path) -> None:
    downloads.fetch(url, path, sha256=SHA256, max_bytes=len(CONTENT))


def left(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if not each.name.endswith(".lock"))


@pytest.mark.parametrize("name", ["good", "moved", "no-ranges"])
def test_the_file_comes_whole_and_nothing_else_stays(server, path, name):
    sizes = []
    downloads.fetch(f"{server}/{name}", path, sha256=SHA256[:8], max_bytes=len(CONTENT), progress=sizes.append)
    assert path.read_bytes() == CONTENT
    assert sizes[-1] == len(CONTENT)
    assert left(path) == ["file.onnx"]


def test_a_connection_that_breaks_is_taken_up_where_it_ended(server, path):
    fetch(f"{server}/breaks", path)
    assert path.read_bytes() == CONTENT
    third = len(CONTENT) // 3 + 1
    assert [asked for _, asked in Files.asked] == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_what_an_earlier_run_left_is_taken_up(server, path):
    path.parent.mkdir()
    path.with_name(".file.onnx.part").write_bytes(CONTENT[:5000])
    fetch(f"{server}/good", path)
    assert path.read_bytes() == CONTENT
    assert Files.asked == [("/good", "bytes=5000-")]


def test_a_server_without_ranges_starts_again(server, path):
    path.parent.mkdir()
    path.with_name(".file.onnx.part").write_bytes(CONTENT[:5000])
    fetch(f"{server}/no-ranges", path)
    assert path.read_bytes() == CONTENT


def test_a_part_that_is_all_of_the_file_needs_no_more(server, path):
    path.parent.mkdir()
    path.with_name(".file.onnx.part").write_bytes(CONTENT)
    fetch(f"{server}/good", path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("another", r"/another: sha256 [0-9a-f]{64}, but file\.onnx has [0-9a-f]{64}; nothing is kept of it$"),
        ("too-long", r"/too-long: 30,720 bytes, more than the 10,240 of this file$"),
        ("endless", r"/endless: more than the 10,240 bytes of this file$"),
        ("gone", r"/gone: (HTTP Error 404: )?Not Found$"),
        ("local", r"/local: .*(file scheme is not followed|to a file|not allowed)"),
    ],
)
def test_what_is_not_the_file_is_refused_in_one_line_and_replaces_nothing(server, path, name, reason):
    path.parent.mkdir()
    path.write_bytes(b"the file of before")
    with pytest.raises(BadInput, match=reason):
        fetch(f"{server}/{name}", path)
    assert path.read_bytes() == b"the file of before"


def test_a_wrong_file_that_was_stored_does_not_stand_in_the_way_of_the_next_run(server, path):
    for name in ("another", "too-long", "endless"):
        with pytest.raises(BadInput):
            fetch(f"{server}/{name}", path)
        assert left(path) == []
    fetch(f"{server}/good", path)
    assert path.read_bytes() == CONTENT


def test_without_a_server_the_line_says_so(path):
    with pytest.raises(BadInput, match=r"^http://127\.0\.0\.1:9/x: .*refused"):
        fetch("http://127.0.0.1:9/x", path)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x", "models/x.onnx", "http://[x"])
def test_other_schemes_are_no_addresses(path, address):
    with pytest.raises(BadInput, match=r"not an address; permitted: https://… or http://…"):
        fetch(address, path)


def test_two_at_once_do_not_write_one_file(server, path):
    path.parent.mkdir()
    other = ProcessLock(path.with_name(".file.onnx.lock"))
    assert other.take()
    try:
        with pytest.raises(MtfError, match="another process is fetching it"):
            fetch(f"{server}/good", path)
    finally:
        other.release()
    fetch(f"{server}/good", path)
    assert path.read_bytes() == CONTENT
