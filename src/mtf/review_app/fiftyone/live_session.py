"""A room that is open: the material, the reviewer's desk, and the data set that shows it.

Nothing here waits for MongoDB: what a decision needs is in memory and in the ledger. The data set is brought up
to date behind the reviewer's back, and made good when the room is opened again where that failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from mtf.core.errors import BadInput, MtfError
from mtf.review_app.engine.face_pictures import Asked, Pictures
from mtf.review_app.engine.page import Page, Plan
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.fiftyone.sample_updates import accepted_of, page_updates, panel_updates, sample_updates
from mtf.review_app.fiftyone.samples import sample_id
from mtf.schemas import FACE

log = logging.getLogger(__name__)

# What others said meanwhile is read this often at most, and never for more than a twentieth of the time.
REFRESH_S = 3.0
REFRESH_SHARE = 20


@dataclass
class LiveSession:
    """What the operators of the plugin act on: one reviewer's desk, and the data set that shows it.

    `renewed` gives the material after what the ledger says by now, with a plan for it; None where it says no more.
    """

    material: ReviewData
    pictures: Pictures
    desk: ReviewSession
    dataset: str
    collection: Any
    renewed: Callable[[ReviewData], tuple[ReviewData, Plan] | None] = lambda _: None
    _behind: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mtf-review-mirror"))
    _shown_page: Page | None = None
    _closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        names = self.material.faces.select(FACE).iter_rows()
        self._by_id = {sample_id(*key): Key(*key) for key in names}
        self._refreshing = threading.Thread(target=self._keep_fresh, name="mtf-review-others", daemon=True)
        self._refreshing.start()

    def desk_of(self, dataset: str | None) -> ReviewSession:
        """Raises BadInput where the data set is not the reviewer's: nobody decides in another's name."""
        if dataset != self.dataset:
            raise BadInput(f"{dataset!r} is not the data set of {self.desk.reviewer}, whose room this is")
        return self.desk

    def named(self, ids: Iterable[str]) -> list[Key]:
        """The faces of samples, each once. Raises BadInput for a sample that is none."""
        found = dict.fromkeys(self._by_id.get(name.removesuffix("-modal")) for name in ids)
        if None in found:
            raise BadInput("this sample is not a face of the review; reload the page")
        return [key for key in found if key is not None]

    def bytes_of(self, asked: Asked) -> bytes:
        """The JPEG asked for.

        Raises KeyError where it is of no face of this data set, OSError where the face's shard cannot be read.
        """
        if asked.dataset != self.dataset:
            raise KeyError(asked.dataset)
        if asked.kind == "crop":
            return self.pictures.crop(asked.face)
        if asked.kind == "picture":
            return self.pictures.picture(asked.face)
        accepted = accepted_of(self.desk, self.material, asked.face.identity)
        return self.pictures.person(asked.face, accepted)

    def everyone(self) -> dict[str, dict[str, int]]:
        """Reviewer → step → faces decided: who is how far, and nothing of what they said."""
        votes = self.material.votes.filter(~pl.col("joint")).group_by("reviewer", "step").len()
        found: dict[str, dict[str, int]] = {}
        for reviewer, step, count in votes.sort("reviewer", "step").iter_rows():
            found.setdefault(reviewer, {})[step] = count
        if not self.desk.joint:
            found[self.desk.reviewer] = {str(step): count for step, count in self.desk.done.items()}
        return found

    def show(self, changed: Sequence[Key]) -> None:
        """Bring the samples of `changed` faces, and of their duplicate groups, up to date, later."""
        if changed:
            self._behind.submit(self._write, lambda: sample_updates(self.desk, self.material, changed))

    def show_page(self, page: Page) -> None:
        """Let the saved views begin with the page, later."""
        before, self._shown_page = self._shown_page, page
        if before is None or before.faces != page.faces:
            self._behind.submit(self._write, lambda: page_updates(page, before))

    def _write(self, updates: Callable[[], list[Any]]) -> None:
        try:
            if found := updates():
                self.collection.bulk_write(found, ordered=False)
        except Exception as error:  # MongoDB gone, or anything else: the ledger has the decision
            log.warning("the screen of %s lags: %s", self.dataset, " ".join(str(error).split())[:200])

    def _keep_fresh(self) -> None:
        wait_s, told = REFRESH_S, ""
        while not self._closed.wait(wait_s):
            began = time.monotonic()
            try:
                self.refresh()
                told = ""
            except Exception as error:
                # A ledger that is being put in order, or a fault of this program: what stood goes on standing.
                why = " ".join(str(error).split()) or type(error).__name__
                if why != told:
                    is_fault = not isinstance(error, (MtfError, OSError))
                    log.warning("what others said meanwhile is not shown: %s", why, exc_info=is_fault)
                told = why
            wait_s = max(REFRESH_S, REFRESH_SHARE * (time.monotonic() - began))

    def refresh(self) -> None:
        """Take in what was said since the ledger was read last, by others and here."""
        found = self.renewed(self.material)
        if found is None:
            return
        before, (now, plan) = self.material, found
        self.desk.renew(now, plan)
        self.material = now
        self._behind.submit(self._write, lambda: panel_updates(self.desk, before, now))

    def close(self) -> None:
        self._closed.set()
        self._refreshing.join()
        self._behind.shutdown(wait=True)
        self.desk.close()


current: LiveSession | None = None


def room() -> LiveSession:
    """The room of this process. Raises BadInput where none is open (the plugin was loaded by something else)."""
    if current is None:
        raise BadInput("no review is open here; start it with `mtf review open --reviewer NAME`")
    return current
