"""Usage preferences as lists of `key=value`: Content-Usage (IETF AIPREF) and Content-Signal (Cloudflare).

Both occur in HTTP headers and in robots.txt, with the same meaning. Content-Usage is a dictionary of RFC 9651
(draft-ietf-aipref-vocab, section on the exchange format); the value of a key is a token, `y` or `n`, and its parameters
are ignored. Content-Signal is a list of `search`, `ai-input` and `ai-train`, each `yes` or `no`.

A parameter `exceptions=cc-…` is a CC signal (a draft of Creative Commons): terms, which are recorded.

A narrow category overrides a broad one: `bots=n, train-ai=y` allows training. An absent key is no preference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import http_sf
from http_sf import StructuredFieldError

from mtf.rights.signals.preferences import Answer, Preference, Signal, Use

CONTENT_USAGE = "content-usage"
CONTENT_SIGNAL = "content-signal"
MAX_VALUE_CHARS = 8_000

# Categories of the drafts, past ones too, from broad to narrow.
_BROAD = ("all", "bots", "tdm")
_TRAINING = ("ai", "train-ai", "genai", "train-genai")
_SEARCH = ("search",)
_SIGNAL_USES = {"search": Use.SEARCH, "ai-input": Use.AI_INPUT, "ai-train": Use.TRAIN_AI}
_ANSWERS = {"y": Answer.ALLOW, "n": Answer.DISALLOW, "yes": Answer.ALLOW, "no": Answer.DISALLOW}
_SIGNAL_PAIR = re.compile(r"^([a-z-]+)\s*=\s*([a-z]+)$")


def of_headers(headers: Iterable[tuple[str, str]]) -> list[Preference]:
    """Preferences in a response's headers (name, value). Headers of one name are one list (RFC 9110)."""
    pairs = [(name.lower(), value) for name, value in headers]
    usage = ", ".join(value for name, value in pairs if name == CONTENT_USAGE)
    signal = ", ".join(value for name, value in pairs if name == CONTENT_SIGNAL)
    of_usage = of_content_usage(usage, found_in="header Content-Usage") if usage.strip() else []
    return of_usage + (of_content_signal(signal, found_in="header Content-Signal") if signal.strip() else [])


def of_content_usage(value: str, *, found_in: str) -> list[Preference]:
    """Preferences of a Content-Usage value; one UNKNOWN if it is no dictionary, or too long (MAX_VALUE_CHARS)."""
    unreadable = [Preference(Signal.AIPREF, Use.ANY, Answer.UNKNOWN, f"not readable: {value[:80]!r}", found_in)]
    if len(value) > MAX_VALUE_CHARS:
        return unreadable
    try:
        entries: Any = http_sf.parse(value.strip().encode("ascii"), tltype="dictionary")
    except (StructuredFieldError, UnicodeEncodeError):
        return unreadable
    answers = {
        key: _ANSWERS[str(item[0])]
        for key, item in entries.items()
        if isinstance(item, tuple) and isinstance(item[0], http_sf.Token) and str(item[0]) in ("y", "n")
    }
    preferences = []
    for use, keys in ((Use.ANY, _BROAD), (Use.TRAIN_AI, _TRAINING), (Use.SEARCH, _SEARCH)):
        narrow = [(key, answers[key]) for key in keys if key in answers]
        if use == Use.ANY and narrow and any(key in answers for key in _TRAINING):
            continue  # the narrower category decides on training, this data set's main use
        preferences += [Preference(Signal.AIPREF, use, answer, _entry(key, answer), found_in) for key, answer in narrow]
    return preferences + _cc_signals(entries, found_in)


def _cc_signals(entries: dict[str, Any], found_in: str) -> list[Preference]:
    """CC signals in the parameters of a Content-Usage value: `ai=n;exceptions=cc-cr`."""
    return [
        Preference(Signal.CC_SIGNALS, _use_of(key), Answer.TERMS, f"{key}={item[0]} {parameter}={term}"[:120], found_in)
        for key, item in entries.items()
        if isinstance(item, tuple)
        for parameter, term in item[1].items()
        if isinstance(term, http_sf.Token) and str(term).startswith("cc-")
    ]


def _use_of(key: str) -> Use:
    if key in _TRAINING:
        return Use.TRAIN_AI
    return Use.SEARCH if key in _SEARCH else Use.ANY


def _entry(key: str, answer: Answer) -> str:
    return f"{key}={'y' if answer == Answer.ALLOW else 'n'}"


def of_content_signal(value: str, *, found_in: str) -> list[Preference]:
    """Preferences of a Content-Signal value; a part that is not `use=yes|no` is UNKNOWN."""
    if len(value) > MAX_VALUE_CHARS:
        return [Preference(Signal.CONTENT_SIGNAL, Use.ANY, Answer.UNKNOWN, f"{len(value)} characters", found_in)]
    preferences = []
    for part in re.split(r"[,;]", value.lower()):
        text = part.strip()
        if not text:
            continue
        pair = _SIGNAL_PAIR.match(text)
        answer = _ANSWERS.get(pair[2], Answer.UNKNOWN) if pair and len(pair[2]) > 1 else Answer.UNKNOWN
        use = _SIGNAL_USES.get(pair[1]) if pair else Use.ANY
        if use is not None:
            preferences.append(Preference(Signal.CONTENT_SIGNAL, use, answer, text[:80], found_in))
    return preferences
