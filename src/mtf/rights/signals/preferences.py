"""Preferences of rights holders: who says what about which use, where it was found, and whether we may go on.

One vocabulary for all carriers. A `Preference` is what one statement says; `opt_outs` turns those that reserve a use
that a face data set makes into the text that evidence keeps, `SIGNAL: statement`. The names of signals are those of
`licenses.binding_opt_outs` in params.yaml.

What cannot be read is UNKNOWN: it is recorded and never counts as a permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SEPARATOR = "; "
MAX_STATEMENT_CHARS = 200


class Signal(StrEnum):
    """The kinds of statement that are read, by the names that `licenses.binding_opt_outs` takes."""

    ROBOTS_TXT = "robots.txt"
    X_ROBOTS_TAG = "x-robots-tag"
    META_ROBOTS = "meta-robots"
    TDMREP = "tdmrep"
    IPTC_DATA_MINING = "iptc-data-mining"
    AIPREF = "aipref"
    CONTENT_SIGNAL = "content-signal"
    RSL = "rsl"
    AI_TXT = "ai.txt"
    TDM_POLICY = "tdm-policy"
    UNKNOWN = "unknown"


class Use(StrEnum):
    """What a statement is about."""

    ANY = "any automated use"
    TRAIN_AI = "training of models"
    SEARCH = "search"
    AI_INPUT = "input to a model's answers"


class Answer(StrEnum):
    """What a statement says of a use."""

    ALLOW = "allow"
    DISALLOW = "disallow"
    UNKNOWN = "unknown"


OUR_USES = frozenset({Use.ANY, Use.TRAIN_AI, Use.SEARCH})
"""What a published face data set does with a picture: networks are trained on it, and it lists pictures with their
addresses, as a search engine does. It grounds no answers.
"""


@dataclass(frozen=True, slots=True)
class Preference:
    """What one statement says of one use. `statement` is its own text, `found_in` the carrier it was read from."""

    signal: Signal
    use: Use
    answer: Answer
    statement: str
    found_in: str

    @property
    def reserves(self) -> bool:
        """True where a use that a face data set makes is disallowed."""
        return self.answer == Answer.DISALLOW and self.use in OUR_USES


def opt_outs(preferences: Iterable[Preference]) -> list[str]:
    """`SIGNAL: statement (carrier)` for each preference that reserves a use of ours, and for each unreadable one."""
    found: dict[str, None] = {}
    for preference in preferences:
        text = f"{preference.found_in} {preference.statement}".strip()[:MAX_STATEMENT_CHARS]
        text = " ".join(text.replace(SEPARATOR.strip(), ",").split())
        if preference.reserves:
            found[f"{preference.signal}: {text}"] = None
        elif preference.answer == Answer.UNKNOWN:
            found[f"{Signal.UNKNOWN}: {preference.signal} in {text}"] = None
    return list(found)


def strictest(preferences: Iterable[Preference]) -> dict[Use, Answer]:
    """Use → answer, where several statements of the same rank speak: a disallow wins, then unknown, then allow."""
    rank = {Answer.DISALLOW: 0, Answer.UNKNOWN: 1, Answer.ALLOW: 2}
    found: dict[Use, Answer] = {}
    for preference in preferences:
        known = found.get(preference.use)
        if known is None or rank[preference.answer] < rank[known]:
            found[preference.use] = preference.answer
    return found
