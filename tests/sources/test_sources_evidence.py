"""The stage with API sources: what each picture's row of evidence says, and what the policy makes of it."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json

import polars as pl
import pytest
from sources_web import (
    COMMONS,
    FLICKR,
    JSON,
    KEY,
    OPENVERSE,
    address,
    body,
    commons_answer,
    commons_metadata,
    commons_page,
    flickr_answer,
    flickr_photo,
    openverse_answer,
    openverse_result,
)

from crawl_project import Project, licensed_page, picture_bytes
from mtf.core import shards
from mtf.core.errors import GateFailed
from mtf.crawl.recorded_web import Response
from mtf.rights import policy
from mtf.sources import openverse

HTML = {"Content-Type": "text/html; charset=utf-8"}
CC_BY_2 = "https://creativecommons.org/licenses/by/2.0/"
CC_BY_NC = "https://creativecommons.org/licenses/by-nc/2.0/"
FLICKR_PICTURE = "https://live.staticflickr.com/65535/{}_b.jpg"
FLICKR_PAGE = "https://www.flickr.com/photos/7702423@N04/{}/"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def use(project: Project, kind: str, **options: object) -> None:
    project.crawl = {"sources": [{"kind": kind, **options}]}
    project.person("ana")


def answers(project: Project, endpoint: str, answer: object, **parameters: object) -> bytes:
    """What an endpoint answers to these parameters; the bytes of it."""
    sent = body(answer)
    project.answer(address(endpoint, **parameters), sent, headers=JSON)
    return sent


def evidence(project: Project, url: str) -> dict[str, object]:
    return project.table("evidence").row(by_predicate=pl.col("url") == url, named=True)


def verdicts(project: Project) -> dict[str, str | None]:
    """The policy's reason against each picture, by address; None is permitted."""
    rows = project.table("evidence")
    judged = policy.judge(rows, project.params().licenses, today=dt.datetime.now(dt.UTC).date())
    return dict(zip(rows["url"], judged, strict=True))


def asked_hosts(counts: dict[str, int]) -> set[str]:
    return {path.partition("/")[0] for path in counts}


def flickr_web(project: Project, *photos: dict[str, object], seed: int = 0) -> bytes:
    for number, photo in enumerate(photos):
        project.answer(str(photo["url_l"]), picture_bytes(seed + number))
    return answers(project, FLICKR, flickr_answer(*photos), text="ana")


def photo(number: int, **changes: object) -> dict[str, object]:
    return flickr_photo(str(number), FLICKR_PICTURE.format(number), **changes)


def test_flickrs_record_is_evidence_with_license_creator_landing_page_and_digest(project, asked):
    use(project, "flickr")
    sent = flickr_web(project, photo(1), photo(2, license="10", ownername="O'Hara & 安"))
    project.run()
    one = evidence(project, FLICKR_PICTURE.format(1))
    expected = {
        "stated": "stated",
        "license": "CC-BY-2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "method": "flickr-api",
        "statement": "flickr-api: license 4 (CC-BY-2.0)",
        "creator": "Jane Doe",
        "creator_url": "https://www.flickr.com/people/7702423@N04/",
        "title": "Ana at the lake",
        "page_url": FLICKR_PAGE.format(1),
        "claim": None,
        "http_status": 200,
        "response_sha256": sha(sent),
    }
    assert {name: one[name] for name in expected} == expected
    two = evidence(project, FLICKR_PICTURE.format(2))
    assert (two["license"], two["creator"]) == ("CC-PDM-1.0", "O'Hara & 安")
    assert set(verdicts(project).values()) == {None}
    kept = shards.read_member(project.workspace.shard("crawl", "ana"), f"{sha(sent)}.record.gz")
    assert gzip.decompress(kept) == sent
    assert "www.flickr.com" not in asked_hosts(asked[0]), "the host's record takes the place of the page"


def test_the_policy_judges_what_flickr_states(project):
    use(project, "flickr")
    numbers = {0: "0", 1: "2", 2: "6", 3: "7", 4: "11", 5: "99"}
    flickr_web(project, *(photo(number, license=license) for number, license in numbers.items()))
    project.run()
    reasons = verdicts(project)
    assert [reasons[FLICKR_PICTURE.format(number)] for number in numbers] == [
        "license_not_permitted",
        "license_not_permitted",
        "license_not_permitted",
        "license_not_permitted",
        None,
        "no_evidence",
    ]
    unknown = evidence(project, FLICKR_PICTURE.format(5))
    assert unknown["detail"] == "a statement that names no known license: flickr-api: license 99"


def test_a_photo_whose_record_names_no_license_is_looked_up_on_its_page(project):
    use(project, "flickr")
    flickr_web(project, photo(1, license=None))
    project.answer(FLICKR_PAGE.format(1), licensed_page(CC_BY_2), headers=HTML)
    project.run()
    row = evidence(project, FLICKR_PICTURE.format(1))
    assert (row["license"], row["creator"]) == ("CC-BY-2.0", "Jane Doe")
    assert row["response_sha256"] == sha(licensed_page(CC_BY_2))
    assert row["statement"].endswith("| flickr-api: creator: Jane Doe")


def test_commons_record_is_evidence_read_from_its_extended_metadata(project, asked):
    use(project, "commons")
    shown = commons_page("Ana.jpg")
    not_permitted = commons_metadata("CC BY-NC 2.0", LicenseUrl=None, UsageTerms=None)
    other = commons_page("Lake.jpg", index=2, metadata=not_permitted)
    sent = answers(project, COMMONS, commons_answer(shown, other), gsrsearch="ana filetype:bitmap")
    picture = "https://upload.wikimedia.org/wikipedia/commons/a/ab/Ana.jpg"
    project.answer(picture, picture_bytes(1))
    project.answer(picture.replace("Ana", "Lake"), picture_bytes(2))
    project.run()
    expected = {
        "stated": "stated",
        "license": "CC-BY-SA-4.0",
        "license_url": "https://creativecommons.org/licenses/by-sa/4.0/",
        "method": "commons-api",
        "creator": "Jane & Doe",
        "creator_url": "https://commons.wikimedia.org/wiki/User:Jane",
        "title": "Ana at the lake",
        "page_url": "https://commons.wikimedia.org/wiki/File:Ana.jpg",
        "claim": None,
        "response_sha256": sha(sent),
    }
    row = evidence(project, picture)
    assert {name: row[name] for name in expected} == expected
    assert list(verdicts(project).values()) == [None, "license_not_permitted"]
    assert not [path for path in asked[0] if "/wiki/" in path]


@pytest.mark.parametrize(
    ("changes", "creator", "url"),
    [
        ({"Artist": "Jane Doe"}, "Jane Doe", None),
        ({"Artist": '<b onclick="x()">J</b><script>alert(1)</script>'}, "J", None),
        ({"Artist": 'Unknown<span style="display: none;">Unknown</span>'}, "Unknown", None),
        ({"Artist": '<a href="javascript:alert(1)">J</a>'}, "J", None),
        (
            {"Artist": '<a href="https://jane.example/?a=1&amp;b=2">J</a>, CC'},
            "J , CC",
            "https://jane.example/?a=1&b=2",
        ),
        ({"Artist": None}, None, None),
    ],
)
def test_the_artist_of_commons_is_html_and_is_read_as_a_reader_sees_it(project, changes, creator, url):
    use(project, "commons")
    page = commons_page("Ana.jpg", metadata=commons_metadata(**changes))
    answers(project, COMMONS, commons_answer(page), gsrsearch="ana filetype:bitmap")
    project.answer(page["imageinfo"][0]["url"], picture_bytes(1))
    project.run()
    row = evidence(project, page["imageinfo"][0]["url"])
    assert (row["creator"], row["creator_url"]) == (creator, url)


def test_restrictions_are_noted_beside_the_license(project):
    use(project, "commons", by="category")
    page = commons_page("Ana.jpg", metadata=commons_metadata(Restrictions="personality|trademarked"))
    answers(project, COMMONS, commons_answer(page), gcmtitle="Category:ana")
    project.answer(page["imageinfo"][0]["url"], picture_bytes(1))
    project.run()
    row = evidence(project, page["imageinfo"][0]["url"])
    assert row["license"] == "CC-BY-SA-4.0"
    assert row["statement"].endswith("commons-api: restrictions: personality|trademarked")


def test_fields_of_one_record_that_disagree_are_a_contradiction(project):
    use(project, "commons")
    page = commons_page("Ana.jpg", metadata=commons_metadata("CC BY-NC 2.0"))
    answers(project, COMMONS, commons_answer(page), gsrsearch="ana filetype:bitmap")
    project.answer(page["imageinfo"][0]["url"], picture_bytes(1))
    project.run()
    row = evidence(project, page["imageinfo"][0]["url"])
    assert (row["stated"], row["license"]) == ("contradiction", None)
    assert row["detail"].startswith("the record states CC-BY-NC-2.0")
    assert list(verdicts(project).values()) == ["license_contradiction"]


def openverse_web(project: Project, name: str, page: bytes | None, **changes: object) -> tuple[dict[str, object], str]:
    """One result of Openverse with its picture and page; the result, and the picture's address."""
    url, page_url = f"https://host.example/{name}.jpg", f"https://host.example/{name}"
    project.answer(url, picture_bytes(len(project.responses)))
    if page is not None:
        project.answer(page_url, page, headers=HTML)
    return openverse_result(url, page_url, **changes), url


def test_openverses_record_is_a_claim_and_the_landing_page_decides(project):
    use(project, "openverse")
    unclaimed = dict.fromkeys(("license", "license_version", "license_url"))
    found = {
        "agrees": openverse_web(project, "agrees", licensed_page(CC_BY_2)),
        "differs": openverse_web(project, "differs", licensed_page(CC_BY_NC)),
        "silent": openverse_web(project, "silent", b"<html><body>no word of it</body></html>"),
        "gone": openverse_web(project, "gone", None),
        "unclaimed": openverse_web(project, "unclaimed", licensed_page(CC_BY_2), **unclaimed),
    }
    sent = answers(project, OPENVERSE, openverse_answer(*(result for result, _ in found.values())), q="ana")
    project.run()
    rows = {name: evidence(project, url) for name, (_, url) in found.items()}
    assert {name: (row["claim"], row["stated"], row["license"]) for name, row in rows.items()} == {
        "agrees": ("CC-BY-2.0", "stated", "CC-BY-2.0"),
        "differs": ("CC-BY-2.0", "contradiction", "CC-BY-NC-2.0"),
        "silent": ("CC-BY-2.0", "unstated", None),
        "gone": ("CC-BY-2.0", "unreachable", None),
        "unclaimed": (None, "stated", "CC-BY-2.0"),
    }
    assert list(verdicts(project).values()) == [None, "license_contradiction", "claim_only", "claim_only", None]
    assert rows["agrees"]["response_sha256"] == sha(licensed_page(CC_BY_2)), "the page's digest, not the index's"
    assert "openverse-api" not in {row["method"] for row in rows.values()}
    names = set(shards.members(project.workspace.shard("crawl", "ana")))
    assert f"{sha(sent)}.record.gz" in names, "what the index said is kept, too"


def test_the_creator_that_openverse_names_is_used_where_the_page_names_none_and_says_so(project):
    use(project, "openverse")
    named = licensed_page(CC_BY_2, head='<meta name="author" content="x">').replace(
        b"</body>",
        b'<script type="application/ld+json">{"@context": "https://schema.org", "@type": "ImageObject", "contentUrl":'
        b' "https://host.example/named.jpg", "creator": {"@type": "Person", "name": "J. Page"}}</script></body>',
    )
    result, url = openverse_web(project, "plain", licensed_page(CC_BY_2))
    other, other_url = openverse_web(project, "named", named)
    answers(project, OPENVERSE, openverse_answer(result, other), q="ana")
    project.run()
    row = evidence(project, url)
    assert (row["creator"], row["creator_url"]) == ("Jane Doe", "https://www.flickr.com/photos/jane")
    assert row["statement"].endswith(" | openverse-api: creator: Jane Doe")
    assert evidence(project, other_url)["creator"] == "J. Page"


@pytest.mark.parametrize(("kind", "endpoint"), [("openverse", OPENVERSE), ("commons", COMMONS), ("flickr", FLICKR)])
def test_a_source_that_cannot_be_read_fails_and_says_why(project, capsys, kind, endpoint):
    use(project, kind)
    project.answer(endpoint, b"<html>down for maintenance</html>", headers=HTML)
    with pytest.raises(GateFailed, match=f"{kind} yielded no picture for any identity: {kind}, 'ana': not JSON"):
        project.run()
    assert f"search not completed: {kind}, 'ana': not JSON" in capsys.readouterr().out


def test_a_search_that_was_cut_short_is_made_again_and_what_was_found_is_kept(project, asked):
    use(project, "flickr")
    project.answer(FLICKR_PICTURE.format(1), picture_bytes(1))
    project.answer(FLICKR_PICTURE.format(2), picture_bytes(2))
    answers(project, FLICKR, flickr_answer(photo(1), pages=2), page="1")
    answers(project, FLICKR, {"stat": "fail", "code": 1, "message": "no"}, page="2")
    project.run()
    assert project.table("images")["url"].to_list() == [FLICKR_PICTURE.format(1)]
    answers(project, FLICKR, flickr_answer(photo(2), page=2, pages=2), page="2")
    project.run()
    assert project.table("images").height == 2
    assert not [path for path in asked[1] if path.endswith("/1_b.jpg")]
    project.run()
    assert asked[2] == {}, "a completed search is not made again"


def test_a_picture_that_failed_is_tried_again_with_the_record_it_was_found_with(project, asked):
    use(project, "flickr")
    sent = flickr_web(project, photo(1), photo(2))
    good = project.responses[FLICKR_PICTURE.format(2)]
    project.answer(good.url, status=500)
    project.run()
    project.run_with({good.url: good})
    assert not [path for path in asked[1] if path.startswith("api.flickr.com/services")]
    row = evidence(project, good.url)
    assert (row["license"], row["method"], row["response_sha256"]) == ("CC-BY-2.0", "flickr-api", sha(sent))


def test_pictures_are_judged_anew_by_the_record_that_was_kept(project, asked):
    use(project, "flickr")
    sent = flickr_web(project, photo(1))
    project.run()
    before = evidence(project, FLICKR_PICTURE.format(1))
    project.crawl["min_side_px"] = 65
    project.run()
    assert evidence(project, FLICKR_PICTURE.format(1)) == before
    assert before["response_sha256"] == sha(sent)
    assert not [path for path in asked[1] if "services/rest" in path or path.endswith(".jpg")]


def test_refresh_brings_the_record_of_today(project):
    use(project, "flickr")
    flickr_web(project, photo(1))
    project.run()
    changed = body(flickr_answer(photo(1, license="2")))
    url = address(FLICKR, text="ana")
    project.run_with({url: Response(url, headers=JSON, body=changed)}, refresh=True)
    row = evidence(project, FLICKR_PICTURE.format(1))
    assert (row["license"], row["response_sha256"]) == ("CC-BY-NC-2.0", sha(changed))


def test_what_the_host_of_the_page_reserves_binds_although_its_page_is_not_asked_for(project):
    use(project, "flickr")
    flickr_web(project, photo(1), photo(2))
    rules = b'[{"location": "/photos/7702423@N04/1/", "tdm-reservation": 1}]'
    project.answer("https://www.flickr.com/.well-known/tdmrep.json", rules, headers=JSON)
    project.run()
    assert project.fetch(FLICKR_PICTURE.format(1))["outcome"] == "opted_out"
    assert project.fetch(FLICKR_PICTURE.format(2))["outcome"] == "stored"


def test_a_picture_and_its_record_that_are_taken_down_are_not_kept(project):
    use(project, "flickr")
    sent = flickr_web(project, photo(1))
    project.takedowns(("page", FLICKR_PAGE.format(1)))
    with pytest.raises(GateFailed, match="taken_down 1"):
        project.run()
    assert f"{sha(sent)}.record.gz" not in shards.members(project.workspace.shard("crawl", "ana"))


def test_the_key_is_in_no_file_that_a_run_leaves(project):
    use(project, "flickr")
    flickr_web(project, photo(1))
    project.run()
    files = [path for path in project.root.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_sources_of_all_kinds_work_side_by_side_and_an_address_is_listed_once(project):
    use(project, "flickr")
    project.crawl = {"sources": [{"kind": "openverse"}, {"kind": "flickr"}, {"kind": "commons"}]}
    flickr_web(project, photo(1))
    page = commons_page("Ana.jpg")
    answers(project, COMMONS, commons_answer(page), gsrsearch="ana filetype:bitmap")
    project.answer(page["imageinfo"][0]["url"], picture_bytes(9))
    result, _ = openverse_web(project, "agrees", licensed_page(CC_BY_2))
    answers(project, OPENVERSE, openverse_answer(result), q="ana")
    project.run()
    fetches = project.table("fetches")
    assert fetches["source"].to_list() == ["openverse", "flickr", "commons"]
    assert fetches["outcome"].unique().to_list() == ["stored"]


@pytest.mark.parametrize(
    ("license", "version", "address", "claim", "stated"),
    [
        ("pdm", "1.0", "https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0", "CC-PDM-1.0"),
        ("pdm", "4.0", "https://creativecommons.org/publicdomain/mark/1.0/", "pdm 4.0", None),
        ("pdm", "4.0", "https://creativecommons.org/publicdomain/mark/4.0/", "pdm 4.0", None),
        ("cc0", "4.0", None, "cc0 4.0", None),
        ("by", "9.0", "https://creativecommons.org/licenses/by/4.0/", "by 9.0", None),
        ("by", "2.0", "https://creativecommons.org/licenses/by-nc/2.0/", "CC-BY-2.0", None),
        (None, None, "https://creativecommons.org/licenses/by/2.0/", "CC-BY-2.0", "CC-BY-2.0"),
        (None, None, "https://creativecommons.org/publicdomain/zero/2.0/", None, None),
    ],
)
def test_a_license_of_openverse_that_does_not_exist_is_not_understood(
    license: str | None, version: str | None, address: str | None, claim: str | None, stated: str | None
) -> None:
    fields = {"license": license, "license_version": version, "license_url": address}
    record = openverse_result("https://pictures.example/a.jpg", None, **fields)
    (picture,) = openverse.read(json.dumps(openverse_answer(record)).encode()).pictures
    assert (picture.claim, picture.statement.license) == (claim, stated)
