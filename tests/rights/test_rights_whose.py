"""Whose license a page states: the picture's, or that of the site it is on."""

from __future__ import annotations

import json

import pytest

from mtf.rights.evidence.combination import combine, read_page
from mtf.rights.evidence.license_scope import same_address
from mtf.rights.evidence.statement import Statement

PICTURE = "https://upload.wikimedia.org/wikipedia/commons/a/ab/Ana%20B%C3%A9la.jpg"
THUMBNAIL = "https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/Ana_Béla.jpg/640px-Ana_Béla.jpg"
BY_2 = "https://creativecommons.org/licenses/by/2.0/deed.en"
BY_SA_4 = "https://creativecommons.org/licenses/by-sa/4.0/"
BY_NC_4 = "https://creativecommons.org/licenses/by-nc/4.0/"

# As MediaWiki states the license of its text: in the head, and twice in the footer.
HEAD = f'<link rel="license" href="{BY_SA_4}">'
FOOTER = (
    f'<footer id="footer" role="contentinfo"><ul><li>Text is available under <a rel="license" href="{BY_SA_4}">CC</a>'
    f' <a class="external" href="{BY_SA_4}">deed</a></li></ul></footer>'
)


def page(body: str = "", *, head: str = HEAD, picture: str = PICTURE) -> Statement:
    html = f"<!doctype html><html><head><title>T</title>{head}</head><body>{body}</body></html>"
    return read_page(html.encode(), page_url="https://wiki.example.org/wiki/Ana", picture_url=picture)


def described(**fields: object) -> str:
    node = {"@context": "https://schema.org", "@type": "ImageObject", "license": BY_2} | fields
    return f'<script type="application/ld+json">{json.dumps(node)}</script>'


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (HEAD, ""),
        ("", FOOTER),
        (HEAD, FOOTER),
        ("", f'<div role="contentinfo"><a rel="license" href="{BY_SA_4}">x</a></div>'),
        ("", described(**{"@type": "WebSite", "license": BY_SA_4})),
    ],
)
def test_a_license_of_the_site_is_not_the_pictures(head: str, body: str) -> None:
    said = page(f'<img src="{PICTURE}">{body}', head=head)
    assert (said.license, said.contradiction) == (None, None)
    fields = combine("commercial,modify", said)
    assert fields["stated"] == "unstated"
    assert (fields["detail"] or "").startswith("the page states a license of the site, none of the picture: ")
    assert BY_SA_4 in (fields["statement"] or "")


def test_a_license_of_the_site_does_not_contradict_the_pictures() -> None:
    for body in (f'<a href="{BY_2}">CC BY 2.0</a>', f'<a rel="license" href="{BY_2}">CC BY 2.0</a>'):
        said = page(body + FOOTER)
        assert (said.license, said.contradiction) == ("CC-BY-2.0", None)


def test_what_a_site_forbids_counts_where_nothing_else_is_said() -> None:
    restricted = f'<link rel="license" href="{BY_NC_4}">'
    assert page(head=restricted).license == "CC-BY-NC-4.0"
    assert page(f'<a rel="license" href="{BY_2}">x</a>', head=restricted).license == "CC-BY-2.0"
    assert page("<footer>All rights reserved.</footer>", head=HEAD).license == "LicenseRef-All-Rights-Reserved"


def test_the_footer_of_a_part_of_the_page_is_not_the_sites() -> None:
    assert page(f'<article><footer><a rel="license" href="{BY_2}">x</a></footer></article>').license == "CC-BY-2.0"
    figure = f'<figure><img src="{PICTURE}"><footer><a rel="license" href="{BY_2}">x</a></footer></figure>'
    assert page(figure + FOOTER).license == "CC-BY-2.0"


@pytest.mark.parametrize("field", ["contentUrl", "thumbnailUrl", "url", "image", "thumbnail"])
@pytest.mark.parametrize("picture", [PICTURE.replace("%20", "_"), THUMBNAIL, THUMBNAIL.replace("640px", "1280px")])
def test_a_description_of_a_file_speaks_of_its_thumbnails_too(field: str, picture: str) -> None:
    address = PICTURE.replace("%20", "_") + "?20110101"
    said = page(described(**{field: address}) + FOOTER + f'<a rel="license" href="{BY_SA_4}">x</a>', picture=picture)
    assert (said.license, said.contradiction) == ("CC-BY-2.0", None)


def test_only_wikimedias_thumbnails_are_known_as_such() -> None:
    original = "https://upload.wikimedia.org/wikipedia/commons/a/ab/A.jpg"
    assert same_address("https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/A.jpg/64px-A.jpg", original)
    assert not same_address("https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/B.jpg/64px-A.jpg", original)
    elsewhere = "https://media.example.org/wikipedia/commons/{}a/ab/A.jpg{}"
    assert not same_address(elsewhere.format("thumb/", "/64px-A.jpg"), elsewhere.format("", ""))
