"""Key of a face in the tables."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """Key of a face in the tables."""

    identity: str
    face_id: str
