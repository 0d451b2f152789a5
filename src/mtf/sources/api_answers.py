"""JSON of an API, read defensively: any field may be missing, null, of another type, or as long as it likes."""

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
    """An answer that is there, but not in the documented form; the message says what is wrong with it."""


class ApiUnavailable(UnreadableAnswer):
    """The API says that it cannot answer just now: to be asked again a little later."""


class _UnreadableEntry(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ApiPicture:
    """One picture as an API describes it.

    `statement` is what the answer says of its license and creator, `claim` the license that one who does not host
    the picture says it has. `name` is what the host calls it where it was asked for by that: a renamed file's page has
    another address, and its entry still the name that was asked for.
    """

    url: str
    page_url: str | None
    title: str | None
    statement: Statement
    claim: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """One answer. `more` are the parameters that ask for the next one, empty where this is the last.

    `undescribed` names the entries whose description the API has yet to send.
    """

    described: list[ApiPicture] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    more: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    undescribed: frozenset[str] = frozenset()


def json_object(body: bytes) -> dict[str, Any]:
    """Raises UnreadableAnswer for what is no JSON object: a page of HTML, half an answer."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        begins = shortened(body[:_SHOWN_BYTES])
        raise UnreadableAnswer(f"not JSON: {type(error).__name__}; it begins with {begins}") from None
    if not isinstance(value, dict):
        raise UnreadableAnswer(f"a JSON object is wanted, not {shortened(value, _SHOWN_BYTES)}")
    return value


def objects(value: object, name: str) -> list[Any]:
    """A list of entries of any kind. Raises UnreadableAnswer where there is none."""
    if not isinstance(value, list):
        raise UnreadableAnswer(f"{name} is {shortened(value, _SHOWN_BYTES)}, where a list is wanted")
    return value


def describe_all(
    entries: Iterable[object], describe: Callable[[dict[str, Any]], ApiPicture | None]
) -> tuple[list[ApiPicture], list[str]]:
    """Each entry by `describe` (None: no picture), and one line on those that cannot be read."""
    entries, found, reasons = list(entries), [], []
    for entry in entries:
        try:
            found.append(describe(_checked_object(entry)))
        except _UnreadableEntry as error:
            reasons.append(str(error))
    problems = [f"{len(reasons)} of {len(entries)} results cannot be read: {reasons[0]}"] if reasons else []
    return [each for each in found if each is not None], problems


def _checked_object(entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise _UnreadableEntry(f"a result is {shortened(entry, _SHOWN_BYTES)}")
    return entry


def unreadable(name: str, value: object) -> Exception:
    """What `describe` raises for an entry whose field `name` cannot be used."""
    return _UnreadableEntry(f"{name} is {shortened(value, _SHOWN_BYTES)}")


def text(value: object) -> str | None:
    """Words that can be written to a file; None for anything else, and for none. Numbers count as words."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > MAX_CHARS:
        return None
    # Half of a surrogate pair is possible in JSON, and in nothing that we write.
    return value.encode("utf-8", "replace").decode("utf-8").strip() or None


def whole(value: object) -> int | None:
    """A whole number of at least 0, written as one or as a string."""
    words = text(value)
    is_whole = words is not None and words.isascii() and words.isdigit() and len(words) <= _LONGEST_WHOLE
    return int(words) if words is not None and is_whole else None
