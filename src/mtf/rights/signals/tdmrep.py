"""TDM Reservation Protocol (W3C Community Group): headers, meta elements and a site's `/.well-known/tdmrep.json`.

`tdm-reservation: 1` reserves text and data mining; `tdm-policy` names terms for people. A meta element goes before the
header, and the header before the file. A file, or an entry of it, that cannot be read is UNKNOWN.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from mtf.rights.signals.preferences import Answer, Preference, Signal, Use, opt_outs
from mtf.rights.signals.robots_file import matches

TDMREP_PATH = "/.well-known/tdmrep.json"
TDM_RESERVATION = "tdm-reservation"
MAX_FILE_BYTES = 512 * 1024
MAX_RULES = 5_000
MAX_PATTERN_CHARS = 1_000

_ANSWERS = {"1": Answer.DISALLOW, "0": Answer.ALLOW}
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TdmRule:
    """Rule of tdmrep.json.

    location: pattern of paths.
    reserved: True if text and data mining is reserved there; None if the entry cannot be read.
    """

    location: str
    reserved: bool | None


UNREADABLE = (TdmRule("/", None),)
"""Rules of a file that cannot be read."""


def tdm_reservation(pairs: Pairs) -> bool | None:
    """Value of `tdm-reservation` in headers or meta elements: True if reserved, False if not, None if absent."""
    values = {value.strip() for name, value in pairs if name.strip().lower() == TDM_RESERVATION}
    if "1" in values:
        return True
    return False if "0" in values else None


def of_pairs(pairs: Pairs, carrier: str) -> list[Preference]:
    """Preferences in headers or meta elements (name in lower case, value); `carrier` is `header` or `meta`.

    Of two values, the stricter one counts. A value other than 0 and 1 is UNKNOWN.
    """
    pairs = list(pairs)
    reserved = tdm_reservation(pairs)
    values = [value.strip() for name, value in pairs if name == TDM_RESERVATION]
    preferences = []
    if reserved is not None:
        answer = Answer.DISALLOW if reserved else Answer.ALLOW
        preferences.append(_preference(answer, f"{TDM_RESERVATION} {int(reserved)}", carrier))
    if not reserved and (unreadable := [value for value in values if value not in _ANSWERS]):
        preferences.append(_preference(Answer.UNKNOWN, f"{TDM_RESERVATION} {unreadable[0][:80]!r}", carrier))
    policies = [value.strip() for name, value in pairs if name == Signal.TDM_POLICY and value.strip()]
    return preferences + [Preference(Signal.TDM_POLICY, Use.ANY, Answer.TERMS, each, carrier) for each in policies]


def read_tdmrep(body: bytes) -> tuple[TdmRule, ...]:
    """Parse the rules of a site's `/.well-known/tdmrep.json`. UNREADABLE if it is too large or no JSON."""
    if len(body) > MAX_FILE_BYTES:
        return UNREADABLE
    try:
        content = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return UNREADABLE
    rows = content if isinstance(content, list) else [content]
    rules = tuple(_rule(row) for row in rows[:MAX_RULES])
    return rules if len(rows) <= MAX_RULES else rules + UNREADABLE


def _rule(row: object) -> TdmRule:
    location = row.get("location") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(location, str) or len(location) > MAX_PATTERN_CHARS:
        return UNREADABLE[0]
    answer = _ANSWERS.get(str(row.get(TDM_RESERVATION)))
    return TdmRule(location, None if answer is None else answer == Answer.DISALLOW)


def of_file(rules: Iterable[TdmRule], url: str, *, headers: Pairs = ()) -> list[Preference]:
    """Preferences for `url` in a site's TDM file, by the first rule that matches its path.

    An entry that cannot be read adds UNKNOWN, unless the rule reserves the use anyway: it might have reserved it. The
    response's own header overrides the file (TDMRep, processing priority).
    """
    if tdm_reservation(headers) is not None:
        return []
    is_unreadable = False
    rule = None
    for each in rules:
        if matches(each.location, url):
            if each.reserved is not None:
                rule = each
                break
            is_unreadable = True
    if rule is not None and rule.reserved:
        return [_preference(Answer.DISALLOW, f"reserves {rule.location}"[:300], TDMREP_PATH)]
    allowed = (
        [] if rule is None else [_preference(Answer.ALLOW, f"does not reserve {rule.location}"[:300], TDMREP_PATH)]
    )
    return [*allowed, *([_preference(Answer.UNKNOWN, "not readable", TDMREP_PATH)] if is_unreadable else [])]


def of_tdmrep(rules: Iterable[TdmRule], url: str, *, headers: Pairs = ()) -> str | None:
    """`of_file` as the text of an opt-out, or None."""
    return next(iter(opt_outs(of_file(rules, url, headers=headers))), None)


def _preference(answer: Answer, statement: str, carrier: str) -> Preference:
    return Preference(Signal.TDMREP, Use.ANY, answer, statement, carrier)
