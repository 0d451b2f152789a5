"""Tracked files with one content each, and the listings of tracked folders that they stand in.

A folder of 100,000 files has a listing for each version, and versions differ in a few files. So each entry of all
listings of a folder is kept and parsed once, and the revisions of a file are worked out when they are asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

NO_VERSION = "no version"
_UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")
# Between two entries of a listing.
_BETWEEN = b"}, {"


class FileVersion:
    """Tracked file with one content.

    - `path`: relative to the repository's root, with `/`;
    - `oid`: md5 of the content;
    - `is_unversioned`: true if only a listing of no version names the file, so that its folder is not known.
    """

    def __init__(self, path: str, oid: str, revisions: Iterable[str] = (), listings: Iterable[str] = ()) -> None:
        """`revisions` and `listings` are those of the file itself; `add_folder` names folders that contain it."""
        self.path = path
        self.oid = oid
        self._revisions = tuple(revisions)
        self._listings = set(listings)
        self._folders: list[TrackedFolder] = []
        self.is_unversioned = self._revisions == (NO_VERSION,)

    @property
    def name(self) -> PurePosixPath:
        """Path of the file, for its name, suffix and parents."""
        return PurePosixPath(self.path)

    @cached_property
    def revisions(self) -> list[str]:
        """Revisions that have it there (first 12 digits of the commit, WORKSPACE or NO_VERSION)."""
        found = dict.fromkeys(self._revisions)
        for listing in self._in_folders():
            found |= dict.fromkeys(listing.revisions)
        return [*found]

    @property
    def listings(self) -> set[str]:
        """md5 of the tracked folders' listings that contain it, or its own md5."""
        return self._listings | {listing.oid for listing in self._in_folders()}

    def add_listing(self, oid: str) -> None:
        """Note a listing of no version that contains it."""
        self._listings.add(oid)

    def add_folder(self, folder: TrackedFolder) -> None:
        """Note a tracked folder of which some listing contains it."""
        self._folders.append(folder)

    def _in_folders(self) -> Iterator[Listing]:
        for folder in self._folders:
            yield from folder.listings_with(self.path.removeprefix(f"{folder.path}/"), self.oid)


class Listing(NamedTuple):
    """Listing of a tracked folder: its md5, its revisions, and the sorted numbers of its entries (int32)."""

    oid: str
    revisions: list[str]
    entries: np.ndarray


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

    def add(self, oid: str, revisions: list[str], listing: bytes) -> bool:
        """Add a listing; returns false if it cannot be read. DVC writes all of it on one line, entry after entry."""
        texts = listing.strip()[1:-1].split(_BETWEEN)
        texts[0], texts[-1] = texts[0].removeprefix(b"{"), texts[-1].removesuffix(b"}")
        new = [text for text in texts if text and text not in self._known]
        try:
            entries = json.loads(b"[" + b",".join(b"{" + text + b"}" for text in new) + b"]")
            names = [(str(entry["relpath"]), str(entry["md5"])) for entry in entries]
        except (ValueError, TypeError, KeyError):
            return self._add_whole(oid, revisions, listing)
        for text, name in zip(new, names, strict=True):
            self._known[text] = self.numbers.setdefault(name, len(self.numbers))
        numbers = np.fromiter((self._known[text] for text in texts if text), np.int32)
        self.listings.append(Listing(oid, revisions, np.unique(numbers)))
        return True

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
