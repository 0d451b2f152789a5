"""Tracked files with one content each, and the listings of tracked folders that they stand in.

A folder of 100,000 files has a listing for each version, and versions differ in a few files. So each entry of all
listings of a folder is kept and parsed once, and the revisions of a file are worked out when they are asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

NO_VERSION = "no version"
_UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")
# Between two entries of a listing.
_BETWEEN = b"}, {"
_BLOCK_ENTRIES = 256


class FileVersion:
    """Tracked file with one content.

    - `path`: relative to the repository's root, with `/`;
    - `oid`: md5 of the content;
    - `is_unversioned`: true if only a listing of no version names the file, so that its folder is not known.
    """

    __slots__ = ("_folders", "_listings", "_revisions", "is_unversioned", "oid", "path")

    def __init__(self, path: str, oid: str, revisions: Iterable[str] = (), listings: Iterable[str] = ()) -> None:
        """`revisions` and `listings` are those of the file itself; `add_folder` names folders that contain it."""
        self.path = path
        self.oid = oid
        self._revisions = tuple(revisions)
        self._listings = tuple(listings)
        self._folders: tuple[TrackedFolder, ...] = ()
        self.is_unversioned = self._revisions == (NO_VERSION,)

    @property
    def name(self) -> PurePosixPath:
        """Path of the file, for its name, suffix and parents."""
        return PurePosixPath(self.path)

    @property
    def revisions(self) -> list[str]:
        """Revisions that have it there (first 12 digits of the commit, WORKSPACE or NO_VERSION)."""
        found = dict.fromkeys(self._revisions)
        for listing in self._in_folders():
            found |= dict.fromkeys(listing.revisions)
        return [*found]

    @property
    def listings(self) -> set[str]:
        """md5 of the tracked folders' listings that contain it, or its own md5."""
        return {*self._listings, *(listing.oid for listing in self._in_folders())}

    def add_listing(self, oid: str) -> None:
        """Note a listing of no version that contains it."""
        self._listings = tuple(dict.fromkeys((*self._listings, oid)))

    def add_folder(self, folder: TrackedFolder) -> None:
        """Note a tracked folder of which some listing contains it."""
        self._folders = (*self._folders, folder)

    def _in_folders(self) -> Iterator[Listing]:
        for folder in self._folders:
            yield from folder.listings_with(self.path.removeprefix(f"{folder.path}/"), self.oid)


class Listing(NamedTuple):
    """Listing of a tracked folder: its md5, its revisions, and the sorted numbers of its entries (int32)."""

    oid: str
    revisions: list[str]
    entries: np.ndarray


class _Block(NamedTuple):
    """Run of entries that a listing had: their text, and their numbers."""

    text: bytes
    numbers: np.ndarray


class TrackedFolder:
    """Tracked folder with all its listings. Versions share most entries: each is kept, and parsed, once.

    - `path`: path of the folder;
    - `listings`: its listings;
    - `numbers`: name and md5 of a file in it → number of the entry.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.listings: list[Listing] = []
        self.numbers: dict[tuple[str, str], int] = {}
        self._known: dict[bytes, int] = {}
        self._blocks: dict[bytes, _Block] = {}

    def add(self, oid: str, revisions: list[str], listing: bytes) -> bool:
        """Add a listing; returns false if it cannot be read. DVC writes all of it on one line, entry after entry."""
        try:
            parts = [*self._numbers_in(listing.strip()[1:-1].removeprefix(b"{").removesuffix(b"}"))]
        except (ValueError, TypeError, KeyError):
            return self._add_whole(oid, revisions, listing)
        # DVC names each file once, so that sorting is enough.
        self.listings.append(Listing(oid, revisions, np.sort(np.concatenate(parts or [np.zeros(0, np.int32)]))))
        return True

    def _numbers_in(self, listing: bytes) -> Iterator[np.ndarray]:
        """Numbers of the entries, in runs: a run of entries that an earlier listing had is compared as a whole."""
        unknown: list[bytes] = []
        place = 0
        while place < len(listing):
            end = listing.find(_BETWEEN, place)
            text = listing[place:] if end < 0 else listing[place:end]
            block = self._blocks.get(text)
            if block is not None and listing.startswith(block.text, place):
                after = place + len(block.text)
                if after == len(listing) or listing.startswith(_BETWEEN, after):
                    yield self._numbered(unknown)
                    yield block.numbers
                    unknown, place = [], after + len(_BETWEEN)
                    continue
            unknown.append(text)
            place += len(text) + len(_BETWEEN)
        yield self._numbered(unknown)

    def _numbered(self, texts: list[bytes]) -> np.ndarray:
        """Numbers of a run of entries; those that are new are parsed. Raises ValueError, TypeError or KeyError."""
        new = [text for text in texts if text not in self._known]
        entries = json.loads(b"[" + b",".join(b"{" + text + b"}" for text in new) + b"]")
        names = [(str(entry["relpath"]), str(entry["md5"])) for entry in entries]
        for text, name in zip(new, names, strict=True):
            self._known[text] = self.numbers.setdefault(name, len(self.numbers))
        numbers = np.array([*map(self._known.__getitem__, texts)], np.int32)
        for start in range(0, len(texts), _BLOCK_ENTRIES):
            some = slice(start, start + _BLOCK_ENTRIES)
            self._blocks[texts[start]] = _Block(_BETWEEN.join(texts[some]), numbers[some])
        return numbers

    def listings_with(self, name: str, oid: str) -> Iterator[Listing]:
        """Listings that have this file with this content."""
        number = self.numbers.get((name, oid), -1)
        for listing in self.listings if number >= 0 else ():
            place = int(np.searchsorted(listing.entries, np.int32(number)))
            if place < len(listing.entries) and listing.entries[place] == number:
                yield listing

    def _add_whole(self, oid: str, revisions: list[str], listing: bytes) -> bool:
        """As `add`, of a listing in any other spelling of JSON."""
        names = parsed_listing(listing)
        if names is None:
            return False
        numbers = [self.numbers.setdefault(name, len(self.numbers)) for name in names]
        self.listings.append(Listing(oid, revisions, np.unique(np.array(numbers, np.int32))))
        return True


def finished_name(name: PurePosixPath) -> PurePosixPath:
    """Final name of a file: that of an unfinished atomic write (`.NAME.XXXXXXXX.part`) is NAME."""
    unfinished = _UNFINISHED.fullmatch(name.name)
    return name.with_name(unfinished[1]) if unfinished else name


def parsed_listing(listing: bytes | None) -> list[tuple[str, str]] | None:
    """Names and md5 of the files in a listing; None if it cannot be read."""
    if listing is None:
        return None
    try:
        return [(str(entry["relpath"]), str(entry["md5"])) for entry in json.loads(listing)]
    except (ValueError, TypeError, KeyError):
        return None
