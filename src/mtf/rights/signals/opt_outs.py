"""Opt-outs in headers, HTML, tdmrep.json and file metadata: X-Robots-Tag, meta robots, TDMRep, IPTC data mining.

Content-Usage and Content-Signal headers are read by `usage_preferences`, robots.txt and ai.txt by `robots_file`, RSL
documents by `rsl`.

An opt-out is recorded as `SIGNAL: statement`, with the signal's name in `licenses.binding_opt_outs` of params.yaml;
several are separated by `; `. Directives that reserve this use:

- `noai`, `noimageai`, `noml`: no use for training or data sets, of the page and its pictures, or of its pictures.
- `noimageindex`, `noindex`, `none`: no listing by search engines. A data set of pictures with their addresses is such a
  list, so these count, too.
- `tdm-reservation: 1` (TDMRep): text and data mining is reserved.
- `plus:DataMining` in the picture's own metadata (IPTC 2023.1): mining or training is prohibited.

A directive for another robot (`googlebot: noindex`) does not count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from mtf.rights.signals import usage_preferences
from mtf.rights.signals.preferences import SEPARATOR, Signal, opt_outs
from mtf.rights.signals.robots_file import matches

X_ROBOTS_TAG = Signal.X_ROBOTS_TAG.value
META_ROBOTS = Signal.META_ROBOTS.value
TDMREP = Signal.TDMREP.value
IPTC_DATA_MINING = Signal.IPTC_DATA_MINING.value
ROBOTS_TXT = Signal.ROBOTS_TXT.value

RESERVING = frozenset({"noai", "noimageai", "noml", "noimageindex", "noindex", "none"})
TDMREP_PATH = "/.well-known/tdmrep.json"
MAX_HEADER_CHARS = 8_000
MAX_FILE_BYTES = 512 * 1024
MAX_RULES = 5_000
MAX_PATTERN_CHARS = 1_000
# A robot's name is one word with a letter in it, or `*`. Other text before a colon is a time of day: the dates of
# `unavailable_after` contain commas.
_AGENT = re.compile(r"^(?!\d{4}-\d\d)(?=[^:]*[a-z*])([a-z0-9*][a-z0-9._/*-]{0,60})\s*:\s*(.*)$")
# Directives with a value: before a colon they could be taken for an agent's name.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def of_headers(headers: Iterable[tuple[str, str]], *, agent: str = "mtf") -> str | None:
    """Opt-outs in a response's headers (name, value; a name may occur twice), or None.

    `agent` is the product name in the crawler's User-Agent: directives for it and for all count, those for others do
    not.
    """
    headers = list(headers)
    pairs = [(name.lower(), value[:MAX_HEADER_CHARS]) for name, value in headers]
    directive = _first_reserving([value for name, value in pairs if name == X_ROBOTS_TAG], agent)
    return joined(
        f"{X_ROBOTS_TAG}: {directive}" if directive else None,
        f"{TDMREP}: header tdm-reservation 1" if tdm_reservation(pairs) else None,
        *opt_outs(usage_preferences.of_headers(headers)),
        *_policies(pairs, "header"),
    )


def _policies(pairs: Iterable[tuple[str, str]], carrier: str) -> list[str]:
    """Opt-outs for named `tdm-policy` documents: terms for people, which are only recorded."""
    return [
        f"{Signal.TDM_POLICY}: {carrier} {value.strip()}"[:300].replace(";", ",")
        for name, value in pairs
        if name == Signal.TDM_POLICY and value.strip()
    ]


def of_page(
    metas: Iterable[tuple[str, str]], *, headers: Iterable[tuple[str, str]] = (), agent: str = "mtf"
) -> str | None:
    """Opt-outs in a page's meta elements (name, content) and in its headers, or None.

    A meta element is named `robots` or by an agent. TDMRep's meta element overrides its header.
    """
    pairs = [(name.strip().lower(), content[:MAX_HEADER_CHARS]) for name, content in metas]
    directive = _first_reserving([content for name, content in pairs if name in ("robots", agent.lower())], agent)
    reservation = tdm_reservation(pairs)
    in_headers = (of_headers(headers, agent=agent) or "").split(SEPARATOR)
    if reservation is not None:
        in_headers = [opt_out for opt_out in in_headers if not opt_out.startswith(f"{TDMREP}:")]
    return joined(
        f"{META_ROBOTS}: {directive}" if directive else None,
        f"{TDMREP}: meta tdm-reservation 1" if reservation else None,
        *_policies(pairs, "meta"),
        *in_headers,
    )


def joined(*signals: str | None) -> str | None:
    """Several opt-outs as one text, without repetitions; None for none."""
    parts = dict.fromkeys(part for signal in signals if signal for part in signal.split(SEPARATOR) if part)
    return SEPARATOR.join(parts) or None


def tdm_reservation(pairs: Iterable[tuple[str, str]]) -> bool | None:
    """Value of `tdm-reservation` in headers or meta elements: True if reserved, False if not, None if absent."""
    values = {value.strip() for name, value in pairs if name.strip().lower() == "tdm-reservation"}
    if "1" in values:
        return True
    return False if "0" in values else None


def _first_reserving(values: Iterable[str], agent: str) -> str | None:
    for value in values:
        for directive in _addressed_to(value.lower(), agent.lower()):
            if directive in RESERVING:
                return directive
    return None


def _addressed_to(value: str, agent: str) -> Iterable[str]:
    """Yield the directives of one header for `agent`: `noindex, otherbot: noai, nofollow` → `noindex`.

    An agent's name applies up to the next one, or to the end of the header.
    """
    addressee = agent
    for part in value.split(","):
        directive = part.strip()
        scoped = _AGENT.match(directive)
        if scoped and scoped[1] not in _VALUED:
            addressee, directive = scoped[1], scoped[2].strip()
        if addressee in (agent, "*"):
            # Blanks between directives violate the rule, but are common.
            yield from (word.split("=")[0] for word in directive.split())


@dataclass(frozen=True, slots=True)
class TdmRule:
    """Rule of tdmrep.json.

    location: pattern of paths.
    reserved: True if text and data mining is reserved there.
    """

    location: str
    reserved: bool


def read_tdmrep(body: bytes) -> tuple[TdmRule, ...]:
    """Parse the rules of a site's `/.well-known/tdmrep.json`; none if it is unreadable."""
    if len(body) > MAX_FILE_BYTES:
        return ()
    try:
        content = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return ()
    rows = content if isinstance(content, list) else [content]
    return tuple(rule for row in rows[:MAX_RULES] if (rule := _rule(row)) is not None)


def _rule(row: object) -> TdmRule | None:
    if not isinstance(row, dict):
        return None
    location, reservation = row.get("location"), row.get("tdm-reservation")
    if not isinstance(location, str) or len(location) > MAX_PATTERN_CHARS or str(reservation) not in ("0", "1"):
        return None
    return TdmRule(location, str(reservation) == "1")


def of_tdmrep(rules: Iterable[TdmRule], url: str, *, headers: Iterable[tuple[str, str]] = ()) -> str | None:
    """Opt-out for `url` in a site's TDM file, by the first rule that matches its path.

    The response's own header overrides the file (TDMRep, processing priority).
    """
    if tdm_reservation(headers) is not None:
        return None
    rule = next((rule for rule in rules if matches(rule.location, url)), None)
    return f"{TDMREP}: {TDMREP_PATH} reserves {rule.location}"[:300] if rule and rule.reserved else None


def of_data_mining(value: str | None) -> str | None:
    """Opt-out in `plus:DataMining`, e.g. `…/vocab/DMI-PROHIBITED-AIMLTRAINING`."""
    term = (value or "").strip().rsplit("/", 1)[-1].upper()
    # A prohibition "except search engine indexing", or with a constraint, is still a prohibition here.
    return f"{IPTC_DATA_MINING}: {term}"[:200] if term.startswith("DMI-PROHIBITED") else None
