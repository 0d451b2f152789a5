"""Preferences of rights holders on uses of their content: one vocabulary for all carriers.

A `Preference` is the answer of one statement to one use, with its source. `opt_outs` turns those that reserve a use by
a face data set into the text in the evidence, `SIGNAL: statement`. Names of signals are those of
`licenses.binding_opt_outs` in params.yaml.

An unreadable statement is UNKNOWN: it is recorded and never counts as a permission. TERMS are for people to read: they
are recorded, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

SEPARATOR = "; "
MAX_STATEMENT_CHARS = 200
MAX_TEXTS_PER_SIGNAL = 20
"""Opt-outs of one signal in the evidence. More of them change nothing: the first one binds."""


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
    C2PA = "c2pa"
    CAWG = "cawg"
    TDM_POLICY = "tdm-policy"
    CC_SIGNALS = "cc-signals"
    UNKNOWN = "unknown"


class Use(StrEnum):
    """Uses of content."""

    ANY = "any automated use"
    TRAIN_AI = "training of models"
    SEARCH = "search"
    INFERENCE = "input to a trained model"
    AI_INPUT = "input to a model's answers"


class Answer(StrEnum):
    """Answers of a statement to a use."""

    ALLOW = "allow"
    DISALLOW = "disallow"
    UNKNOWN = "unknown"
    TERMS = "terms"


OUR_USES = frozenset({Use.ANY, Use.TRAIN_AI, Use.SEARCH, Use.INFERENCE})
"""Uses of a picture by a published face data set.

Detectors infer faces from it, networks are trained on it, and it lists pictures with their addresses, like a search
engine. It grounds no answers.
"""

_CARRIERS = {
    Signal.ROBOTS_TXT: "robots.txt",
    Signal.X_ROBOTS_TAG: "header X-Robots-Tag",
    Signal.META_ROBOTS: "meta robots",
    Signal.IPTC_DATA_MINING: "metadata of the file",
}


@dataclass(frozen=True, slots=True)
class Preference:
    """Answer of one statement to one use.

    statement: its text.
    found_in: carrier of the statement, such as a header or a file; empty if the signal has only one.
    said_by: host, or signer of the file.
    found_at: address of the carrier.
    sha256: digest of the carrier's bytes.
    heard_at: time at which they were received.
    detail: anything else that a reader must know, such as the state of a signature.
    """

    signal: Signal
    use: Use
    answer: Answer
    statement: str
    found_in: str = ""
    said_by: str | None = None
    found_at: str | None = None
    sha256: str | None = None
    heard_at: datetime | None = None
    detail: str | None = None

    @property
    def reserves(self) -> bool:
        """True if a use by a face data set is disallowed."""
        return self.answer == Answer.DISALLOW and self.use in OUR_USES

    @property
    def carrier(self) -> str:
        """Carrier in words."""
        return self.found_in or _CARRIERS.get(self.signal, str(self.signal))


def located(
    preferences: Iterable[Preference], *, found_at: str | None, sha256: str | None, heard_at: datetime | None
) -> list[Preference]:
    """Preferences with the source of their statement. Fields that are set already stay."""
    preferences = list(preferences)
    if not preferences:
        return []
    host = urlsplit(found_at).hostname if found_at else None
    return [
        replace(
            each,
            said_by=each.said_by or host,
            found_at=each.found_at or found_at,
            sha256=each.sha256 or sha256,
            heard_at=each.heard_at or heard_at,
        )
        for each in preferences
    ]


def to_json(preference: Preference) -> dict[str, Any]:
    """Preference as JSON values."""
    heard_at = preference.heard_at
    return asdict(preference) | {"heard_at": None if heard_at is None else heard_at.isoformat()}


def from_json(values: dict[str, Any]) -> Preference:
    """Preference from `to_json`. Raises KeyError, ValueError or TypeError for anything else."""
    heard_at = values["heard_at"]
    return Preference(
        Signal(values["signal"]),
        Use(values["use"]),
        Answer(values["answer"]),
        values["statement"],
        values["found_in"],
        values["said_by"],
        values["found_at"],
        values["sha256"],
        None if heard_at is None else datetime.fromisoformat(heard_at),
        values["detail"],
    )


def opt_outs(preferences: Iterable[Preference]) -> list[str]:
    """Texts `SIGNAL: carrier statement` of the preferences to record in the evidence.

    These are the preferences that reserve one of OUR_USES, are unreadable, or name terms.
    """
    texts: dict[str, None] = {}
    counts: defaultdict[str, int] = defaultdict(int)
    for preference in preferences:
        is_unreadable = preference.answer == Answer.UNKNOWN
        if not (is_unreadable or preference.answer == Answer.TERMS or preference.reserves):
            continue
        words = f"{preference.found_in} {preference.statement}".strip()[:MAX_STATEMENT_CHARS]
        detail = f" ({preference.detail})" if preference.detail else ""
        # Bytes of a header that are no UTF-8 have become surrogates, which no table can hold.
        encodable = f"{words}{detail}".encode("utf-8", "replace").decode("utf-8")
        text = " ".join(encodable.replace(SEPARATOR.strip(), ",").split())
        name = str(Signal.UNKNOWN if is_unreadable else preference.signal)
        if is_unreadable:
            text = f"{preference.signal} in {text}"
        entry = f"{name}: {text}"
        if entry not in texts and counts[name] < MAX_TEXTS_PER_SIGNAL:
            texts[entry] = None
            counts[name] += 1
    return list(texts)
