"""Upload to Zenodo by its REST API (https://developers.zenodo.org), as a draft that a person publishes.

A record of Zenodo has no folders, so that the package goes as one ZIP file, with card, terms, citation and description
beside it. Files that the draft has already are not sent again; their MD5 digests tell, which Zenodo states.
"""

from __future__ import annotations

import hashlib
import html
import http.client
import json
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit

from mtf.core import atomic_files
from mtf.core.errors import BadInput, MtfError
from mtf.release.upload.package import Package

BESIDE = ("README.md", "LICENSE.txt", "CITATION.cff", "DATASHEET.md")
TIMEOUT_S = 300
MAX_ANSWER_BYTES = 10_000_000
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
Json = dict[str, Any]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:  # noqa: ARG002
        return None


def upload(package: Package, host: str, record: str | None, *, token: str, says: str, scratch: Path) -> str:
    """Upload a package to a draft at `host`; return the address of the draft.

    - `record`: number of the published record that gets a new version, or of a draft; None for a new record;
    - `says`: description of the data set;
    - `scratch`: folder for the ZIP file, and for the number of the draft, by which an interrupted upload goes on.

    Raises BadInput if the service refuses, and MtfError if it cannot be reached.
    """
    service = _Zenodo(host, token)
    memory = scratch / f"zenodo-{host.replace(':', '-')}.json"
    draft = _draft(service, record, memory, package)
    archive = zipped(package, scratch)
    there = {each["filename"]: each["checksum"].removeprefix("md5:") for each in draft.get("files", [])}
    for path in (*(package.folder / name for name in BESIDE), archive):
        if there.get(path.name) != _md5(path):
            service.put_file(f"{draft['links']['bucket']}/{quote(path.name)}", path)
    names = {*BESIDE, archive.name}
    for old in draft.get("files", []):
        if old["filename"] not in names:
            service.ask("DELETE", f"/api/deposit/depositions/{draft['id']}/files/{old['id']}")
    service.ask("PUT", f"/api/deposit/depositions/{draft['id']}", {"metadata": metadata(package.citation, says)})
    return draft["links"]["html"]


def metadata(citation: Mapping[str, Any], says: str) -> Json:
    """Zenodo's metadata of a release, from its CITATION.cff."""
    fields = {
        "title": citation["title"],
        "upload_type": "dataset",
        "description": f"<p>{html.escape(says)}</p>",
        "creators": [{"name": author["name"]} for author in citation["authors"]],
        "version": citation["version"],
        "license": str(citation["license"]).lower(),
        "access_right": "open",
        "keywords": citation.get("keywords", []),
        "publication_date": str(citation["date-released"]) if "date-released" in citation else None,
    }
    return {key: value for key, value in fields.items() if value}


def zipped(package: Package, folder: Path) -> Path:
    """ZIP file of a package, made anew if it is not there; the same package gives the same bytes.

    Its name has the title's digits and letters, the version and a digest of the checksums.
    """
    sums = hashlib.sha256((package.folder / "SHA256SUMS").read_bytes()).hexdigest()[:8]
    name = "-".join(
        "".join(c if c.isascii() and c.isalnum() else " " for c in package.citation["title"]).lower().split()
    )
    path = folder / f"{name or 'release'}-{package.citation['version']}-{sums}.zip"
    if not path.is_file():
        with atomic_files.replacing(path) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as packed:
            for file in sorted(package.sizes):
                with packed.open(zipfile.ZipInfo(file, _NO_TIME), "w", force_zip64=True) as target:
                    target.write((package.folder / file).read_bytes())
    return path


def _draft(service: _Zenodo, record: str | None, memory: Path, package: Package) -> Json:
    """Draft of this version: the one that an interrupted upload began, a new version's, or a new record's."""
    key = f"{record or 'new'} {package.citation['version']}"
    begun = json.loads(memory.read_text(encoding="utf-8")) if memory.is_file() else {}
    if key in begun:
        draft = service.ask("GET", f"/api/deposit/depositions/{begun[key]}", missing_ok=True)
        if draft is not None and not draft["submitted"]:
            return draft
    if record is None:
        draft = service.ask("POST", "/api/deposit/depositions", {})
    else:
        draft = service.ask("GET", f"/api/deposit/depositions/{record}")
        if draft["submitted"]:
            newer = service.ask("POST", f"/api/deposit/depositions/{record}/actions/newversion")
            draft = service.ask("GET", urlsplit(newer["links"]["latest_draft"]).path)
    atomic_files.write_json(memory, begun | {key: draft["id"]})
    return draft


class _Zenodo:
    """Zenodo's API at one host. The token goes to this host alone."""

    def __init__(self, host: str, token: str) -> None:
        scheme = "http" if host.rpartition(":")[0] in _LOOPBACK else "https"
        self._base, self._host = f"{scheme}://{host}", host
        self._token = token
        self._opener = urllib.request.build_opener(_NoRedirect)

    def ask(self, method: str, path: str, body: Json | None = None, *, missing_ok: bool = False) -> Any:
        """Answer to a request as JSON; None if it has no content, or is 404 and `missing_ok`."""
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._send(method, f"{self._base}{path}", data, {"Content-Type": "application/json"})
        except _Refused as error:
            if missing_ok and error.status in (404, 410):
                return None
            raise
        return json.loads(answer) if answer.strip() else None

    def put_file(self, url: str, path: Path) -> None:
        """Send a file. The service must have received all bytes: it answers with their MD5 digest."""
        if urlsplit(url).netloc != self._host:
            raise BadInput(
                f"zenodo://{self._host}: it names another host for files, {urlsplit(url).netloc}; nothing was sent"
            )
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
        with path.open("rb") as file:
            answer = json.loads(self._send("PUT", url, file, headers))
        if answer.get("checksum", "").removeprefix("md5:") != _md5(path):
            raise MtfError(f"zenodo://{self._host}: {path.name} arrived with other bytes; run the same command again")

    def _send(self, method: str, url: str, data: Any, headers: dict[str, str]) -> bytes:
        headers = headers | {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "User-Agent": "mtf",
        }
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 (see __init__)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return answer.read(MAX_ANSWER_BYTES)
        except HTTPError as error:
            raise _Refused(self._host, error.code, _message(error.read(MAX_ANSWER_BYTES))) from None
        except (URLError, OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise MtfError(
                f"zenodo://{self._host}: no answer ({reason}); run the same command again to go on"
            ) from None


class _Refused(BadInput):
    """The service answered with an error status."""

    def __init__(self, host: str, status: int, says: str) -> None:
        self.status = status
        if status in (401, 403):
            text = f"the token is refused ({status}); it needs the scopes deposit:write and deposit:actions"
        else:
            text = f"the answer is {status}: {says or 'no reason given'}; run the same command again to go on"
        super().__init__(f"zenodo://{host}: {text}")


def _message(body: bytes) -> str:
    """Reason in an error's JSON, on one line."""
    try:
        raw = json.loads(body)
        parts = [str(raw.get("message", "")), *(str(each.get("message", "")) for each in raw.get("errors", []))]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return ""
    return " ".join(" ".join(parts).split())[:300]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
