"""The stage as a user meets it: a roster and a web go in, shards and tables come out."""

import gzip
import hashlib
import io
import itertools
import json
import os
import tarfile

import polars as pl
import pytest
from PIL import Image

from crawl_project import CC_BY, HTML, bing_page, bing_result, bing_url, licensed_page, picture_bytes
from mtf.core import csv_files, shards
from mtf.core.errors import GateFailed
from mtf.crawl import rate_limits, store
from mtf.crawl.recorded_web import TRUNCATE, Response
from mtf.schemas import ContractViolated

ANA = 'Ana Béla "O\'Hara" & 安'


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def flat_png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "gray").save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_are_stored_by_content_with_page_title_claim_and_evidence(project, capsys):
    png, webp = picture_bytes(1, "PNG"), picture_bytes(2, "WEBP")
    project.person("ana", ANA)
    project.finds(
        ANA,
        [project.picture("https://a.example/x.png?a=1&b=2", png, "https://a.example/1", title='"Ana" <b>')],
        [project.picture("https://b.example/安 y.webp", webp, "https://b.example/2")],
    )
    project.run()
    images = project.table("images").sort("media_type")
    assert images["image_id"].to_list() == [sha(png), sha(webp)]
    assert images["media_type"].to_list() == ["image/png", "image/webp"]
    assert images["title"].to_list() == ['"Ana" <b>', "A title"]
    assert images["claim"].to_list() == ["commercial,modify"] * 2
    shard = project.workspace.shard("crawl", "ana")
    for row, data in zip(images.iter_rows(named=True), (png, webp), strict=True):
        assert shards.read(shard, row["offset"], row["size_bytes"]) == data
    names = list(shards.members(shard))
    assert names[:2] == ["digest", "inputs"]
    assert {f"{sha(png)}.png", f"{sha(png)}.page.gz", f"{sha(webp)}.webp"} <= set(names)
    evidence = project.table("evidence").sort("url").row(0, named=True)
    assert (evidence["stated"], evidence["license"], evidence["page_url"]) == (
        "stated",
        "CC-BY-4.0",
        "https://a.example/1",
    )
    page = gzip.decompress(shards.read_member(shard, f"{sha(png)}.page.gz"))
    assert (evidence["response_sha256"], evidence["http_status"]) == (sha(page), 200)
    metrics = json.loads(project.workspace.metrics("crawl").read_text())
    assert metrics == {
        "identities": 1,
        "addresses": 2,
        "images": 2,
        "outcomes": {"stored": 2},
        "pages_read": 2,
        "evidence": {"stated": 2},
        "retriable": {"addresses": 0, "searches": 0},
    }
    assert "2 addresses, 2 images stored\n  outcomes: stored 2\n  evidence: stated 2" in capsys.readouterr().out


def test_every_address_has_an_outcome_with_its_reason(project):
    good = picture_bytes(1)
    host = "https://a.example"
    project.crawl = {"timeout_s": 1.0, "max_bytes": 20_000, "max_pixels": 100_000}
    project.takedowns(("picture", f"{host}/down.jpg"), ("image_id", sha(picture_bytes(9))))
    project.answer(f"{host}/good.jpg", good)
    project.answer(f"{host}/same.jpg", good)
    project.answer(f"{host}/slow.jpg", good, delay_s=1.5)
    project.answer(f"{host}/html.jpg", b"<!DOCTYPE html><html>", headers=HTML)
    project.answer(f"{host}/zero.jpg", b"")
    project.answer(f"{host}/cut.jpg", good[:-100])
    project.answer(f"{host}/broken.jpg", picture_bytes(2), headers={TRUNCATE: "1000"})
    project.answer(f"{host}/heavy.jpg", picture_bytes(3, "BMP", (90, 90)))
    project.answer(f"{host}/wide.png", flat_png(400, 300))
    project.answer(f"{host}/small.jpg", picture_bytes(5, size=(40, 40)))
    project.answer(f"{host}/noai.jpg", picture_bytes(6), headers={"X-Robots-Tag": "noai"})
    project.answer(f"{host}/down.jpg", picture_bytes(7))
    project.answer(f"{host}/away.jpg", status=302, headers={"Location": "http://169.254.169.254/"})
    project.answer(f"{host}/known.jpg", picture_bytes(9))
    outcomes = {
        f"{host}/good.jpg": ("stored", None),
        f"{host}/same.jpg": ("duplicate", f"same bytes as {host}/good.jpg"),
        f"{host}/gone.jpg": ("http_error", "status 404"),
        f"{host}/slow.jpg": ("timeout", "no whole answer in 1 s"),
        "https://nowhere.example/x.jpg": ("connection_failed", "nowhere.example: no such host in the recorded web"),
        f"{host}/html.jpg": ("not_an_image", "begins with b'<!DOCTYPE html><html>'"),
        f"{host}/zero.jpg": ("not_an_image", "zero bytes"),
        f"{host}/cut.jpg": ("truncated", f"image/jpeg of {len(good) - 100} bytes without its end"),
        f"{host}/broken.jpg": ("truncated", "the connection ended early"),
        f"{host}/heavy.jpg": ("too_large", "bytes declared; permitted: 20000"),
        f"{host}/wide.png": ("too_large", "400×300 pixels; permitted: 100000 in all"),
        f"{host}/small.jpg": ("too_small", "40×40 pixels; a side has at least 64"),
        f"{host}/noai.jpg": ("opted_out", "x-robots-tag: noai"),
        f"{host}/down.jpg": ("taken_down", "picture, asked for on 2026-01-02"),
        f"{host}/known.jpg": ("taken_down", "image_id, asked for on 2026-01-02"),
        f"{host}/away.jpg": ("refused_address", "169.254.169.254 is not a public address"),
        "http://10.0.0.1/x.jpg": ("refused_address", "10.0.0.1 is not a public address"),
    }
    project.person("ana")
    project.finds("ana", [bing_result(url) for url in outcomes])
    project.run()
    rows = {row["url"]: row for row in project.table("fetches").iter_rows(named=True)}
    assert {url: row["outcome"] for url, row in rows.items()} == {
        url: outcome for url, (outcome, _) in outcomes.items()
    }
    for url, (_, detail) in outcomes.items():
        assert (detail or "") in (rows[url]["detail"] or "")
    assert project.table("images").height == 1
    assert rows[f"{host}/down.jpg"]["attempts"] == 0


def test_a_second_run_asks_for_nothing_and_writes_nothing(project, asked):
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1")])
    project.run()
    shard = project.workspace.shard("crawl", "ana")
    before = shard.stat().st_mtime_ns, shard.read_bytes()
    project.run()
    assert asked[1] == {}
    assert (shard.stat().st_mtime_ns, shard.read_bytes()) == before


def test_failures_are_tried_again_and_successes_are_not(project, asked, capsys):
    project.person("ana")
    project.finds(
        "ana",
        [
            project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1"),
            project.picture("https://a.example/y.jpg", picture_bytes(2), "https://a.example/2"),
        ],
    )
    y = project.responses["https://a.example/y.jpg"]
    project.answer("https://a.example/y.jpg", status=500)
    project.run()
    assert json.loads(project.workspace.metrics("crawl").read_text())["retriable"] == {"addresses": 1, "searches": 0}
    before = {row["image_id"]: row for row in project.table("images").iter_rows(named=True)}
    digest = shards.digest_of(project.workspace.shard("crawl", "ana"))
    project.run_with({"https://a.example/y.jpg": y})
    assert "1 tried again" in capsys.readouterr().out
    pictures = {path for path in asked[1] if path.endswith(".jpg") or "/images/" in path}
    assert pictures == {"a.example/y.jpg"}
    assert project.fetch("https://a.example/y.jpg")["attempts"] == 2
    assert project.table("images").height == 2
    assert set(before) < set(project.table("images")["image_id"])
    assert shards.digest_of(project.workspace.shard("crawl", "ana")) != digest


def test_a_failure_is_given_up_after_its_attempts(project, asked):
    project.crawl = {"attempts": 2}
    project.person("ana")
    project.finds("ana", [bing_result("https://a.example/gone.jpg"), bing_result("https://a.example/x.jpg")])
    project.answer("https://a.example/x.jpg", picture_bytes(1))
    for _ in range(3):
        project.run()
    assert [counts["a.example/gone.jpg"] for counts in asked] == [1, 1, 0]
    assert project.fetch("https://a.example/gone.jpg")["attempts"] == 2


def test_a_page_that_failed_is_asked_for_again_without_its_picture(project, asked):
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1")])
    page = project.responses["https://a.example/1"]
    project.answer("https://a.example/1", status=503)
    project.run()
    evidence = project.table("evidence").row(0, named=True)
    assert (evidence["stated"], evidence["detail"]) == ("unreachable", "http_error: status 503")
    project.run_with({"https://a.example/1": page})
    assert project.table("evidence")["license"].to_list() == ["CC-BY-4.0"]
    assert "a.example/x.jpg" not in asked[1]


def test_refresh_searches_again_and_keeps_what_the_engine_no_longer_names(project, asked):
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1")])
    project.run()
    result = project.picture("https://a.example/y.jpg", picture_bytes(2), "https://a.example/2")
    project.run_with({bing_url("ana", 0): Response(bing_url("ana", 0), body=bing_page(result))}, refresh=True)
    assert sorted(project.table("images")["url"]) == ["https://a.example/x.jpg", "https://a.example/y.jpg"]
    assert "a.example/x.jpg" not in asked[1]
    assert asked[1]["a.example/1"] == 1, "refresh renews the evidence"


def test_an_interrupted_run_resumes_where_it_was(project, asked, monkeypatch):
    names = [f"person-{number}" for number in range(4)]
    for name in names:
        project.person(name)
        project.finds(name, [project.picture(f"https://a.example/{name}.jpg", picture_bytes(names.index(name)))])
    written = []
    calls = itertools.count()
    write = store.write

    def interrupted(path, *rest):
        if next(calls) >= 2:
            raise OSError("no space left")
        written.append(path.stem)
        write(path, *rest)

    monkeypatch.setattr(store, "write", interrupted)
    with pytest.raises(OSError, match="no space left"):
        project.run()
    monkeypatch.setattr(store, "write", write)
    shards_folder = project.workspace.shards("crawl")
    assert sorted(path.name for path in shards_folder.iterdir()) == sorted(f"{name}.tar" for name in written)
    project.run()
    again = {path.removeprefix("a.example/").removesuffix(".jpg") for path in asked[1] if path.endswith(".jpg")}
    assert again == set(names) - set(written)
    assert project.table("images").height == 4


def test_a_changed_bound_judges_again_what_is_here_and_fetches_only_what_is_not(project, asked):
    project.person("ana")
    project.finds(
        "ana",
        [
            project.picture("https://a.example/x.jpg", picture_bytes(1, size=(70, 70))),
            project.picture("https://a.example/y.jpg", picture_bytes(2, size=(90, 90))),
            project.picture("https://a.example/z.jpg", picture_bytes(3, size=(50, 50))),
        ],
    )
    project.run()
    project.crawl = {"min_side_px": 80}
    project.run()
    assert project.table("images")["url"].to_list() == ["https://a.example/y.jpg"]
    assert {path for path in asked[1] if path.endswith("jpg")} == {"a.example/z.jpg"}
    assert not any("/images/" in path for path in asked[1])


@pytest.mark.parametrize(
    ("answer", "outcome", "detail"),
    [
        ({"body": b"User-agent: mtf\nDisallow: /x"}, "opted_out", "robots.txt: a.example disallows this address"),
        ({"body": b"User-agent: *\nDisallow: /"}, "opted_out", "robots.txt: a.example disallows this address"),
        ({"body": b"User-agent: *\nDisallow: /other\nUser-agent: bad\nDisallow: /"}, "stored", ""),
        ({"status": 404}, "stored", ""),
        ({"status": 403}, "stored", ""),
        ({"status": 500}, "http_error", "robots.txt: status 500; taken as a refusal for this run"),
        ({"status": 429}, "http_error", "robots.txt: status 429; taken as a refusal for this run"),
        ({"body": b"x", "delay_s": 1.0}, "timeout", "robots.txt: no whole answer in 0.5 s"),
        (
            {"status": 301, "headers": {"Location": "http://10.0.0.1/"}},
            "refused_address",
            "robots.txt: 10.0.0.1 is not",
        ),
    ],
)
def test_robots_txt_is_asked_once_per_site_and_obeyed(project, asked, answer, outcome, detail, monkeypatch):
    monkeypatch.setattr(rate_limits, "FIRST_BACK_OFF_S", 0.0)
    project.crawl = {"timeout_s": 0.5}
    project.person("ana")
    urls = ["https://a.example/x1.jpg", "https://a.example/x2.jpg"]
    for number, url in enumerate(urls):
        project.answer(url, picture_bytes(number))
    project.answer("https://a.example/robots.txt", **answer)
    project.answer("https://b.example/ok.jpg", picture_bytes(8))
    project.finds("ana", [bing_result(url) for url in [*urls, "https://b.example/ok.jpg"]])
    project.run()
    for url in urls:
        assert project.fetch(url)["outcome"] == outcome
        assert detail in (project.fetch(url)["detail"] or "")
    # A host that is asked too often is asked again after a pause, for this file as for any other.
    assert asked[0]["a.example/robots.txt"] == (3 if answer.get("status") == 429 else 1)
    assert ("a.example/x1.jpg" in asked[0]) == (outcome == "stored")


OPT_OUTS = {
    "the page's header": ({"https://a.example/1": {"headers": {**HTML, "X-Robots-Tag": "noimageai"}}}, "x-robots-tag"),
    "the page's markup": (
        {"https://a.example/1": {"body": licensed_page(head='<meta name="robots" content="noai">')}},
        "meta-robots",
    ),
    "the page's tdm meta": (
        {"https://a.example/1": {"body": licensed_page(head='<meta name="tdm-reservation" content="1">')}},
        "tdmrep",
    ),
    "the site's tdm file": (
        {
            "https://a.example/.well-known/tdmrep.json": {
                "body": b'[{"location": "/*.jpg", "tdm-reservation": 1}]',
                "headers": {"Content-Type": "application/json"},
            }
        },
        "tdmrep",
    ),
    "the picture's tdm header": ({"https://a.example/x.jpg": {"headers": {"tdm-reservation": "1"}}}, "tdmrep"),
    "robots.txt for the page": (
        {"https://a.example/robots.txt": {"body": b"User-agent: *\nDisallow: /1"}},
        "robots.txt",
    ),
}


@pytest.mark.parametrize("where", OPT_OUTS)
def test_an_opt_out_binds_where_the_policy_says_so_and_is_written_down_where_not(project, where):
    changes, signal = OPT_OUTS[where]
    project.person("ana")
    project.finds(
        "ana",
        [
            project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1"),
            project.picture("https://b.example/y.jpg", picture_bytes(2), "https://b.example/2"),
        ],
    )
    for url, change in changes.items():
        old = project.responses.get(url)
        known = {} if old is None else {"body": old.body, "headers": old.headers}
        project.answer(url, **(known | change))
    project.run()
    row = project.fetch("https://a.example/x.jpg")
    assert (row["outcome"], row["detail"].partition(":")[0]) == ("opted_out", signal)
    assert project.table("images")["url"].to_list() == ["https://b.example/y.jpg"]

    project.binding = [name for name in project.binding if name != signal]
    project.run()
    assert project.fetch("https://a.example/x.jpg")["outcome"] == "stored"
    evidence = project.table("evidence").row(by_predicate=pl.col("url") == "https://a.example/x.jpg", named=True)
    assert evidence["opt_out"].partition(":")[0] == signal


def test_a_takedown_removes_what_is_here_and_touches_no_other_identity(project, asked):
    for name in ("ana", "bo", "cy", "di"):
        project.person(name)
        project.finds(
            name,
            [
                project.picture(
                    f"https://a.example/{name}.jpg", picture_bytes(ord(name[0])), f"https://a.example/{name}"
                ),
                project.picture(
                    f"https://a.example/{name}-2.jpg", picture_bytes(ord(name[1])), "https://a.example/all"
                ),
            ],
        )
    project.run()
    untouched = project.workspace.shard("crawl", "di").read_bytes()
    project.takedowns(("identity", "ana"), ("page", "https://a.example/bo"), ("image_id", sha(picture_bytes(ord("c")))))
    project.run()
    down = project.table("fetches").filter(pl.col("outcome") == "taken_down")["url"].to_list()
    assert down == [f"https://a.example/{name}.jpg" for name in ("ana", "ana-2", "bo", "cy")]
    assert not {"ana.jpg", "bo.jpg", "cy.jpg"} & {path.partition("/")[2] for path in asked[1]}
    assert project.workspace.shard("crawl", "di").read_bytes() == untouched
    with tarfile.open(project.workspace.shard("crawl", "ana")) as tar:
        assert not [name for name in tar.getnames() if name.endswith((".jpg", ".gz"))]
    project.takedowns()
    project.run()
    assert project.table("images").height == 8


def test_of_the_same_picture_found_twice_the_one_stored_first_stays(project):
    same = picture_bytes(1)
    project.person("ana")
    project.answer("https://a.example/late.jpg", status=500)
    project.answer("https://a.example/early.jpg", same)
    project.finds("ana", [bing_result("https://a.example/late.jpg"), bing_result("https://a.example/early.jpg")])
    project.run()
    project.answer("https://a.example/late.jpg", same)
    project.run()
    late = project.fetch("https://a.example/late.jpg")
    assert (late["outcome"], late["image_id"]) == ("duplicate", sha(same))
    assert late["detail"] == "same bytes as https://a.example/early.jpg"
    assert project.table("images")["url"].to_list() == ["https://a.example/early.jpg"]


def test_each_license_filter_is_a_claim_of_its_own_and_an_address_is_listed_once(project):
    project.crawl = {"sources": [{"kind": "bing", "licenses": ["commercial,modify", "publicdomain"]}]}
    project.person("ana")
    both = project.picture("https://a.example/x.jpg", picture_bytes(1))
    project.finds("ana", [both])
    project.answer(
        bing_url("ana", 0, "license-L1"),
        bing_page(both, project.picture("https://a.example/y.jpg", picture_bytes(2))),
    )
    project.answer(bing_url("ana", 20, "license-L1"), bing_page())
    project.run()
    assert dict(project.table("fetches").select("url", "claim").iter_rows()) == {
        "https://a.example/x.jpg": "commercial,modify",
        "https://a.example/y.jpg": "publicdomain",
    }


def test_paging_stops_at_a_page_with_nothing_new_and_at_the_wanted_number(project, asked):
    results = [project.picture(f"https://a.example/{number}.jpg", picture_bytes(number)) for number in range(4)]
    project.person("ana")
    project.finds("ana", results[:2], results[:2], results[2:])
    project.person("bo")
    project.crawl = {"sources": [{"kind": "bing", "licenses": ["commercial,modify"], "max_results": 3}]}
    project.finds("bo", results)
    project.run()
    fetches = project.table("fetches")
    assert fetches.filter(pl.col("identity") == "ana")["rank"].to_list() == [0, 1]
    assert fetches.filter(pl.col("identity") == "bo").height == 3


def test_a_source_that_yields_nothing_at_all_fails_and_names_itself(project, capsys):
    project.crawl = {"sources": [{"kind": "bing"}, {"kind": "google", "licenses": ["commercial,modify"]}]}
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1))])
    project.answer("https://www.google.com/search?q=ana", b"<html><script>consent()</script></html>")
    with pytest.raises(GateFailed) as refusal:
        project.run()
    assert "crawl.sources: google yielded no picture for any identity" in str(refusal.value)
    assert "Google's format has changed" in str(refusal.value)
    assert "search not completed: google, 'ana'" in capsys.readouterr().out
    assert project.table("images").height == 1, "what other sources yielded is kept"


def test_a_search_that_failed_is_made_again(project, asked):
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1))])
    project.person("bo")
    project.answer(bing_url("bo", 0), b"<html>Are you a robot?</html>", headers=HTML)
    project.run()
    project.run()
    assert sorted(path.partition("?")[2][:4] for path in asked[1] if "bing" in path) == ["q=bo"]


def test_where_all_sources_fail_the_reasons_are_counted(project):
    project.person("ana")
    project.finds("ana", [bing_result("https://a.example/gone.jpg"), bing_result("http://10.0.0.1/")])
    project.answer("https://a.example/", b"")
    with pytest.raises(GateFailed, match=r"bing yielded no picture for any identity: http_error 1, refused_address 1"):
        project.run()


def test_a_folder_of_ones_own_is_read_with_its_terms_and_no_request(project, asked):
    pictures = project.root / "own" / "ana"
    pictures.mkdir(parents=True)
    (pictures / "it's ü.jpg").write_bytes(picture_bytes(1))
    (pictures / "2.png").write_bytes(picture_bytes(2, "PNG"))
    (pictures / os.fsdecode(b"M\xfcller.jpg")).write_bytes(picture_bytes(4))
    source = {"kind": "folder", "path": "own", "license": "CC0-1.0", "creator": "A. Photographer"}
    project.crawl = {"sources": [source], "web": None}
    project.person("ana", files="ana/it's ü.jpg;ana/2.png;../x.jpg;ana/gone.jpg;ana/M*.jpg")
    project.run()
    fetches = project.table("fetches")
    assert fetches["outcome"].to_list() == ["stored", "stored", "refused_address", "missing_file", "refused_address"]
    assert fetches["detail"][4] == "a name that is not UTF-8"
    assert fetches["url"][:2].to_list() == ["file:ana/it%27s%20%C3%BC.jpg", "file:ana/2.png"]
    (listed,) = csv_files.read(project.workspace.local_sources)
    assert (listed.text("prefix"), listed.text("name"), listed.text("files")) == ("file:", "own", "3")
    evidence = project.table("evidence")
    assert evidence["license"].unique().to_list() == ["CC0-1.0"]
    assert evidence["creator"].unique().to_list() == ["A. Photographer"]
    assert project.table("images")["claim"].unique().to_list() == ["CC0-1.0"]

    (pictures / "2.png").write_bytes(picture_bytes(3, "PNG"))
    project.run()
    assert sha(picture_bytes(3, "PNG")) in project.table("images")["image_id"].to_list()


def test_a_request_and_a_statement_by_an_older_path_address_still_count(project, capsys):
    pictures = project.root / "own"
    pictures.mkdir(parents=True)
    for number in (1, 2):
        (pictures / f"{number}.png").write_bytes(picture_bytes(number, "PNG"))
    project.crawl = {"sources": [{"kind": "folder", "path": str(pictures), "license": "CC0-1.0"}], "web": None}
    project.person("ana", files="*.png")
    project.takedowns(("picture", f"file:{pictures}/2.png"))
    project.workspace.attribution.write_text(
        "added_at,kind,value,creator,creator_url,title,page_url,found_by,source\n"
        f"2026-01-02,picture,file:{pictures}/1.png,A. Photographer,,,,someone,a letter\n"
    )
    project.run()
    assert project.table("fetches")["outcome"].to_list() == ["stored", "taken_down"]
    said = capsys.readouterr().out
    assert f"attribution.csv row 2 column value: file:{pictures}/1.png names no picture" in said
    assert "write file:1.png" in said


def test_an_identity_that_left_the_roster_leaves_the_shards(project):
    for name in ("ana", "bo"):
        project.person(name)
        project.finds(name, [project.picture(f"https://a.example/{name}.jpg", picture_bytes(ord(name[0])))])
    project.run()
    project.people = project.people[:1]
    project.run()
    assert [path.name for path in project.workspace.shards("crawl").iterdir()] == ["ana.tar"]
    assert project.table("images")["identity"].to_list() == ["ana"]


def test_a_contradicting_license_is_seen(project):
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1")])
    project.answer("https://a.example/1", licensed_page(CC_BY.replace("/by/", "/by-nc-nd/")), headers=HTML)
    project.run()
    assert project.table("evidence")["stated"].to_list() == ["contradiction"]


@pytest.mark.parametrize(
    ("table", "changed", "case"),
    [
        ("fetches", {"identity": "stranger"}, "stranger"),
        ("images", {"identity": "stranger"}, "stranger"),
        ("evidence", {"image_id": "f" * 64}, f"ana {'f' * 64}"),
    ],
)
def test_a_row_of_nobody_in_the_roster_or_of_no_picture_stops_the_stage(project, monkeypatch, table, changed, case):
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1))])
    read = store.read_tables

    def with_an_orphan(path):
        found = read(path)
        orphan = found[table].with_columns(**{name: pl.lit(value) for name, value in changed.items()})
        return found | {table: pl.concat([found[table], orphan])}

    monkeypatch.setattr(store, "read_tables", with_an_orphan)
    with pytest.raises(ContractViolated, match=rf"{table}.parquet: 1 cases break .*\n.*refers_to_parent: {case}"):
        project.run()
