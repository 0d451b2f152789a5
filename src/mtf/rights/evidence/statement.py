"""What one place (a page, a picture's own metadata, an API's record, a data set's terms) says of a license."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from mtf.rights.licenses import catalogue

MAX_STATEMENT_CHARS = 2000
MAX_TEXT_CHARS = 500
MAX_ADDRESS_CHARS = 2048

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


@dataclass(frozen=True, slots=True)
class Statement:
    """`license` is an identifier, `statement` what was read word for word, `method` how it was found.

    `contradiction` says what disagrees with what; then `license` is None, since the place states no one license.
    A `statement` without a `license` is one that was not understood. `opt_out` is `SIGNAL: what it says`.
    `rsl_links` are the addresses of RSL documents that a page names.
    """

    license: str | None = None
    license_url: str | None = None
    method: str | None = None
    statement: str | None = None
    creator: str | None = None
    creator_url: str | None = None
    title: str | None = None
    opt_out: str | None = None
    rsl_links: tuple[str, ...] = ()
    contradiction: str | None = None


@dataclass(frozen=True, slots=True)
class LicenseMention:
    """One mention of a license: how it was found, and the address or words."""

    method: str
    text: str

    @property
    def license(self) -> str | None:
        return catalogue.normalise(self.text)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What several signals come to; the fields are those of Statement."""

    license: str | None = None
    license_url: str | None = None
    method: str | None = None
    statement: str | None = None
    contradiction: str | None = None


def conclude(signals: Iterable[LicenseMention]) -> Conclusion:
    """One license if all signals that are understood agree; a contradiction if they do not."""
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
    """Identifiers that differ in substance: `CC BY` beside `CC BY 4.0` is one, so is a port beside its generic.

    Of those that agree the most exact in version is kept, and the generic license of its ports.
    """
    found = set(identifiers)
    versioned = {family for identifier in found if (family := _family(identifier))}
    return {
        identifier
        for identifier in found
        if not (set(catalogue.covering(identifier)[1:]) & found)
        and identifier.removeprefix("LicenseRef-") not in versioned
    }


def _family(identifier: str) -> str | None:
    """`CC-BY-SA` of CC-BY-SA-3.0 and of its ports; None for what has no version."""
    record = catalogue.get(identifier)
    if record is None or record.version is None:
        return None
    return identifier.removeprefix("LicenseRef-").partition(f"-{record.version}")[0]


def _catalogued_address(identifier: str) -> str | None:
    record = catalogue.get(identifier)
    return record.url if record else None


def cleaned(text: object, limit: int = MAX_TEXT_CHARS) -> str | None:
    """Text from the web on one line, without control characters, cut to `limit`; None where nothing is left."""
    if not isinstance(text, str):
        return None
    plain = " ".join(_CONTROL.sub(" ", text[: 4 * limit]).split())
    return (plain if len(plain) <= limit else f"{plain[: limit - 1]}…") or None


def address_of(text: object) -> str | None:
    """An http or https address, as it stands; None for anything else (`javascript:`, words, too long)."""
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
