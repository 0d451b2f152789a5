"""What lies in all the places together: listed once, and read from the nearest place that has it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import BinaryIO

from mtf.erasure.places import Place, in_words


class Stock:
    """The objects of all places. `errors` says of a place why it did not answer: what it holds is not known."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.places = list(places)
        self.errors: dict[str, str] = {}
        self.unlisted: list[str] = []
        """Places that cannot be listed: only what a version names can be looked for there."""
        self._listed: dict[str, frozenset[str]] = {}
        for place in self.places:
            self._list(place)
        self._held: dict[str, Place | None] = {}

    def _list(self, place: Place) -> None:
        try:
            objects = place.objects()
        except Exception as error:  # each file system raises its own
            self.errors[place.name] = in_words(error)
            return
        if objects is None:
            self.unlisted.append(place.name)
        else:
            self._listed[place.name] = objects

    @property
    def objects(self) -> frozenset[str]:
        """Every object of the places that could be listed."""
        return frozenset().union(*self._listed.values())

    def new_in(self, place: Place, listed: frozenset[str] | None) -> frozenset[str]:
        """What a place has now (`listed`) and did not have when it was looked through; nothing where it cannot list."""
        return (listed or frozenset()) - self._listed.get(place.name, frozenset())

    def has(self, oid: str) -> bool:
        """Whether the original is in some place that answers."""
        return self._place(oid) is not None

    def size_bytes(self, oid: str) -> int:
        place = self._place(oid)
        return 0 if place is None else place.size_bytes(oid)

    @contextmanager
    def open(self, oid: str) -> Generator[BinaryIO | None]:
        """The original as a file; None where no place has it."""
        place = self._place(oid)
        if place is None:
            yield None
            return
        with place.open(oid) as file:
            yield file

    def read(self, oid: str) -> bytes | None:
        """The original's bytes; None where no place has it."""
        with self.open(oid) as file:
            return None if file is None else file.read()

    def _place(self, oid: str) -> Place | None:
        if oid not in self._held:
            self._held[oid] = next((place for place in self.places if self._holds(place, oid)), None)
        return self._held[oid]

    def _holds(self, place: Place, oid: str) -> bool:
        if place.name in self.errors or oid not in self._listed.get(place.name, (oid,)):
            return False
        try:
            return place.holds(oid)
        except Exception as error:  # as in `_list`
            self.errors[place.name] = in_words(error)
            return False
