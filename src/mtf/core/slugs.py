"""Slugs of people: the names by which shards, tables and tasks know an identity."""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_CHARS = 100


def slug(name: str) -> str:
    """Slug of a name: a-z, 0-9 and single dashes, at most MAX_CHARS; different names hardly ever have the same.

    Letters that have a plain form in ASCII take it (`é` is `e`). If any letter has none, or the name is longer, a
    digest of it follows: `王伟` and `李娜`, or `Łukasz` and `Ćukasz`, stay apart.
    """
    composed = unicodedata.normalize("NFC", name)
    plain = unicodedata.normalize("NFKD", composed)
    kept = plain.encode("ascii", "ignore").decode("ascii").lower().replace("'", "")
    words = re.sub(r"[^a-z0-9]+", "-", kept).strip("-")
    if 0 < len(words) <= MAX_CHARS and not any(letter.isalnum() and not letter.isascii() for letter in plain):
        return words
    digest = hashlib.sha256(composed.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{words[: MAX_CHARS - 13].strip('-') or 'id'}-{digest}"
