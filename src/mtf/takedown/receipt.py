"""Receipt of an erasure: objects erased in each store, files that old versions lost, and steps still owed.

It is saved before the first byte is erased, and again after each store, so that an interrupted erasure can continue.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtf.core.atomic_files import write_json, write_text
from mtf.core.counts import number
from mtf.core.errors import BadInput, listed
from mtf.core.markdown_tables import table as markdown_table
from mtf.forget.store_erasure import outstanding_in, receipt_digest

SCHEMA = 2
Receipt = dict[str, Any]
NOT_SEARCHED: dict[str, Any] = {"owed": [], "text": [], "patterns": 0, "files": 0, "size_bytes": 0}
"""Search for leftovers that has not been done, as `leftovers.Leftovers.plain`."""
# Keys that earlier receipts lack.
_ADDED: Receipt = {
    "originals": [],
    "outside": [],
    "unreadable": [],
    "lost": [],
    "by_hand": [],
    "leftovers": NOT_SEARCHED,
}


def folder(data: Path) -> Path:
    """Folder of the receipts."""
    return data / "receipts"


def save(path: Path, receipt: Receipt) -> None:
    """Write the receipt to `path` as JSON, and beside it as Markdown. Sets its sha256."""
    receipt["sha256"] = receipt_digest(receipt)
    write_json(path, receipt)
    write_text(path.with_suffix(".md"), as_markdown(receipt))


def load_all(data: Path) -> list[tuple[Path, Receipt]]:
    """Receipts with their paths, oldest first. Raises BadInput for one that was changed by hand."""
    found = []
    for path in sorted(folder(data).glob("*.json")):
        receipt = json.loads(path.read_text(encoding="utf-8"))
        if receipt_digest(receipt) != receipt.get("sha256"):
            raise BadInput(f"{path.name}: its sha256 does not match: a receipt is not changed by hand")
        found.append((path, copy.deepcopy(_ADDED) | receipt))
    return found


def outstanding(receipt: Receipt) -> list[str]:
    """Messages on objects and files that may still hold an erased picture; empty if the erasure is complete."""
    unreadable = [f"Cannot be looked through: {each}. Remove it, or put it right." for each in receipt["unreadable"]]
    left = [
        f"Something of an erased picture is left in {each}. Remove it, then erase again."
        for each in receipt["leftovers"]["owed"]
    ]
    return [*outstanding_in(receipt["places"]), *unreadable, *left]


def as_markdown(receipt: Receipt) -> str:
    """Receipt in Markdown, for the person who asked."""
    owing = outstanding(receipt)
    state = f"finished {receipt['finished_at']}" if receipt["finished_at"] else "**something is still owed**"
    scope = receipt["subjects"]
    lines = [
        f"# Erasure {receipt['started_at']}: {state}",
        "",
        f"Signed off by {_text(receipt['signed_by'])}. Made by {receipt['program']}.",
        "",
        "## Requests",
        *_requests(receipt["requests"]),
        "",
        f"They name {number(len(scope['image_ids']), 'picture')} with {number(len(scope['face_ids']), 'face')}, "
        f"in the shards of {number(len(scope['affected']), 'identity', 'identities')}.",
        "",
        "## Still owed",
        *([f"- {_text(each)}" for each in owing] or ["Nothing."]),
        "",
        "## Still owed by people",
        *([f"- {_text(each)}" for each in receipt["by_hand"]] or ["Nothing that is known here."]),
        "",
        "## Places",
        markdown_table(
            ["place", "address", "held before", "hold after", "still owed"],
            [_place_row(name, place) for name, place in receipt["places"].items()],
        ),
        f"Run cache: {receipt['run_cache']} entries removed.",
        "",
        "## Removed from the workspace",
        *([f"- `{_text(each)}`" for each in [*receipt["originals"], *receipt["workspace"]]] or ["Nothing."]),
        "",
        "## What old versions lost",
        *_lost(receipt),
        "",
        "## Models that saw an erased face: retrain or withdraw them",
        *([f"- `{m['path']}` at {', '.join(m['revisions'])}" for m in receipt["models"]] or ["None."]),
        "",
        "## What was not found anywhere",
        *(_lost_listings(receipt["lost"]) or ["Everything was found."]),
        "",
        "## Search for leftovers",
        *_searched(receipt["leftovers"]),
        "",
        "## What this receipt does not cover",
        "Copies outside these places: other clones and their caches, releases that were handed on, backups of the "
        "storage, and lines in old versions of the tables (addresses, file names, and of faces boxes, measures and "
        "64-bit perceptual hashes), from which no picture can be made.",
        "",
        f"`sha256 {receipt['sha256']}`",
    ]
    return "\n".join(lines) + "\n"


def _place_row(name: str, place: dict[str, Any]) -> list[str]:
    owing = f"{len(place['owed'])} {_text(place['error'] or '')}".strip()
    return [name, _text(place["address"]), str(place["before"]), str(place["after"]), owing]


def _searched(leftovers: dict[str, Any]) -> Iterator[str]:
    """Lines on the search for leftovers: what was searched, and where text remains."""
    if not leftovers["files"]:
        yield "Not done yet: it comes after the erasure."
        return
    yield (
        f"Every byte of {leftovers['files']:,} files and objects of git ({leftovers['size_bytes']:,} bytes), also "
        f"expanded, was searched for {leftovers['patterns']:,} pieces of pictures, crops, thumbnails, embeddings, "
        "names and addresses of at least 8 bytes. What was left of pictures and embeddings stands above, as owed."
    )
    if leftovers["text"]:
        yield ""
        yield "Names, numbers or addresses remain as text, in:"
        yield ""
        yield from (f"- {_text(each)}" for each in leftovers["text"])


def _lost(receipt: Receipt) -> list[str]:
    lines = [
        f"- `{_text(h['path'])}` at {', '.join(h['revisions'])}: {h['size_bytes']:,} bytes"
        + (f", with {number(h['others'], 'picture')} that nobody asked to erase" if h["others"] else "")
        for h in receipt["objects"]
    ]
    return lines or ["Nothing."]


def _lost_listings(lost: list[str]) -> list[str]:
    """One line for each folder whose list of files is gone, with the number of its versions."""
    versions: dict[str, list[str]] = {}
    for each in lost:
        path, _, revision = each.rpartition(" at ")
        versions.setdefault(path, []).append(revision)
    return [
        f"- {_text(path)} at {_text(listed(revisions, 4))}: its list of files is gone"
        for path, revisions in versions.items()
    ]


def _requests(requests: list[dict[str, str]]) -> Iterator[str]:
    """List of requests; the image_ids and perceptual hashes recorded with each are only counted."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for request in requests:
        groups.setdefault((request["added_at"], _reference(request)), []).append(request)
    for (added_at, reference), (first, *more) in groups.items():
        derived = [each for each in more if each["kind"] in ("image_id", "perceptual_hash", "content_hash")]
        named = [first, *(each for each in more if each not in derived)]
        words = ", ".join(f"{each['kind']} `{_text(each['value'])}`" for each in named)
        beside = f" (with {len(derived)} image_ids and perceptual hashes of its pictures)" if derived else ""
        yield f"- {added_at}: {words}{beside}, {reference}"


def _reference(request: dict[str, str]) -> str:
    asked_by = f"asked by {request['requested_by']}" if request["requested_by"] else ""
    parts = [request["reason"], asked_by, request["reference"]]
    return _text("; ".join(part for part in parts if part) or "no reason given")


def _text(value: str) -> str:
    """Text on one line, with the special characters of Markdown and HTML escaped."""
    return " ".join(str(value).split()).translate(str.maketrans({c: f"\\{c}" for c in "|`<>*_[]"}))
