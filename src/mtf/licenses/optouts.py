"""Machine-readable reservations: X-Robots-Tag, meta robots, TDMRep, IPTC data mining. robots.txt is the fetcher's.

An opt-out is recorded as `SIGNAL: what it says`, with the signal's name as in `licenses.binding_opt_outs` of
params.yaml; several are separated by `; `. Which directives reserve this use:

- `noai`, `noimageai`: no use for training or data sets, of the page and its pictures, or of its pictures.
- `noimageindex`, `noindex`, `none`: not to be listed by search engines. A data set of pictures with their addresses
  is such a list, so these count as well.
- `tdm-reservation: 1` (TDMRep): text and data mining is reserved.
- `plus:DataMining` in the picture's own metadata (IPTC 2023.1): mining or training is prohibited.

A directive addressed to another robot (`googlebot: noindex`) says nothing to this one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

X_ROBOTS_TAG = "x-robots-tag"
META_ROBOTS = "meta-robots"
TDMREP = "tdmrep"
IPTC_DATA_MINING = "iptc-data-mining"
ROBOTS_TXT = "robots.txt"
SEPARATOR = "; "

RESERVING = frozenset({"noai", "noimageai", "noimageindex", "noindex", "none"})
TDMREP_PATH = "/.well-known/tdmrep.json"
MAX_HEADER_CHARS = 8_000
MAX_FILE_BYTES = 512 * 1024
MAX_RULES = 5_000
MAX_PATTERN_CHARS = 1_000
# A robot's name is one word with a letter in it, or `*`. What stands before a colon otherwise is a time of day: the
# dates of `unavailable_after` have commas of their own.
_AGENT = re.compile(r"^(?!\d{4}-\d\d)(?=[^:]*[a-z*])([a-z0-9*][a-z0-9._/*-]{0,60})\s*:\s*(.*)$")
# Directives that carry a value of their own, which looks like an agent's name before a colon.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def of_headers(headers: Iterable[tuple[str, str]], *, agent: str = "mtf") -> str | None:
    """The opt-out in a response's headers (name, value; a name may stand there twice), or None.

    `agent` is the product name in our User-Agent: directives scoped to it bind, those scoped to others do not.
    """
    pairs = [(name.lower(), value[:MAX_HEADER_CHARS]) for name, value in headers]
    tags = [value for name, value in pairs if name == X_ROBOTS_TAG]
    if directive := _first_reserving(tags, agent):
        return f"{X_ROBOTS_TAG}: {directive}"
    return f"{TDMREP}: header tdm-reservation 1" if tdm_reservation(pairs) else None


def of_page(
    metas: Iterable[tuple[str, str]], *, headers: Iterable[tuple[str, str]] = (), agent: str = "mtf"
) -> str | None:
    """The opt-outs in a page's meta elements (name, content) and in the headers it came with, or None.

    A meta element is named `robots` or by an agent. TDMRep's meta takes the place of its header.
    """
    pairs = [(name.strip().lower(), content[:MAX_HEADER_CHARS]) for name, content in metas]
    directive = _first_reserving([content for name, content in pairs if name in ("robots", agent.lower())], agent)
    reservation = tdm_reservation(pairs)
    in_headers = [of_headers([header], agent=agent) for header in headers]
    if reservation is not None:
        in_headers = [said for said in in_headers if said and not said.startswith(TDMREP)]
    return joined(
        f"{META_ROBOTS}: {directive}" if directive else None,
        f"{TDMREP}: meta tdm-reservation 1" if reservation else None,
        *in_headers,
    )


def joined(*signals: str | None) -> str | None:
    """Several opt-outs as one text: one that does not bind must not hide one that does."""
    parts = dict.fromkeys(part for signal in signals if signal for part in signal.split(SEPARATOR))
    return SEPARATOR.join(parts) or None


def tdm_reservation(pairs: Iterable[tuple[str, str]]) -> bool | None:
    """What headers or metas say by `tdm-reservation`: reserved, expressly not, or None for nothing."""
    said = {value.strip() for name, value in pairs if name.strip().lower() == "tdm-reservation"}
    if "1" in said:
        return True
    return False if "0" in said else None


def _first_reserving(values: Iterable[str], agent: str) -> str | None:
    for value in values:
        for directive in _addressed_to(value.lower(), agent.lower()):
            if directive in RESERVING:
                return directive
    return None


def _addressed_to(value: str, agent: str) -> Iterable[str]:
    """The directives of one header that concern `agent`: `noindex, otherbot: noai, nofollow` → `noindex`.

    An agent's name holds until the next one, or to the end of the header.
    """
    addressee = agent
    for part in value.split(","):
        directive = part.strip()
        scoped = _AGENT.match(directive)
        if scoped and scoped[1] not in _VALUED:
            addressee, directive = scoped[1], scoped[2].strip()
        if addressee in (agent, "*"):
            yield directive.split("=")[0].strip()


@dataclass(frozen=True, slots=True)
class TdmRule:
    """One object of tdmrep.json: a pattern of paths, and whether mining is reserved there."""

    location: str
    reserved: bool


def read_tdmrep(body: bytes) -> tuple[TdmRule, ...]:
    """The rules of a site's `/.well-known/tdmrep.json`; none where it is not readable as such."""
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
    """The opt-out that a site's TDM file states for `url`: the first rule that matches its path.

    The response's own header, where there is one, takes the file's place (TDMRep, processing priority).
    """
    if tdm_reservation(headers) is not None:
        return None
    rule = next((rule for rule in rules if _matches(rule.location, url)), None)
    return f"{TDMREP}: {TDMREP_PATH} reserves {rule.location}"[:300] if rule and rule.reserved else None


def _matches(pattern: str, url: str) -> bool:
    """robots.txt's patterns: a prefix, `*` for any characters, `$` for the end. Linear: no backtracking."""
    parts = urlsplit(url)
    path = unquote(parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    ends = pattern.endswith("$")
    first, *others = [unquote(piece) for piece in pattern.removesuffix("$").split("*")]
    if not path.startswith(first):
        return False
    at = len(first)
    for index, piece in enumerate(others):
        if ends and index == len(others) - 1:
            return len(path) - len(piece) >= at and path.endswith(piece)
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return at == len(path) if ends else True


def of_data_mining(value: str | None) -> str | None:
    """The opt-out in `plus:DataMining`, e.g. `…/vocab/DMI-PROHIBITED-AIMLTRAINING`."""
    term = (value or "").strip().rsplit("/", 1)[-1].upper()
    # What is prohibited "except search engine indexing", or without a seen constraint, is still prohibited here.
    return f"{IPTC_DATA_MINING}: {term}"[:200] if term.startswith("DMI-PROHIBITED") else None
