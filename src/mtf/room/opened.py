"""A room that is open: the material, a desk for each reviewer, and the data sets that show them.

Nothing here waits for MongoDB: what a decision needs is in memory and in the ledger. The data sets are brought up
to date behind the reviewer's back, and made good when the room is opened again where that failed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from mtf.errors import BadInput
from mtf.room.desk import Desk
from mtf.room.material import Key, Material
from mtf.room.media import Asked, Pictures
from mtf.room.queue import FACE
from mtf.room.samples import sample_id
from mtf.room.shown import accepted_of, sample_updates

log = logging.getLogger(__name__)


@dataclass
class Opened:
    """What the operators of the plugin act on. `desks` is by the name of the data set."""

    material: Material
    pictures: Pictures
    desks: dict[str, Desk]
    collections: dict[str, Any] = field(default_factory=dict)
    _behind: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mtf-review-mirror"))

    def desk(self, dataset: str | None) -> Desk:
        """Raises BadInput where the data set is no reviewer's."""
        try:
            return self.desks[dataset or ""]
        except KeyError:
            raise BadInput(
                f"{dataset!r} is no data set of the review; open the address that the command showed"
            ) from None

    def keys(self, ids: Iterable[str]) -> list[Key]:
        """The faces of samples. Raises BadInput for a sample that is none."""
        found = [self._by_id.get(name.removesuffix("-modal")) for name in ids]
        if None in found:
            raise BadInput("this sample is not a face of the review; reload the page")
        return [key for key in found if key is not None]

    def __post_init__(self) -> None:
        names = self.material.faces.select(FACE).iter_rows()
        self._by_id = {sample_id(*key): Key(*key) for key in names}

    def bytes_of(self, asked: Asked) -> bytes:
        """The JPEG asked for. Raises KeyError where there is no such face, OSError where its shard cannot be read."""
        if asked.kind == "crop":
            return self.pictures.crop(asked.face)
        if asked.kind == "picture":
            return self.pictures.picture(asked.face)
        accepted = accepted_of(self.desks[asked.dataset], self.material, asked.face.identity)
        return self.pictures.person(asked.face, accepted)

    def everyone(self) -> dict[str, dict[str, int]]:
        """Reviewer → step → faces decided: who is how far, and nothing of what they said."""
        votes = self.material.votes.filter(~pl.col("joint")).group_by("reviewer", "step").len()
        found: dict[str, dict[str, int]] = {}
        for reviewer, step, count in votes.sort("reviewer", "step").iter_rows():
            found.setdefault(reviewer, {})[step] = count
        for desk in self.desks.values():
            if not desk.joint:
                found[desk.reviewer] = {str(step): count for step, count in desk.done.items()}
        return found

    def show(self, dataset: str, changed: Sequence[Key]) -> None:
        """Bring the samples of `changed` faces, and of their duplicate groups, up to date, later."""
        if changed:
            self._behind.submit(self._show, dataset, list(changed))

    def _show(self, dataset: str, changed: list[Key]) -> None:
        try:
            desk = self.desks[dataset]
            updates = sample_updates(desk, self.material, changed)
            self.collections[dataset].bulk_write(updates, ordered=False)
        except Exception as error:  # MongoDB gone, or anything else: the ledger has the decision
            log.warning("the screen of %s lags: %s", dataset, " ".join(str(error).split())[:200])

    def close(self) -> None:
        self._behind.shutdown(wait=True)
        for desk in self.desks.values():
            desk.close()


current: Opened | None = None


def room() -> Opened:
    """The room of this process. Raises BadInput where none is open (the plugin was loaded by something else)."""
    if current is None:
        raise BadInput("no review is open here; start it with `mtf review open --reviewer NAME`")
    return current
