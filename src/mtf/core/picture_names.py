"""Names of picture files, in every format that is read."""

from __future__ import annotations

import re

ENDINGS = r"\.(?:jpe?g|jpe|jfif|png|webp|gif|bmp|tiff?|avif|p[bgnp]m)"
"""Pattern of the endings, without case."""

_PICTURE = re.compile(rf"{ENDINGS}\s*$", re.IGNORECASE)


def is_picture(name: str) -> bool:
    """True for a name with the ending of a format that is read; blanks after it do not matter."""
    return _PICTURE.search(name) is not None
