"""Evidence from records: statements of the API answer that named a candidate.

The record of a picture's own host (Commons of its files, Flickr of its photos) is evidence: it takes the place of the
picture's page, which is then not asked for. A record that names no license does not, and neither does that of an
index (Openverse): there the picture's page is asked for, as for a search engine.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from mtf.rights.evidence.combination import Statement
from mtf.sources import registry
from mtf.sources.api_answers import ApiPicture, UnreadableAnswer
from mtf.sources.candidate import Candidate


def is_evidence(candidate: Candidate) -> bool:
    """True if the candidate's record is its host's own and states anything of a license."""
    record = candidate.record
    source = None if record is None else registry.find(record.source)
    if source is None or not source.record_is_evidence or candidate.page_url is None:
        return False
    description = _description(candidate)
    return description is not None and description.statement.statement is not None


def statement(candidate: Candidate) -> Statement:
    """Statement of the candidate's record; empty where it has none that can be read."""
    description = _description(candidate)
    return Statement() if description is None else description.statement


def supplemented(stated: Statement, candidate: Candidate) -> Statement:
    """Statement of a page, with the creator that an index names where the page names none.

    The license is the page's alone. A creator is owed to whoever made the picture, so a second-hand name is better
    than none; the statement says where it is from.
    """
    description = _description(candidate)
    if description is None or stated.creator is not None or description.statement.creator is None:
        return stated
    named = description.statement
    source = f"{named.method}: creator: {named.creator}"
    return replace(
        stated,
        creator=named.creator,
        creator_url=named.creator_url,
        statement=source if stated.statement is None else f"{stated.statement} | {source}",
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
    """Descriptions of one answer by address: it is read once for all the pictures that it names."""
    source = registry.find(kind)
    return {} if source is None else {each.url: each for each in reversed(source.read(body).described)}
