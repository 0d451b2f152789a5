"""Comparison of pictures with a withdrawal list: by bytes, then by looks, then by pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from mtf.recall.perceptual_code import CodeIndex, NotAPicture, grey_grid, is_telling, rgb_pixels
from mtf.recall.withdrawal_list import WithdrawalList

PICTURES_AT_ONCE = 64
"""Pictures that are compared with the list in one step."""
KEPT_VERDICTS = 1 << 18
"""Contents whose verdict is remembered, so that a copy of the same bytes is not decoded: some 200 bytes each."""
Place = TypeVar("Place", bound=Hashable)


class Match(NamedTuple, Generic[Place]):
    """Picture that the list names.

    place: where it lies, as the caller gave it.
    by: `bytes`, `pixels` or `looks`.
    entry: number of the withdrawal in the list, from 1.
    """

    place: Place
    by: str
    entry: int


class Unreadable(NamedTuple, Generic[Place]):
    """Picture that could not be looked at, and why."""

    place: Place
    why: str


class _Waiting(NamedTuple, Generic[Place]):
    """Content that is compared in the next step, and all places where it lies."""

    data: bytes
    grid: np.ndarray
    places: list[Place]


# The same for all places of a content, here without one; None if the list does not name it.
Verdict = Match[None] | Unreadable[None] | None


class PictureMatcher:
    """Matcher of pictures against one withdrawal list. It decodes files of the same bytes once."""

    def __init__(self, withdrawals: WithdrawalList) -> None:
        self._list = withdrawals
        self._by_data: dict[str, int] = {}
        self._by_pixels: dict[str, int] = {}
        self._entries: list[int] = []
        codes: list[bytes] = []
        self._has_uncoded = False
        for entry, each in enumerate(withdrawals.withdrawals, 1):
            if each.data_digest is not None:
                self._by_data.setdefault(each.data_digest, entry)
            if each.pixel_digest is not None:
                self._by_pixels.setdefault(each.pixel_digest, entry)
                self._has_uncoded |= each.code is None
            if each.code is not None:
                codes.append(each.code)
                self._entries.append(entry)
        self._codes = CodeIndex(codes)
        self._verdicts: dict[bytes, Verdict] = {}

    def matches(self, pictures: Iterable[tuple[Place, bytes]]) -> Iterator[Match[Place] | Unreadable[Place]]:
        """Matches among pictures, given as place and bytes; and those that cannot be decoded."""
        waiting: dict[bytes, _Waiting[Place]] = {}
        count = 0
        for place, data in pictures:
            sha256 = hashlib.sha256(data).digest()
            if sha256 in waiting:
                waiting[sha256].places.append(place)
            else:
                grid = None if sha256 in self._verdicts else self._grid_or_verdict(sha256, data)
                if grid is None:
                    yield from _at(self._verdicts[sha256], [place])
                    continue
                waiting[sha256] = _Waiting(data, grid, [place])
            count += 1
            if count == PICTURES_AT_ONCE:
                yield from self._compared(waiting)
                waiting, count = {}, 0
        yield from self._compared(waiting)

    def _compared(self, waiting: dict[bytes, _Waiting[Place]]) -> Iterator[Match[Place] | Unreadable[Place]]:
        verdicts = self._by_looks(list(waiting.values()))
        for (sha256, each), verdict in zip(waiting.items(), verdicts, strict=True):
            self._remember(sha256, verdict)
            yield from _at(verdict, each.places)

    def _grid_or_verdict(self, sha256: bytes, data: bytes) -> np.ndarray | None:
        """Grey grid to compare; None if the verdict is known without it, and is remembered."""
        entry = self._by_data.get(self._list.digest(sha256))
        if entry is not None:
            self._remember(sha256, Match(None, "bytes", entry))
            return None
        try:
            grid = grey_grid(data)
        except NotAPicture as error:
            self._remember(sha256, Unreadable(None, str(error)))
            return None
        if grid is None:
            self._remember(sha256, self._by_pixels_alone(data))
        return grid

    def _remember(self, sha256: bytes, verdict: Verdict) -> None:
        if len(self._verdicts) >= KEPT_VERDICTS:
            del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[sha256] = verdict

    def _by_looks(self, contents: list[_Waiting[Place]]) -> list[Verdict]:
        verdicts: list[Verdict] = [None] * len(contents)
        if not contents:
            return verdicts
        grids = np.stack([each.grid for each in contents])
        telling = is_telling(grids)
        for number in np.flatnonzero(~telling):
            verdicts[number] = self._by_pixels_alone(contents[number].data)
        told = np.flatnonzero(telling)
        for each in self._codes.near(grids[told]):
            number = told[each.picture]
            try:
                by_pixels = self._entry_by_pixels(contents[number].data)
            except NotAPicture:  # the end of the file is broken, and its looks are known already
                by_pixels = None
            by_looks = Match(None, "looks", self._entries[each.code])
            verdicts[number] = by_looks if by_pixels is None else Match(None, "pixels", by_pixels)
        return verdicts

    def _by_pixels_alone(self, data: bytes) -> Verdict:
        """Verdict on a picture that is too small or too plain for a code. Equal pixels have equal codes."""
        if not self._has_uncoded:
            return None
        try:
            entry = self._entry_by_pixels(data)
        except NotAPicture as error:
            return Unreadable(None, str(error))
        return None if entry is None else Match(None, "pixels", entry)

    def _entry_by_pixels(self, data: bytes) -> int | None:
        return self._by_pixels.get(self._list.pixel_digest(*rgb_pixels(data)))


def _at(verdict: Verdict, places: list[Place]) -> Iterator[Match[Place] | Unreadable[Place]]:
    """Verdict on a content, at each of its places."""
    for place in places:
        if isinstance(verdict, Match):
            yield Match(place, verdict.by, verdict.entry)
        elif verdict is not None:
            yield Unreadable(place, verdict.why)
