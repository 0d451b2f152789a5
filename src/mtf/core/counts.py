"""Numbers of things in messages: `1 picture`, `2,000 pictures`."""

from __future__ import annotations


def number(count: int, noun: str, plural: str | None = None) -> str:
    """Number with its noun, in the plural unless it is one; `plural` if that is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
