"""Name of this crawler in robots.txt and in its User-Agent."""

from __future__ import annotations

ROBOT = "mtf"
