"""Simulated weeks of the sample's web: its pages change by a plan, and it is known where each change must end.

Each week, one picture of each kind of change is chosen at random among the clean ones that nothing has happened to.
Servers answer conditional requests as real ones do: some by ETag, some by Last-Modified, some by neither.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from mtf.config import Compute
from mtf.crawl import recorded_web
from mtf.crawl.recorded_web import Response
from mtf.sample import web
from mtf.sample.finds import PictureKind, SampleSize, plan
from mtf.sample.listing import SEARCH_ADDRESS, Listing, Markup, listings

DRIFTED_TO = "CC-BY-NC-4.0"
NEW_HOST = "second-home.example"


class WebChange(StrEnum):
    """Kind of a change of the web.

    DRIFT: a page states another license.
    PAGE_DIES: a page is gone, and its file stays.
    MOVE: page and file are gone, and come back under another address.
    OPT_OUT_PAGE: a page says noai.
    OPT_OUT_FILE: the answer with a file says noai.
    ARRIVAL: the search finds a picture that it did not find before.
    """

    DRIFT = "drift"
    PAGE_DIES = "page_dies"
    MOVE = "move"
    OPT_OUT_PAGE = "opt_out_page"
    OPT_OUT_FILE = "opt_out_file"
    ARRIVAL = "arrival"


@dataclass(frozen=True)
class Changed:
    """One change: its week, its kind, the picture's address before and after, and the digest of its file."""

    week: int
    kind: WebChange
    url: str
    new_url: str
    image_id: str


class LivingWeb:
    """The sample's web, which changes from week to week. Week 0 is the first crawl.

    people: on the roster.
    truths: what is on each picture, as `mtf.sample.truth` has it.
    changes: all changes so far.
    """

    def __init__(self, *, seed: int, size: SampleSize, weeks: int, compute: Compute) -> None:
        finds = plan(seed, size)
        self._seed, self.people = seed, size.people
        self._listed = listings(seed, finds, size.people)
        self._drawn = {item.find.key: item for item in web.drawn_files(seed, self._listed, size.people, compute)}
        self.truths = [web.truth_of(listing, self._drawn[listing.find.key], self._listed) for listing in self._listed]
        self._random = np.random.default_rng([seed, 9])
        self._untouched = [one.find.key for one in self._listed if _may_change(one)]
        self._random.shuffle(self._untouched)
        self._hidden = [self._untouched.pop() for _ in range(weeks)]
        self._dead: set[str] = set()
        self._opted_out: dict[str, WebChange] = {}
        self.changes: list[Changed] = []
        self._week = 0

    def advance(self) -> list[Changed]:
        """Let a week pass; the changes of that week."""
        self._week += 1
        made = [self._change(kind) for kind in WebChange if kind == WebChange.ARRIVAL or self._untouched]
        self.changes += made
        return made

    def _change(self, kind: WebChange) -> Changed:
        key = self._hidden.pop() if kind == WebChange.ARRIVAL else self._untouched.pop()
        place = next(number for number, one in enumerate(self._listed) if one.find.key == key)
        old = self._listed[place]
        new = old
        if kind == WebChange.DRIFT:
            new = replace(old, license=DRIFTED_TO)
        elif kind == WebChange.MOVE:
            new = replace(old, url=_moved(old.url), page_url=_moved(old.page_url))
            self._dead |= {old.url, old.page_url}
        elif kind == WebChange.PAGE_DIES:
            self._dead.add(old.page_url)
        elif kind in (WebChange.OPT_OUT_PAGE, WebChange.OPT_OUT_FILE):
            self._opted_out[old.page_url if kind == WebChange.OPT_OUT_PAGE else old.url] = kind
        self._listed[place] = new
        return Changed(self._week, kind, old.url, new.url, hashlib.sha256(self._drawn[key].file.data).hexdigest())

    def write(self, folder: Path, *, recorded_at: datetime) -> None:
        """Write this week's web for `mtf.crawl.recorded_web`. recorded_at: time of each crawl of it."""
        recorded_web.write(folder, [_with_validators(each) for each in self._responses()], recorded_at=recorded_at)

    def _responses(self) -> Iterator[Response]:
        shown = [one for one in self._listed if one.find.key not in self._hidden]
        for response in web.responses(self._seed, shown, self._drawn, self.people):
            if response.url in self._dead:
                continue
            kind = self._opted_out.get(response.url)
            if kind == WebChange.OPT_OUT_PAGE:
                body = (response.body or b"").replace(b"</head>", b'<meta name="robots" content="noai"></head>')
                yield replace(response, body=body)
            elif kind == WebChange.OPT_OUT_FILE:
                yield replace(response, headers={**response.headers, "X-Robots-Tag": "noai"})
            else:
                yield response
        yield from (Response(url, 404, body=b"Gone.") for url in sorted(self._dead))
        yield Response(f"https://{NEW_HOST}/robots.txt", headers={"Content-Type": "text/plain"}, body=b"")


def _may_change(listing: Listing) -> bool:
    return listing.find.kind == PictureKind.CLEAN and listing.markup != Markup.IN_FILE


def _moved(url: str) -> str:
    return f"https://{NEW_HOST}{urlsplit(url).path}"


def _with_validators(response: Response) -> Response:
    """Response with the validators of its host: an ETag, a date, or neither, as search engines do."""
    if response.status != 200 or not response.body or response.url.startswith(SEARCH_ADDRESS):
        return response
    digest = hashlib.sha256(response.body).hexdigest()
    host = zlib.crc32(recorded_web.host_of(response.url).encode()) % 3
    date = datetime.fromtimestamp(1_500_000_000 + int(digest[:6], 16), UTC)
    validators = ({"ETag": f'"{digest[:16]}"'}, {"Last-Modified": format_datetime(date, usegmt=True)}, {})[host]
    return replace(response, headers={**response.headers, **validators})
