"""Conditional requests: validators of an earlier answer, so that an unchanged file costs a 304 without a body.

ETag and Last-Modified of the earlier answer are sent as If-None-Match and If-Modified-Since (RFC 9110, section 13.1).
Each shard keeps the headers of pictures and pages, also those of earlier versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mtf.crawl.http_client import HttpAnswer
from mtf.crawl.signals_client import Headers
from mtf.sources.fetch_failure import FetchFailed

NOT_MODIFIED = 304
_MAX_VALIDATOR_CHARS = 1000
_VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
# Headers of a 304 that say nothing of the stored file.
_OF_TRANSFER = frozenset(
    {"connection", "content-encoding", "content-length", "content-range", "content-type", "keep-alive", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """Answer of an address, or failure, that was received earlier in this run.

    asked: condition of its request (`validators`).
    was_requested: True if a request for it was sent.
    """

    answer: HttpAnswer | FetchFailed
    asked: Mapping[str, str]
    was_requested: bool

    def get(self) -> HttpAnswer:
        """The answer. Raises the failure."""
        if isinstance(self.answer, FetchFailed):
            raise self.answer
        return self.answer


GivenAnswers = dict[str, GivenAnswer]
"""Address → answer. Each is used once (`take_given`), in place of one request."""


def take_given(given: GivenAnswers, url: str, condition: Mapping[str, str]) -> GivenAnswer | None:
    """Take the given answer of `url` out.

    None if there is none, or if it is a 304 to another condition, or to none: it says nothing of another version.
    """
    found = given.get(url)
    if found is None:
        return None
    is_unmodified = isinstance(found.answer, HttpAnswer) and found.answer.status == NOT_MODIFIED
    return None if is_unmodified and not (condition and condition == found.asked) else given.pop(url)


def validators(headers: Headers) -> dict[str, str]:
    """Headers of a conditional request, from those of the earlier answer; empty if it had no validator."""
    return {
        _VALIDATORS[name.lower()]: value
        for name, value in headers
        if name.lower() in _VALIDATORS
        and 0 < len(value) <= _MAX_VALIDATOR_CHARS
        and value.isascii()
        and value.isprintable()
    }


def is_validator(name: str) -> bool:
    """True for the name of a header that `validators` takes."""
    return name.lower() in _VALIDATORS


def is_unmodified(answer: HttpAnswer, url: str, asked: Mapping[str, str]) -> bool:
    """True if `answer` is a 304 to the condition `asked`, from `url` itself.

    A validator belongs to one address: a 304 after a redirect is no answer about the stored file.
    """
    return bool(asked) and answer.status == NOT_MODIFIED and answer.url == url


def refreshed(headers: Headers, answer: HttpAnswer) -> Headers:
    """Stored headers with those of a 304 in place of the ones with the same names (RFC 9111, section 3.2)."""
    new = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_TRANSFER]
    replaced = {name.lower() for name, _ in new}
    return (*(each for each in headers if each[0].lower() not in replaced), *new)
