"""Whom a Commons record asks to credit, where it names no artist."""

from __future__ import annotations

import json

import pytest
from sources_web import commons_answer, commons_metadata, commons_page

from mtf.sources import commons
from mtf.sources.commons import Commons

OWN = '<span class="int-own-work" lang="en">Own work</span>'


@pytest.mark.parametrize(
    ("changes", "creator", "url"),
    [
        ({"Attribution": "Jane for The Lake"}, "Jane for The Lake", None),
        ({"Credit": '<a href="https://lake.example/1">The Lake</a>'}, "The Lake", "https://lake.example/1"),
        ({"Credit": OWN}, "Uploader", None),
        ({"Credit": "The Lake", "Attribution": "Jane"}, "Jane", None),
        ({"AttributionRequired": "true"}, None, None),
        ({"AttributionRequired": "false"}, commons.UNNAMED, None),
        ({"AttributionRequired": "false", "Credit": "The Lake"}, "The Lake", None),
        ({}, None, None),
    ],
)
def test_without_an_artist_commons_credit_is_who_or_what_the_description_names(changes, creator, url):
    page = commons_page("Ana.jpg", metadata=commons_metadata(Artist=None, **changes))
    (found,) = commons.read(json.dumps(commons_answer(page)).encode()).pictures
    assert (found.statement.creator, found.statement.creator_url) == (creator, url)
    is_waived = changes.get("AttributionRequired") == "false"
    assert (found.statement.statement or "").endswith("commons-api: attribution is not required") == is_waived


def test_the_fields_of_a_credit_are_asked_for():
    asked = Commons(kind="commons").request("ana").first()
    assert all(field in asked for field in ("Artist", "Attribution", "Credit", "AttributionRequired"))
