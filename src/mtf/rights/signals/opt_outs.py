"""Opt-outs in headers, HTML and file metadata: X-Robots-Tag, meta robots, TDMRep, IPTC data mining.

Content-Usage and Content-Signal headers are read by `usage_preferences`, robots.txt and ai.txt by `robots_file`, RSL
documents by `rsl`, TDMRep by `tdmrep`, C2PA and CAWG assertions by `c2pa_manifest`.

An opt-out is recorded as `SIGNAL: statement`, with the signal's name in `licenses.binding_opt_outs` of params.yaml;
several are separated by `; `. Directives that reserve this use:

- `noai`, `noimageai`, `noml`: no use for training or data sets, of the page and its pictures, or of its pictures.
- `noimageindex`, `noindex`, `none`: no listing by search engines. A data set of pictures with their addresses is such a
  list, so these count, too.
- `tdm-reservation: 1` (TDMRep): text and data mining is reserved.
- `plus:DataMining` in the picture's own metadata (IPTC 2023.1): mining or training is prohibited.

A directive for another robot (`googlebot: noindex`) does not count. A header or an element that is longer than
MAX_HEADER_CHARS is UNKNOWN, unless its beginning reserves the use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mtf.rights.signals import tdmrep, usage_preferences
from mtf.rights.signals.preferences import SEPARATOR, Answer, Preference, Signal, Use, opt_outs

X_ROBOTS_TAG = Signal.X_ROBOTS_TAG.value
META_ROBOTS = Signal.META_ROBOTS.value
TDMREP = Signal.TDMREP.value
IPTC_DATA_MINING = Signal.IPTC_DATA_MINING.value
ROBOTS_TXT = Signal.ROBOTS_TXT.value

RESERVING = frozenset({"noai", "noimageai", "noml", "noimageindex", "noindex", "none"})
MAX_HEADER_CHARS = 8_000
# A robot's name is one word with a letter in it, or `*`. Other text before a colon is a time of day: the dates of
# `unavailable_after` contain commas.
_AGENT = re.compile(r"^(?!\d{4}-\d\d)(?=[^:]*[a-z*])([a-z0-9*][a-z0-9._/*-]{0,60})\s*:\s*(.*)$")
# Directives with a value: before a colon they could be taken for an agent's name.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def header_preferences(headers: Iterable[tuple[str, str]], *, agent: str = "mtf") -> list[Preference]:
    """Preferences in a response's headers (name, value; a name may occur twice).

    `agent` is the product name in the crawler's User-Agent: directives for it and for all count, those for others do
    not.
    """
    headers = list(headers)
    pairs = [(name.lower(), value) for name, value in headers]
    return [
        *_directives(Signal.X_ROBOTS_TAG, [value for name, value in pairs if name == X_ROBOTS_TAG], agent),
        *_tdmrep_first(tdmrep.of_pairs(_cut(pairs), "header"), usage_preferences.of_headers(headers)),
    ]


def _tdmrep_first(of_tdmrep: list[Preference], of_usage: list[Preference]) -> list[Preference]:
    """Reservations, then usage preferences, then policies: the order of the texts in the evidence."""
    policies = [each for each in of_tdmrep if each.signal == Signal.TDM_POLICY]
    return [*(each for each in of_tdmrep if each.signal != Signal.TDM_POLICY), *of_usage, *policies]


def page_preferences(
    metas: Iterable[tuple[str, str]], *, headers: Iterable[tuple[str, str]] = (), agent: str = "mtf"
) -> list[Preference]:
    """Preferences in a page's meta elements (name, content) and in its headers.

    A meta element is named `robots` or by an agent. TDMRep's meta element overrides its header.
    """
    pairs = [(name.strip().lower(), content) for name, content in metas]
    directives = [content for name, content in pairs if name in ("robots", agent.lower())]
    of_metas = tdmrep.of_pairs(_cut(pairs), "meta")
    is_overridden = tdmrep.tdm_reservation(pairs) is not None
    return [
        *_directives(Signal.META_ROBOTS, directives, agent),
        *of_metas,
        *(
            each
            for each in header_preferences(headers, agent=agent)
            if not (is_overridden and each.signal == Signal.TDMREP)
        ),
    ]


def of_headers(headers: Iterable[tuple[str, str]], *, agent: str = "mtf") -> str | None:
    """Opt-outs in a response's headers, or None."""
    return joined(*opt_outs(header_preferences(headers, agent=agent)))


def of_page(
    metas: Iterable[tuple[str, str]], *, headers: Iterable[tuple[str, str]] = (), agent: str = "mtf"
) -> str | None:
    """Opt-outs in a page's meta elements and in its headers, or None."""
    return joined(*opt_outs(page_preferences(metas, headers=headers, agent=agent)))


def joined(*signals: str | None) -> str | None:
    """Several opt-outs as one text, without repetitions; None for none."""
    if not any(signals):
        return None
    parts = dict.fromkeys(part for signal in signals if signal for part in signal.split(SEPARATOR) if part)
    return SEPARATOR.join(parts) or None


def _cut(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value[:MAX_HEADER_CHARS]) for name, value in pairs]


def _directives(signal: Signal, values: list[str], agent: str) -> list[Preference]:
    """Preference of the first directive that reserves this use; UNKNOWN if a value is too long to tell."""
    for value in values:
        for directive in _addressed_to(value[:MAX_HEADER_CHARS].lower(), agent.lower()):
            if directive in RESERVING:
                use = Use.SEARCH if directive in ("noindex", "noimageindex") else Use.ANY
                return [Preference(signal, use, Answer.DISALLOW, directive)]
    longest = max(map(len, values), default=0)
    is_cut = longest > MAX_HEADER_CHARS
    return [Preference(signal, Use.ANY, Answer.UNKNOWN, f"{longest} characters")] if is_cut else []


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


def data_mining_preferences(values: Iterable[str]) -> list[Preference]:
    """Preferences in `plus:DataMining`, e.g. `…/vocab/DMI-PROHIBITED-AIMLTRAINING`; a term of no known kind is UNKNOWN.

    A prohibition "except search engine indexing", or with a constraint, is still a prohibition here.
    """
    preferences = []
    for value in values:
        term = value.strip().rsplit("/", 1)[-1].upper()[:200]
        if term in ("", "DMI-UNSPECIFIED"):
            continue
        answers = {"DMI-PROHIBITED": Answer.DISALLOW, "DMI-ALLOWED": Answer.ALLOW}
        answer = next((each for begin, each in answers.items() if term.startswith(begin)), Answer.UNKNOWN)
        is_training = "TRAINING" in term
        use = Use.TRAIN_AI if is_training else Use.ANY
        preferences.append(Preference(Signal.IPTC_DATA_MINING, use, answer, term))
    return preferences


def of_data_mining(value: str | None) -> str | None:
    """Opt-out in `plus:DataMining`, or None."""
    return next(iter(opt_outs(data_mining_preferences([value or ""]))), None)
