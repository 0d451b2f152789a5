"""Preferences of rights holders on uses of their content: one vocabulary for all carriers.

A `Preference` is the answer of one statement to one use. `opt_outs` turns those that reserve a use by a face data set
into the text in the evidence, `SIGNAL: statement`. Names of signals are those of `licenses.binding_opt_outs` in
params.yaml.

An unreadable statement is UNKNOWN: it is recorded and never counts as a permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SEPARATOR = "; "
MAX_STATEMENT_CHARS = 200


class Signal(StrEnum):
    """Signals by their names in `licenses.binding_opt_outs`."""

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
    """Uses of content."""

    ANY = "any automated use"
    TRAIN_AI = "training of models"
    SEARCH = "search"
    AI_INPUT = "input to a model's answers"


class Answer(StrEnum):
    """Answers of a statement to a use."""

    ALLOW = "allow"
    DISALLOW = "disallow"
    UNKNOWN = "unknown"


OUR_USES = frozenset({Use.ANY, Use.TRAIN_AI, Use.SEARCH})
"""Uses of a picture by a published face data set.

Networks are trained on it, and it lists pictures with their addresses, like a search engine. It grounds no answers.
"""


@dataclass(frozen=True, slots=True)
class Preference:
    """Answer of one statement to one use.

    statement: its text.
    found_in: carrier of the statement, such as a header or a file.
    """

    signal: Signal
    use: Use
    answer: Answer
    statement: str
    found_in: str

    @property
    def reserves(self) -> bool:
        """True if a use by a face data set is disallowed."""
        return self.answer == Answer.DISALLOW and self.use in OUR_USES


def opt_outs(preferences: Iterable[Preference]) -> list[str]:
    """Texts `SIGNAL: carrier statement` of the preferences that reserve one of OUR_USES, or are unreadable."""
    texts: dict[str, None] = {}
    for preference in preferences:
        text = f"{preference.found_in} {preference.statement}".strip()[:MAX_STATEMENT_CHARS]
        text = " ".join(text.replace(SEPARATOR.strip(), ",").split())
        if preference.reserves:
            texts[f"{preference.signal}: {text}"] = None
        elif preference.answer == Answer.UNKNOWN:
            texts[f"{Signal.UNKNOWN}: {preference.signal} in {text}"] = None
    return list(texts)


def strictest(preferences: Iterable[Preference]) -> dict[Use, Answer]:
    """Use → strictest answer of several statements of equal rank: disallow before unknown before allow."""
    rank = {Answer.DISALLOW: 0, Answer.UNKNOWN: 1, Answer.ALLOW: 2}
    answers: dict[Use, Answer] = {}
    for preference in preferences:
        earlier = answers.get(preference.use)
        if earlier is None or rank[preference.answer] < rank[earlier]:
            answers[preference.use] = preference.answer
    return answers
