"""JSON answers of an API, parsed defensively: any field may be missing, null, of another type or of any length."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mtf.core.errors import shortened
from mtf.rights.evidence.combination import Statement

MAX_CHARS = 20_000
_LONGEST_WHOLE = 9
_SHOWN_BYTES = 40


class UnreadableAnswer(Exception):
    """An answer is not in the documented form. The message says what is wrong."""


class ApiUnavailable(UnreadableAnswer):
    """The API says that it cannot answer now; the request is repeated later."""


class _UnreadableEntry(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ApiPicture:
    """One picture as an API describes it.

    statement: license and creator according to the answer.
    claim: license according to an index that does not host the picture.
    name: the host's name of the picture, for requests by name: a renamed file has another address, but its entry keeps
        the requested name.
    """

    url: str
    page_url: str | None
    title: str | None
    statement: Statement
    claim: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """One answer of an API.

    pictures: that it describes.
    problems: one line for each part that cannot be read.
    more: parameters of the request for the next answer; empty for the last one.
    named: names of all entries.
    undescribed: names of the entries whose description comes in a later answer.
    """

    pictures: list[ApiPicture] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    more: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    undescribed: frozenset[str] = frozenset()


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises UnreadableAnswer for anything else: a page of HTML, half an answer."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        begins = shortened(body[:_SHOWN_BYTES])
        raise UnreadableAnswer(f"not JSON: {type(error).__name__}; it begins with {begins}") from None
    if not isinstance(value, dict):
        raise UnreadableAnswer(f"a JSON object is wanted, not {shortened(value, _SHOWN_BYTES)}")
    return value


def objects(value: object, name: str) -> list[Any]:
    """Check that the field `name` holds a list, and return it. Raises UnreadableAnswer."""
    if not isinstance(value, list):
        raise UnreadableAnswer(f"{name} is {shortened(value, _SHOWN_BYTES)}, where a list is wanted")
    return value


def describe_all(
    entries: Iterable[object], describe: Callable[[dict[str, Any]], ApiPicture | None]
) -> tuple[list[ApiPicture], list[str]]:
    """Apply `describe` to each entry (None: no picture); return the pictures, and one line on unreadable entries."""
    entries, pictures, reasons = list(entries), [], []
    for entry in entries:
        try:
            pictures.append(describe(_checked_object(entry)))
        except _UnreadableEntry as error:
            reasons.append(str(error))
    problems = [f"{len(reasons)} of {len(entries)} results cannot be read: {reasons[0]}"] if reasons else []
    return [each for each in pictures if each is not None], problems


def _checked_object(entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise _UnreadableEntry(f"a result is {shortened(entry, _SHOWN_BYTES)}")
    return entry


def unreadable(name: str, value: object) -> Exception:
    """Exception for `describe` to raise: the entry's field `name` cannot be used."""
    return _UnreadableEntry(f"{name} is {shortened(value, _SHOWN_BYTES)}")


def text(value: object) -> str | None:
    """Text that can be encoded as UTF-8; None for other types, empty text and too long text. Integers count as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > MAX_CHARS:
        return None
    # JSON may hold half a surrogate pair, which UTF-8 cannot encode.
    return value.encode("utf-8", "replace").decode("utf-8").strip() or None


def whole(value: object) -> int | None:
    """Whole number of at least 0, given as a number or as text; None for anything else."""
    words = text(value)
    is_whole = words is not None and words.isascii() and words.isdigit() and len(words) <= _LONGEST_WHOLE
    return int(words) if words is not None and is_whole else None
