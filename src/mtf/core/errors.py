"""What can go wrong, by exit code: 2 when the program could not run, 1 when a gate does not hold."""

from __future__ import annotations

from collections.abc import Iterable


class MtfError(Exception):
    """Could not run: a bad roster, parameter, policy or file. The message is one line."""

    exit_code = 2


class BadInput(MtfError):
    """An input that a person can mend, named by file, row and column, with what is permitted."""


class GateFailed(MtfError):
    """A rule about the data does not hold: a contract, an audit, an expectation."""

    exit_code = 1


def bad_value(where: str, value: object, permitted: str) -> BadInput:
    """The house's one form for a bad value: `WHERE: VALUE is not permitted: PERMITTED`."""
    return BadInput(f"{where}: {shortened(value)} is not permitted; permitted: {permitted}")


def shortened(value: object, limit: int = 120) -> str:
    """`repr` of a value on one line, cut to `limit` characters: hostile input must not flood a terminal."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def listed(names: Iterable[object], limit: int = 8) -> str:
    """`a, b, c, … and 12 more`."""
    items = [str(name) for name in names]
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])}, … and {len(items) - limit} more"
