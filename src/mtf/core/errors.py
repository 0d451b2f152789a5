"""Errors by exit code: 2 if the program could not run, 1 if a gate does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Characters that would hide or reorder what stands beside them, or command a terminal: controls, marks of direction,
# and halves of pairs.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


class MtfError(Exception):
    """The program could not run: a bad roster, parameter, policy or file. The message is one line."""

    exit_code = 2


class BadInput(MtfError):
    """An input that a person can correct. The message names file, row, column, value and what is permitted."""


class GateFailed(MtfError):
    """A rule about the data does not hold: a contract, an audit, an expectation."""

    exit_code = 1


def bad_value(where: str, value: object, permitted: str) -> BadInput:
    """Error for a bad value, in the common form `WHERE: VALUE is not permitted; permitted: PERMITTED`."""
    return BadInput(f"{where}: {shortened(value)} is not permitted; permitted: {permitted}")


def shortened(value: object, limit: int = 120) -> str:
    """`repr` of a value, cut to `limit` characters: hostile input must not flood a terminal."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def one_line(text: str) -> str:
    """Text on one line; characters that a terminal would act on are shown as `\\xNN`."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def listed(names: Iterable[object], limit: int = 8) -> str:
    """Names as a list for a message, at most `limit` of them: `a, b, c, … and 12 more`."""
    items = [str(name) for name in names]
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])}, … and {len(items) - limit} more"
