"""Rows of samples: what img2dataset writes, then what the fetch learned of rights and of the file."""

from __future__ import annotations

import io
import json
from functools import lru_cache
from typing import Any

from PIL import ExifTags, Image

from mtf.crawl.fetch_results import Fetch
from mtf.faces.decoding import of_any_size
from mtf.rights.signals.preferences import Answer, Preference, Signal
from mtf.schemas import FetchOutcome

SUCCESS, NOT_DOWNLOADED, NOT_A_PICTURE = "success", "failed_to_download", "failed_to_resize"
"""Values of `status`, img2dataset's. Nothing is resized here: the last one says that the file is no proper picture."""

_OF_THE_FILE = frozenset(
    {
        FetchOutcome.NOT_AN_IMAGE,
        FetchOutcome.TRUNCATED,
        FetchOutcome.UNDECODABLE,
        FetchOutcome.TOO_LARGE,
        FetchOutcome.TOO_SMALL,
    }
)
_EXIF_START = b"Exif\0\0"
_MAX_EXIF_CHARS = 300
_MAX_SIGNALS = 50
_MAX_STATEMENT_CHARS = 300


def row(listed: dict[str, Any], key: str, fetch: Fetch, *, exif: str | None, has_exif: bool) -> dict[str, Any]:
    """Row of one sample: `listed` is its row of the list."""
    picture = fetch.picture
    kind = None if picture is None else picture.kind
    width, height = (None, None) if kind is None else (kind.width, kind.height)
    evidence = {} if picture is None else picture.evidence
    signals, robots = _signals(fetch.preferences)
    return (
        listed
        | {
            "key": key,
            "status": status(fetch),
            "error_message": None if picture is not None else f"{fetch.outcome}: {fetch.detail}",
            "width": width,
            "height": height,
            "original_width": width,
            "original_height": height,
        }
        | ({"exif": exif} if has_exif else {})
        | {
            "sha256": fetch.image_id,
            "outcome": str(fetch.outcome),
            "http_status": fetch.http_status,
            "media_type": None if kind is None else kind.media_type,
            "size_bytes": fetch.size_bytes,
            "fetched_at": fetch.fetched_at.isoformat(timespec="seconds"),
            "robots": robots,
            "opt_out": evidence.get("opt_out"),
            "signals": signals,
            "license": evidence.get("license"),
            "license_url": evidence.get("license_url"),
            "license_status": evidence.get("stated"),
            "license_statement": evidence.get("statement"),
            "creator": evidence.get("creator"),
            "creator_url": evidence.get("creator_url"),
        }
    )


def status(fetch: Fetch) -> str:
    """Value of the column `status`."""
    if fetch.picture is not None:
        return SUCCESS
    return NOT_A_PICTURE if fetch.outcome in _OF_THE_FILE else NOT_DOWNLOADED


@lru_cache(maxsize=1024)  # a site says the same of most of its pictures
def _signals(preferences: tuple[Preference, ...]) -> tuple[str | None, str | None]:
    """Preferences as JSON, and the answer of robots.txt: allow, disallow or unknown; None without one.

    A Disallow for this robot overrides what robots.txt states about a use.
    """
    if not preferences:
        return None, None
    answers = {each.answer for each in preferences if each.signal == Signal.ROBOTS_TXT}
    strictest = next((each for each in (Answer.DISALLOW, Answer.UNKNOWN, Answer.ALLOW) if each in answers), None)
    said = [
        [str(each.signal), str(each.use), str(each.answer), each.statement[:_MAX_STATEMENT_CHARS], each.found_at]
        for each in preferences[:_MAX_SIGNALS]
    ]
    text = json.dumps(said).encode("utf-8", "replace").decode("utf-8")
    return text, None if strictest is None else str(strictest)


def exif_of(data: bytes) -> str:
    """EXIF fields as JSON, named as img2dataset names them (`Image Model`, `EXIF FNumber`), without binary values."""
    if not _may_have_exif(data):
        return "{}"
    try:
        with of_any_size(), Image.open(io.BytesIO(data)) as picture:
            exif = picture.getexif()
            fields = _named("Image", exif) | _named("EXIF", exif.get_ifd(ExifTags.IFD.Exif))
    # A hostile file may raise anything in Pillow.
    except Exception:
        return "{}"
    return json.dumps(fields)


def _may_have_exif(data: bytes) -> bool:
    """False for a JPEG without EXIF among the segments at its start, and for formats that have none."""
    if not data.startswith(b"\xff\xd8"):
        return data.startswith((b"II", b"MM", b"\x89PNG", b"RIFF"))
    place = 2
    while data[place : place + 1] == b"\xff" and 0xE0 <= data[place + 1] <= 0xEF:
        if data[place + 4 : place + 10] == _EXIF_START:
            return True
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def _named(group: str, tags: Any) -> dict[str, str]:
    return {
        f"{group} {ExifTags.TAGS[tag]}": str(value).strip()[:_MAX_EXIF_CHARS]
        for tag, value in tags.items()
        if tag in ExifTags.TAGS and not isinstance(value, bytes | dict)
    }
