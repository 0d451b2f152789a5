"""Wikimedia's server of media: one file has an address of its own, and one for each width of its thumbnails."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

HOST = "upload.wikimedia.org"
# /PROJECT/WIKI/thumb/a/ab/NAME/WIDTHpx-NAME (mediawiki.org, Manual:Thumb_handler.php); `archive` has old versions.
_THUMBNAIL = re.compile(r"(/[^/]+/[^/]+)/thumb((?:/archive)?/[0-9a-f]/[0-9a-f]{2}/[^/]+)/[^/]+")


def of_original(url: str) -> str:
    """The address of the file that `url` shows a thumbnail of; any other address as it stands.

    Of this host's addresses the query goes, too: it tells caches apart, not files.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if (parts.hostname or "") != HOST:
        return url
    thumbnail = _THUMBNAIL.fullmatch(parts.path)
    path = thumbnail[1] + thumbnail[2] if thumbnail else parts.path
    return f"{parts.scheme}://{HOST}{path}"
