"""Servers on loopback that answer as Hugging Face's hub and Zenodo do, and remember what they were sent.

Written after https://huggingface.co/docs/hub/api with the requests of huggingface_hub, and after
https://developers.zenodo.org.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TOKEN = "made-up-token"  # noqa: S105 (no password)
Answer = tuple[int, Any]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Service:
    """Server with its requests (method, path), and paths (patterns) that are refused once each."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.refuse_once: list[str] = []
        self.address = ""
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        raise NotImplementedError

    def is_refused(self, path: str) -> bool:
        with self._lock:
            for pattern in self.refuse_once:
                if re.search(pattern, path):
                    self.refuse_once.remove(pattern)
                    return True
        return False

    def sent(self, method: str, pattern: str) -> list[str]:
        """Paths of the requests that a pattern matches."""
        return [path for each, path in self.requests if each == method and re.search(pattern, path)]


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Serve on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(self.path)
            service.requests.append((self.command, path))
            # Objects are stored under addresses that are signed; here each is known by its digest.
            is_authorized = path.startswith("/lfs/") or self.headers.get("Authorization") == f"Bearer {TOKEN}"
            if not is_authorized:
                status, found = 401, {"error": "Invalid credentials", "message": "Unauthorized"}
            elif service.is_refused(path):
                status, found = 400, {"error": "made to fail", "message": "made to fail"}
            else:
                status, found = service.answer(self.command, path, body)
            data = b"" if found is None else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 (names of the base class)

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


class Hub(Service):
    """One repository of the hub: its files, stored objects, commits and tags."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.tags: list[str] = []
        self.is_private: bool | None = None

    def answer(self, method: str, path: str, body: bytes) -> Answer:  # noqa: PLR0911 (one for each address)
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path.startswith("/lfs/"):
            self.objects[path.removeprefix("/lfs/")] = body
            return 200, None
        if path == "/api/repos/create":
            if self.is_private is not None:
                return 409, {"error": "You already created this dataset repo", "url": self._page()}
            self.is_private = json.loads(body).get("visibility") == "private"
            return 200, {"url": self._page()}
        if "/preupload/" in path:
            files = [each["path"] for each in json.loads(body)["files"]]
            mode = {True: "lfs", False: "regular"}
            return 200, {
                "files": [
                    {"path": each, "uploadMode": mode[each.endswith((".parquet", ".jpg"))], "shouldIgnore": False}
                    for each in files
                ]
            }
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self._batch(each) for each in json.loads(body)["objects"]]}
        if "/commit/" in path:
            for line in body.decode().splitlines():
                self._apply(**json.loads(line))
            return 200, {
                "commitUrl": f"{self._page()}/commit/{'0' * 40}",
                "commitOid": "0" * 40,
                "pullRequestUrl": None,
            }
        if "/tag/" in path:
            self.tags.append(json.loads(body)["tag"])
            return 200, None
        if "/tree/" in path:
            return 200, [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha256(data).hexdigest()[:40]}
                for name, data in sorted(self.files.items())
            ]
        if "/revision/" in path or path.startswith("/api/datasets/"):
            return 200, {
                "id": "made-up/people",
                "sha": "0" * 40,
                "siblings": [{"rfilename": each} for each in self.files],
            }
        return 404, {"error": f"no such address: {method} {path}"}

    def _page(self) -> str:
        return f"http://{self.address}/datasets/made-up/people"

    def _batch(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["oid"] in self.objects:
            return wanted
        href = f"http://{self.address}/lfs/{wanted['oid']}"
        return wanted | {"actions": {"upload": {"href": href, "header": {}}}}

    def _apply(self, key: str, value: dict[str, Any]) -> None:
        if key == "file":
            self.files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            self.files[value["path"]] = self.objects[value["oid"]]
        elif key == "deletedFile":
            del self.files[value["path"]]


class Zenodo(Service):
    """Depositions with their metadata and files."""

    def __init__(self) -> None:
        super().__init__()
        self.depositions: dict[int, dict[str, Any]] = {}
        self.stored: dict[int, dict[str, bytes]] = {}

    def answer(self, method: str, path: str, body: bytes) -> Answer:  # noqa: PLR0911 (one for each address)
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "files"]:
            self.stored[int(parts[2])][parts[3]] = body
            return 201, {"key": parts[3], "checksum": f"md5:{md5(body)}"}
        if parts[:3] != ["api", "deposit", "depositions"]:
            return 404, {"message": "no such address"}
        if method == "POST" and len(parts) == 3:
            return 201, self._made()
        number = int(parts[3])
        if number not in self.depositions:
            return 404, {"message": "PID does not exist."}
        if parts[4:] == ["actions", "newversion"]:
            new = self._made()
            self.stored[new["id"]] = dict(self.stored[number])
            latest = f"http://{self.address}/api/deposit/depositions/{new['id']}"
            return 201, self.shown(number) | {"links": {"latest_draft": latest}}
        if method == "DELETE":
            del self.stored[number][parts[5]]
            return 204, None
        if method == "PUT":
            self.depositions[number]["metadata"] = json.loads(body)["metadata"]
        return 200, self.shown(number)

    def _made(self) -> dict[str, Any]:
        number = 1000 + len(self.depositions)
        self.depositions[number] = {"id": number, "submitted": False, "metadata": {}}
        self.stored[number] = {}
        return self.shown(number)

    def shown(self, number: int) -> dict[str, Any]:
        files = [{"id": name, "filename": name, "checksum": md5(data)} for name, data in self.stored[number].items()]
        links = {
            "bucket": f"http://{self.address}/api/files/{number}",
            "html": f"http://{self.address}/uploads/{number}",
        }
        return self.depositions[number] | {"files": files, "links": links}
