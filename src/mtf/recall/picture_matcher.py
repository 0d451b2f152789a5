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


class PictureMatcher:
    """Matcher of pictures against one withdrawal list."""

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

    def by_bytes(self, data: bytes) -> int | None:
        """Entry of the list with exactly these bytes, of whatever kind."""
        return self._by_data.get(self._list.digest(hashlib.sha256(data).digest()))

    def matches(self, pictures: Iterable[tuple[Place, bytes]]) -> Iterator[Match[Place] | Unreadable[Place]]:
        """Matches among pictures, given as place and bytes; and those that cannot be decoded."""
        places: list[Place] = []
        grids: list[np.ndarray] = []
        kept: list[bytes] = []
        for place, data in pictures:
            entry = self.by_bytes(data)
            if entry is not None:
                yield Match(place, "bytes", entry)
                continue
            try:
                grid = grey_grid(data)
            except NotAPicture as error:
                yield Unreadable(place, str(error))
                continue
            if grid is None:
                yield from self._by_pixels_alone(place, data)
                continue
            places.append(place)
            grids.append(grid)
            kept.append(data)
            if len(grids) == PICTURES_AT_ONCE:
                yield from self._by_looks(places, grids, kept)
                places, grids, kept = [], [], []
        yield from self._by_looks(places, grids, kept)

    def _by_looks(
        self, places: list[Place], grids: list[np.ndarray], kept: list[bytes]
    ) -> Iterator[Match[Place] | Unreadable[Place]]:
        if not grids:
            return
        stacked = np.stack(grids)
        telling = is_telling(stacked)
        for number in np.flatnonzero(~telling):
            yield from self._by_pixels_alone(places[number], kept[number])
        told = np.flatnonzero(telling)
        for each in self._codes.near(stacked[told]):
            place, data = places[told[each.picture]], kept[told[each.picture]]
            try:
                by_pixels = self._entry_by_pixels(data)
            except NotAPicture:  # the end of the file is broken, and its looks are known already
                by_pixels = None
            entry = self._entries[each.code]
            yield Match(place, "looks", entry) if by_pixels is None else Match(place, "pixels", by_pixels)

    def _by_pixels_alone(self, place: Place, data: bytes) -> Iterator[Match[Place] | Unreadable[Place]]:
        """Match of a picture that is too small or too plain for a code. Equal pixels have equal codes."""
        if not self._has_uncoded:
            return
        try:
            entry = self._entry_by_pixels(data)
        except NotAPicture as error:
            yield Unreadable(place, str(error))
            return
        if entry is not None:
            yield Match(place, "pixels", entry)

    def _entry_by_pixels(self, data: bytes) -> int | None:
        return self._by_pixels.get(self._list.pixel_digest(*rgb_pixels(data)))
