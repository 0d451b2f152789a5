"""Faces that are taken down while a review is open: their samples leave the reviewer's data set.

The session refuses decisions about them, and their pictures are not served any more (`Pictures.check`). Without this,
FiftyOne's grid and saved views would still list them, with name, box and measures.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_pictures import Pictures, Stamp
from mtf.review_app.fiftyone.samples import sample_id


class TakenDown:
    """Reader of the takedown requests that were added since the last call; the first call reads all."""

    def __init__(self, path: Path) -> None:
        """`path`: the file of the requests."""
        self._path = path
        self._seen: Stamp | object | None = object()
        self._removed: set[Key] = set()

    def removals(self, pictures: Pictures, faces: Collection[Key]) -> list[Any]:
        """Updates of MongoDB that remove the samples of those of the faces that are taken down now."""
        from bson import ObjectId
        from pymongo import DeleteOne

        if (stamp := self._stamp()) == self._seen:
            return []
        gone = [face for face in faces if face not in self._removed and pictures.is_taken_down(face)]
        self._seen = stamp
        self._removed.update(gone)
        return [DeleteOne({"_id": ObjectId(sample_id(*face))}) for face in gone]

    def _stamp(self) -> Stamp | None:
        return Stamp.of(self._path.stat()) if self._path.is_file() else None
