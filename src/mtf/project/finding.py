"""Findings of `mtf doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "lacking", "wrong"]


@dataclass(frozen=True)
class Finding:
    """Finding of a check.

    what: subject.
    state: good; lacking: the pipeline works without it; wrong: the pipeline stops.
    detail: description and advice.
    """

    what: str
    state: State
    detail: str
