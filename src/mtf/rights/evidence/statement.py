"""Statements on a picture's license by one source: a page, embedded metadata, an API's record or a data set's terms."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from mtf.rights.licenses import catalogue
from mtf.rights.signals import preferences as preferences_of
from mtf.rights.signals.preferences import Preference

MAX_STATEMENT_CHARS = 2000
MAX_TEXT_CHARS = 500
MAX_ADDRESS_CHARS = 2048

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Statement:
    """Statement of one source.

    license: identifier; None if there is no statement, it is not understood, or it contradicts itself.
    license_url: address of the license's text.
    method: how it was found.
    statement: its text, word for word.
    opt_out: `SIGNAL: statement`; several are separated by `; `.
    preferences: all preferences that were found, those in `opt_out` included.
    rsl_links: addresses of RSL documents that a page names.
    contradiction: the signals that disagree, in words.
    """

    license: str | None = None
    license_url: str | None = None
    method: str | None = None
    statement: str | None = None
    creator: str | None = None
    creator_url: str | None = None
    title: str | None = None
    opt_out: str | None = None
    preferences: tuple[Preference, ...] = ()
    rsl_links: tuple[str, ...] = ()
    contradiction: str | None = None

    def to_json(self) -> str:
        """Statement as text; `{}` for one that says nothing."""
        if self == _NOTHING:
            return "{}"
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["preferences"] = [preferences_of.to_json(each) for each in self.preferences]
        return json.dumps({name: value for name, value in values.items() if value})

    @classmethod
    def from_json(cls, text: str) -> Statement:
        """Statement from `to_json`. Raises KeyError, ValueError or TypeError for anything else."""
        if text == "{}":
            return _NOTHING
        values = json.loads(text)
        found = tuple(preferences_of.from_json(each) for each in values.pop("preferences", ()))
        return cls(**values | {"preferences": found, "rsl_links": tuple(values.get("rsl_links", ()))})


_NOTHING = Statement()
_OR_LATER = re.compile(r"([A-Z]+)-\d\.\d-or-later")


@dataclass(frozen=True, slots=True)
class LicenseMention:
    """One mention of a license.

    method: how it was found.
    text: address or words.
    """

    method: str
    text: str

    @property
    def license(self) -> str | None:
        return catalogue.normalise(self.text)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Conclusion from several signals; the fields are those of Statement."""

    license: str | None = None
    license_url: str | None = None
    method: str | None = None
    statement: str | None = None
    contradiction: str | None = None


def conclude(signals: Iterable[LicenseMention]) -> Conclusion:
    """Conclude one license if all understood signals agree, else a contradiction."""
    signals = list(signals)
    understood: dict[str, LicenseMention] = {}
    for signal in signals:
        if (identifier := signal.license) not in (None, catalogue.UNSTATED):
            understood.setdefault(identifier, signal)
    agreed = agreement(understood)
    words = cleaned(
        " | ".join(dict.fromkeys(f"{signal.method}: {signal.text}" for signal in signals)), MAX_STATEMENT_CHARS
    )
    if len(agreed) > 1:
        sides = ", ".join(f"{identifier} ({understood[identifier].method})" for identifier in sorted(agreed))
        return Conclusion(statement=words, contradiction=f"states {sides}")
    if not agreed:
        return Conclusion(statement=words, method=signals[0].method if signals else None)
    identifier = agreed.pop()
    signal = understood[identifier]
    address = address_of(signal.text) or next(
        (address_of(other.text) for other in signals if other.license == identifier), None
    )
    return Conclusion(identifier, address or _catalogued_address(identifier), signal.method, words)


def agreement(identifiers: Iterable[str]) -> set[str]:
    """Identifiers that differ in substance: `CC BY` agrees with `CC BY 4.0`, and a port with its generic license.

    `GFDL` by its address alone, which is that of its newest version, agrees with each version of it.

    Of identifiers that agree, the one with a version is kept, and the generic one rather than its ports.
    """
    distinct = set(identifiers)
    versioned = {family for identifier in distinct if (family := _family(identifier))}
    return {
        identifier
        for identifier in distinct
        if not (set(catalogue.covering(identifier)[1:]) & distinct)
        and identifier.removeprefix("LicenseRef-") not in versioned
    }


def _family(identifier: str) -> str | None:
    """Family of a versioned license: `CC-BY-SA` of CC-BY-SA-3.0 and of its ports, `GFDL`; None without a version."""
    if match := _OR_LATER.fullmatch(identifier):
        return match[1]
    record = catalogue.get(identifier)
    if record is None or record.version is None:
        return None
    return identifier.removeprefix("LicenseRef-").partition(f"-{record.version}")[0]


def _catalogued_address(identifier: str) -> str | None:
    record = catalogue.get(identifier)
    return record.url if record else None


def cleaned(text: object, limit: int = MAX_TEXT_CHARS) -> str | None:
    """Text from the web on one line, without control characters, cut to `limit` characters; None if nothing is left."""
    if not isinstance(text, str):
        return None
    plain = " ".join(_CONTROL.sub(" ", text[: 4 * limit]).split())
    return (plain if len(plain) <= limit else f"{plain[: limit - 1]}…") or None


def address_of(text: object) -> str | None:
    """An http or https address, unchanged; None for anything else (`javascript:`, words, too long)."""
    if not isinstance(text, str) or len(text) > MAX_ADDRESS_CHARS:
        return None
    text = text.strip()
    if text.startswith("//"):
        text = f"https:{text}"
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    is_web = parts.scheme in ("http", "https") and bool(parts.netloc) and not any(map(str.isspace, text))
    return text if is_web and cleaned(text, MAX_ADDRESS_CHARS) == text else None
