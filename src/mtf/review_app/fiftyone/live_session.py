"""Live session: the review data, the reviewer's session, and the FiftyOne data set that shows it.

Nothing here waits for MongoDB: a decision needs only memory and the ledger. The data set is updated in the background,
and repaired when the review app opens again if an update failed.
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
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_pictures import PictureRequest, Pictures
from mtf.review_app.engine.page import Page, Plan
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.fiftyone.sample_updates import accepted_of, page_updates, panel_updates, sample_updates
from mtf.review_app.fiftyone.samples import sample_id
from mtf.review_app.fiftyone.taken_down import TakenDown
from mtf.schemas import FACE

log = logging.getLogger(__name__)

# Others' decisions are read this often at most, and for at most a twentieth of the time.
REFRESH_S = 3.0
REFRESH_SHARE = 20
# MongoDB has this long to take the last updates; it is less than the app has to end in.
CLOSE_S = 10.0
GOODBYE_S = 0.5


@dataclass
class LiveSession:
    """Live session that the plugin's operators act on.

    review_data: faces and decisions.
    pictures: reader of the faces' pictures.
    session: the reviewer's session.
    dataset: name of the FiftyOne data set.
    collection: its MongoDB collection of samples.
    renewed: returns review data and plan for the current ledger; None if it has not changed.
    left_out: faces that are not asked about any more, since their pictures are gone, each with the reason.
    """

    review_data: ReviewData
    pictures: Pictures
    session: ReviewSession
    dataset: str
    collection: Any
    renewed: Callable[[ReviewData], tuple[ReviewData, Plan] | None] = lambda _: None
    left_out: dict[Key, str] = field(default_factory=dict)
    _behind: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mtf-review-mirror"))
    _page: Page | None = None
    _closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        names = self.review_data.faces.select(FACE).iter_rows()
        self._by_id = {sample_id(*key): Key(*key) for key in names}
        self._taken_down = TakenDown(self.pictures.takedowns)
        self._refreshing = threading.Thread(target=self._keep_fresh, name="mtf-review-others", daemon=True)
        self._refreshing.start()

    def session_of(self, dataset: str | None) -> ReviewSession:
        """Session of the data set's reviewer; raises BadInput for another's data set, so that nobody decides in their
        name.
        """
        if dataset != self.dataset:
            raise BadInput(f"{dataset!r} is not the data set of {self.session.reviewer}")
        return self.session

    def named(self, ids: Iterable[str]) -> list[Key]:
        """Faces of sample ids, each once; raises BadInput for an unknown id."""
        found = dict.fromkeys(self._by_id.get(name.removesuffix("-modal")) for name in ids)
        if None in found:
            raise BadInput("this sample is not a face of the review; reload the page")
        return [key for key in found if key is not None]

    def bytes_of(self, request: PictureRequest) -> bytes:
        """JPEG for a picture request.

        Raises KeyError for a face that is not in this data set, OSError if its shard cannot be read.
        """
        if request.dataset != self.dataset:
            raise KeyError(request.dataset)
        if request.kind == "crop":
            return self.pictures.crop(request.face)
        if request.kind == "picture":
            return self.pictures.picture(request.face)
        accepted = accepted_of(self.session, self.review_data, request.face.identity)
        return self.pictures.person(request.face, accepted)

    def everyone(self) -> dict[str, dict[str, int]]:
        """Number of decided faces per reviewer and step; it shows progress, but no verdicts."""
        votes = self.review_data.votes.filter(~pl.col("joint")).group_by("reviewer", "step").len()
        found: dict[str, dict[str, int]] = {}
        for reviewer, step, count in votes.sort("reviewer", "step").iter_rows():
            found.setdefault(reviewer, {})[step] = count
        if not self.session.joint:
            found[self.session.reviewer] = {str(step): count for step, count in self.session.done.items()}
        return found

    def current_page(self) -> Page:
        """Rest of the current page or the next one; faces whose pictures are gone are left out (`left_out`)."""
        while True:
            page = self.session.page()
            gone = {face: str(why) for face in page.faces if (why := self._reason_gone(face))}
            if not gone:
                return page
            self.left_out |= gone
            self.session.leave_out(list(gone))

    def _reason_gone(self, face: Key) -> BadInput | None:
        try:
            self.pictures.check([face])
        except BadInput as error:
            return error
        return None

    def show(self, changed: Sequence[Key]) -> None:
        """Update the samples of `changed` faces and of their duplicate groups, in the background."""
        if changed:
            self._behind.submit(self._write, lambda: sample_updates(self.session, self.review_data, changed))

    def show_page(self, page: Page) -> None:
        """Put the page first in the saved views, in the background."""
        before, self._page = self._page, page
        if before is None or before.faces != page.faces:
            self._behind.submit(self._write, lambda: page_updates(page, before))

    def _write(self, updates: Callable[[], list[Any]]) -> None:
        try:
            if found := updates():
                self.collection.bulk_write(found, ordered=False)
        except Exception as error:  # such as MongoDB being away; the decision is in the ledger
            log.warning("%s: the screen is not up to date: %s", self.dataset, " ".join(str(error).split())[:200])

    def _keep_fresh(self) -> None:
        wait_s, last_error = REFRESH_S, ""
        while not self._closed.wait(wait_s):
            began = time.monotonic()
            try:
                self.refresh()
                self.drop_taken_down()
                last_error = ""
            except Exception as error:
                # The ledger is being corrected by hand, or a bug: keep the data read last.
                why = " ".join(str(error).split()) or type(error).__name__
                if why != last_error:
                    is_fault = not isinstance(error, (MtfError, OSError))
                    log.warning("decisions of others are not shown: %s", why, exc_info=is_fault)
                last_error = why
            wait_s = max(REFRESH_S, REFRESH_SHARE * (time.monotonic() - began))

    def refresh(self) -> None:
        """Take over decisions added to the ledger since it was read last."""
        found = self.renewed(self.review_data)
        if found is None:
            return
        before, (now, plan) = self.review_data, found
        self.session.renew(now, plan)
        self.review_data = now
        self._behind.submit(self._write, lambda: panel_updates(self.session, before, now))

    def drop_taken_down(self) -> None:
        """Remove the samples of faces that were taken down since the last call, in the background."""
        if removals := self._taken_down.removals(self.pictures, self._by_id.values()):
            self._behind.submit(self._write, lambda: removals)

    def close(self) -> None:
        """End the session, once. Updates that MongoDB does not take within CLOSE_S are given up."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._refreshing.join()
        try:
            self._behind.submit(lambda: None).result(CLOSE_S)
        except TimeoutError:
            import pymongo

            # Each update would wait 30 s for a MongoDB that is gone, as would the end of the client's sessions. With a
            # closed client they fail at once.
            with pymongo.timeout(GOODBYE_S):
                self.collection.database.client.close()
        self._behind.shutdown(wait=True)
        self.session.close()


current: LiveSession | None = None


def current_session() -> LiveSession:
    """Live session of this process; raises BadInput if none is open, when something else loaded the plugin."""
    if current is None:
        raise BadInput("no review is open here; start it with `mtf review open --reviewer NAME`")
    return current
