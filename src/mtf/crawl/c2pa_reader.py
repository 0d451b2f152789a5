"""Reader of the C2PA manifest in a picture's file, with the library c2pa-python in a process of its own.

The process is started at the first file with a manifest, and again after a file that crashed it or kept it longer than
LIMIT_S. Such a file is UNKNOWN, as is one with a manifest where the library is missing.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from typing import Any

from mtf.crawl import c2pa_process
from mtf.crawl.c2pa_process import LENGTH, MAX_ANSWER_BYTES
from mtf.rights.signals import c2pa_manifest
from mtf.rights.signals.preferences import Preference

LIMIT_S = 20.0
"""Time for one file, the start of the process included."""
MAX_FILE_BYTES = 200_000_000
MISSING = "c2pa-python is not installed"

# The process gets no other variable: a crash in it must not show a key.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


def read(data: bytes, media_type: str) -> list[Preference]:
    """Preferences in the C2PA manifests of a file; empty without a manifest. Never raises for a file's content."""
    if not c2pa_manifest.is_present(data):
        return []
    if len(data) > MAX_FILE_BYTES:
        return c2pa_manifest.preferences({"error": f"{len(data)} bytes"}, data)
    if find_spec("c2pa") is None:
        return [c2pa_manifest.unknown(MISSING)]
    return c2pa_manifest.preferences(_PROCESS.ask(data, media_type), data)


class _ReaderProcess:
    """The process, for one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def ask(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Answer of the process: see `c2pa_process`."""
        with self._lock:
            try:
                channel = self._started()
                name = media_type.encode("ascii")
                channel.sendall(LENGTH.pack(len(name)) + LENGTH.pack(len(data)) + name)
                channel.sendall(data)
                return self._answer(channel)
            except TimeoutError:
                self._end()
                return {"error": f"no answer in {LIMIT_S:g} s"}
            except (OSError, ValueError) as error:
                return {"error": f"the reader ended: {self._end() or error}"}

    def _answer(self, channel: socket.socket) -> dict[str, Any]:
        size_bytes = LENGTH.unpack(_received(channel, LENGTH.size))[0]
        if size_bytes > MAX_ANSWER_BYTES:
            raise ValueError(f"{size_bytes} bytes of answer")
        answer = json.loads(_received(channel, size_bytes))
        if not isinstance(answer, dict):
            raise ConnectionError("no JSON object")
        return answer

    def _started(self) -> socket.socket:
        if self._process is not None and self._process.poll() is None and self._channel is not None:
            return self._channel
        self._end()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", c2pa_process.__file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        ours.settimeout(LIMIT_S)
        self._channel = ours
        return ours

    def _end(self) -> str | None:
        """End the process. Returns its exit status in words, if it had ended by itself."""
        process, channel = self._process, self._channel
        self._process = self._channel = None
        if channel is not None:
            channel.close()
        if process is None:
            return None
        try:
            status = process.wait(0.2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
        return f"signal {-status}" if status < 0 else f"status {status}"

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()


def _received(channel: socket.socket, size_bytes: int) -> bytes:
    data = bytearray()
    while len(data) < size_bytes:
        part = channel.recv(min(size_bytes - len(data), 2**16))
        if not part:
            raise ConnectionError("no answer")
        data += part
    return bytes(data)


_PROCESS = _ReaderProcess()
atexit.register(_PROCESS.close)
