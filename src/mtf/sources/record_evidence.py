"""Evidence from records: license statements in the API answer that named a candidate.

The record of a picture's own host (Commons, Flickr) is evidence: it replaces the picture's page, which is then not
fetched. If the record names no license, or is that of an index (Openverse), the page is fetched, as for a search
engine.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from mtf.rights.evidence.combination import Statement
from mtf.sources import registry
from mtf.sources.api_answers import ApiPicture, UnreadableAnswer
from mtf.sources.candidate import Candidate


def is_evidence(candidate: Candidate) -> bool:
    """True if the candidate's record is its own host's and states a license, understood or not."""
    record = candidate.record
    source = None if record is None else registry.find(record.source)
    if source is None or not source.record_is_evidence or candidate.page_url is None:
        return False
    description = _description(candidate)
    return description is not None and description.statement.statement is not None


def statement(candidate: Candidate) -> Statement:
    """Statement of the candidate's record; empty if it has none that can be read."""
    description = _description(candidate)
    return Statement() if description is None else description.statement


def supplemented(page_statement: Statement, candidate: Candidate) -> Statement:
    """Statement of a page; if it names no creator, with the creator in an index's record.

    The license comes from the page alone. For the credit, a second-hand name is better than none; the statement says
    where it is from.
    """
    description = _description(candidate)
    if description is None or page_statement.creator is not None or description.statement.creator is None:
        return page_statement
    named = description.statement
    source = f"{named.method}: creator: {named.creator}"
    return replace(
        page_statement,
        creator=named.creator,
        creator_url=named.creator_url,
        statement=source if page_statement.statement is None else f"{page_statement.statement} | {source}",
    )


def _description(candidate: Candidate) -> ApiPicture | None:
    record = candidate.record
    if record is None or registry.find(record.source) is None:
        return None
    try:
        return _by_url(record.source, record.body()).get(candidate.url)
    except UnreadableAnswer:
        return None


@lru_cache(maxsize=16)
def _by_url(kind: str, body: bytes) -> dict[str, ApiPicture]:
    """Descriptions in one answer, by address; cached, since one answer describes many pictures."""
    source = registry.find(kind)
    return {} if source is None else {each.url: each for each in reversed(source.read(body).pictures)}
