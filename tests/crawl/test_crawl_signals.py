"""Signals of rights holders on their way through the crawl: heeded, recorded, exported, and seen to change."""

import csv
import hashlib
import io
import json
from datetime import UTC, date, datetime

import polars as pl
import pytest
from PIL import Image

from c2pa_files import mining, signed
from crawl_project import Project, bing_result, licensed_page, picture_bytes
from mtf import schemas
from mtf.core.errors import BadInput
from mtf.crawl import heard_signals, recheck
from mtf.crawl.recorded_web import Response
from mtf.crawl.signals_client import SignalsClient
from mtf.project import compliance_record
from mtf.rights.audit import run
from mtf.rights.signals.preferences import Answer, Preference, Signal, Use, opt_outs

PAGE, PICTURE = "https://photos.example/ann", "https://media.example/ann.jpg"
HTML = {"Content-Type": "text/html"}
ALL = [
    "robots.txt", "x-robots-tag", "meta-robots", "tdmrep", "iptc-data-mining", "aipref", "content-signal", "rsl",
    "ai.txt", "c2pa", "cawg",
]  # fmt: skip
RSL = b'<rsl><content url="/"><license><prohibits type="usage">ai-train</prohibits></license></content></rsl>'
LICENSE = "https://media.example/license.xml"


def with_mining(term: str) -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
        f'plus:DataMining="http://ns.useplus.org/ldf/vocab/{term}"/></rdf:RDF></x:xmpmeta>'
    )
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture_bytes(1))).save(buffer, "JPEG", xmp=packet.encode())
    return buffer.getvalue()


def page(head: str = "", **headers: str) -> Response:
    return Response(PAGE, headers=HTML | headers, body=licensed_page(head=head))


def picture(body: bytes | None = None, **headers: str) -> Response:
    return Response(PICTURE, headers={"Content-Type": "image/jpeg"} | headers, body=body or picture_bytes(1))


def of_site(path: str, body: bytes) -> Response:
    return Response(f"https://media.example{path}", body=body)


def c2pa(use: str, vendor: str = "cawg", **options: str) -> bytes:
    return signed(picture_bytes(1), mining({"ai_training": use}, vendor=vendor), **options)


# Signal, and the answers of a web in which a rights holder reserves this use, at each carrier.
NOES: list[tuple[str, list[Response]]] = [
    ("robots.txt", [of_site("/robots.txt", b"User-agent: *\nDisallow: /ann")]),
    ("x-robots-tag", [picture(**{"X-Robots-Tag": "noai"})]),
    ("x-robots-tag", [page(**{"X-Robots-Tag": "noimageai"})]),
    ("meta-robots", [page('<meta name="robots" content="noai">')]),
    ("tdmrep", [picture(**{"TDM-Reservation": "1"})]),
    ("tdmrep", [page('<meta name="tdm-reservation" content="1">')]),
    ("tdmrep", [of_site("/.well-known/tdmrep.json", b'[{"location": "/", "tdm-reservation": 1}]')]),
    ("iptc-data-mining", [picture(with_mining("DMI-PROHIBITED-AIMLTRAINING"))]),
    ("aipref", [picture(**{"Content-Usage": "train-ai=n"})]),
    ("aipref", [of_site("/robots.txt", b"User-agent: *\nContent-Usage: train-ai=n\nAllow: /")]),
    ("content-signal", [page(**{"Content-Signal": "search=yes, ai-train=no"})]),
    ("content-signal", [of_site("/robots.txt", b"User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /")]),
    (
        "rsl",
        [of_site("/robots.txt", f"License: {LICENSE}\nUser-agent: *\nAllow: /".encode()), Response(LICENSE, body=RSL)],
    ),
    ("rsl", [picture(Link=f'<{LICENSE}>; rel="license"; type="application/rsl+xml"'), Response(LICENSE, body=RSL)]),
    (
        "rsl",
        [page(f'<link rel="license" type="application/rsl+xml" href="{LICENSE}">'), Response(LICENSE, body=RSL)],
    ),
    ("ai.txt", [of_site("/ai.txt", b"User-Agent: *\nDisallow: *.jpg")]),
    ("c2pa", [picture(c2pa("notAllowed", "c2pa"))]),
    ("cawg", [picture(c2pa("constrained"))]),
]
# The same for what is recorded and binds nothing.
RECORDED: list[tuple[str, list[Response]]] = [
    ("tdm-policy", [picture(**{"tdm-policy": "https://media.example/policy.json"})]),
    ("cc-signals", [picture(**{"Content-Usage": "ai=y;exceptions=cc-cr"})]),
    ("unknown", [of_site("/.well-known/tdmrep.json", b"{")]),
    ("unknown", [of_site("/.well-known/tdmrep.json", b" " * 600_000)]),
    ("unknown", [Response("https://media.example/.well-known/tdmrep.json", status=500)]),
    ("unknown", [Response("https://media.example/ai.txt", status=503)]),
    ("unknown", [of_site("/robots.txt", f"License: {LICENSE}".encode())]),
    ("unknown", [picture(**{"Content-Usage": "train-ai=n,,"})]),
    ("unknown", [picture(c2pa("perhaps"))]),
]
NAMES = [f"{signal}-{number}" for number, (signal, _) in enumerate([*NOES, *RECORDED])]


@pytest.fixture
def web(project: Project) -> Project:
    """A project with one picture, whose page and whose site reserve nothing."""
    project.binding = list(ALL)
    project.person("ann")
    project.responses |= {PAGE: page(), PICTURE: picture()}
    project.finds("ann", [bing_result(PICTURE, page=PAGE)])
    return project


def answers(changes: list[Response]) -> dict[str, Response]:
    return {response.url: response for response in changes}


@pytest.mark.parametrize(("signal", "changes"), NOES, ids=NAMES[: len(NOES)])
def test_a_no_at_any_carrier_keeps_the_picture_out_and_is_recorded(
    web: Project, signal: str, changes: list[Response]
) -> None:
    web.responses |= answers(changes)
    with pytest.raises(Exception, match="opted_out 1"):  # the source yields nothing
        web.run()
    fetch = web.fetch(PICTURE)
    assert (fetch["outcome"], fetch["detail"].partition(":")[0]) == ("opted_out", signal)
    heard = web.table("signals").filter(signal=signal, answer="disallow")
    (row,) = heard.to_dicts()
    assert row["url"] == PICTURE
    assert row["said_by"] in ("media.example", "photos.example", "Easel Studio")
    assert row["heard_at"] is not None
    source = next((each for each in changes if each.url == row["found_at"]), None)
    assert source is not None, "it names the carrier's address"
    if not row["found_in"].startswith("header"):
        assert row["sha256"] == hashlib.sha256(source.body or b"").hexdigest()


@pytest.mark.parametrize(("signal", "changes"), RECORDED, ids=NAMES[len(NOES) :])
def test_what_is_unreadable_or_not_final_is_recorded_and_binds_nothing(
    web: Project, signal: str, changes: list[Response]
) -> None:
    web.responses |= answers(changes)
    web.run()
    assert web.fetch(PICTURE)["outcome"] == "stored"
    (opt_out,) = web.table("evidence")["opt_out"]
    assert signal in [each.partition(":")[0] for each in opt_out.split("; ")]
    assert set(web.table("signals")["answer"]) & {"terms", "unknown"}


def test_a_host_that_says_nothing_leaves_only_the_files_that_it_has(web: Project) -> None:
    web.run()
    assert web.table("evidence")["opt_out"].to_list() == [None]
    assert web.table("signals").filter(pl.col("answer") != "allow").is_empty()


def drift(web: Project) -> list[tuple[str, str, str]]:
    """Findings of `mtf audit optouts --refresh`."""
    web.write()
    params = web.params()
    today = recheck.recheck_sources(web.workspace, params, with_pictures=True)
    report = run.run(run.Subject(web.workspace, params, date(2026, 11, 29)), run.Scope.OPTOUTS, rechecked=today)
    return report.findings.select("code", "level", "reason").rows()


@pytest.mark.parametrize(("signal", "changes"), [*NOES, *RECORDED], ids=NAMES)
def test_a_signal_that_comes_up_at_any_carrier_is_drift(web: Project, signal: str, changes: list[Response]) -> None:
    web.run()
    assert drift(web) == []
    web.responses |= answers(changes)
    (code, level, reason), *others = drift(web)
    assert (code, level) == ("opted_out", "error" if signal in ALL else "warning")
    assert signal in reason
    assert others == []


@pytest.mark.parametrize(("signal", "changes"), [*NOES, *RECORDED], ids=NAMES)
def test_a_signal_that_is_withdrawn_at_any_carrier_is_drift(web: Project, signal: str, changes: list[Response]) -> None:
    silent = dict(web.responses)
    web.binding = []
    web.responses |= answers(changes)
    web.run()
    (before,) = web.table("evidence")["opt_out"]
    assert [code for code, *_ in drift(web)] == ["opted_out"], "nothing has changed yet"
    web.responses = silent
    (withdrawn,) = [row for row in drift(web) if row[0] == "signal_changed"]
    assert withdrawn[1] == "warning"
    assert withdrawn[2].endswith(f"{before}; says today: nothing")


def test_a_carrier_that_cannot_be_asked_today_withdraws_nothing(web: Project) -> None:
    web.binding = []
    web.responses |= answers([of_site("/ai.txt", b"User-Agent: *\nDisallow: /")])
    web.run()
    web.responses |= answers([Response("https://media.example/ai.txt", status=500)])
    assert [code for code, *_ in drift(web)] == ["opted_out", "opted_out"]
    web.responses.pop(PICTURE)
    assert "signal_changed" not in [code for code, *_ in drift(web)]


def test_signals_that_differ_between_two_crawls_are_on_record(web: Project) -> None:
    web.binding = []
    web.responses |= answers([page('<meta name="robots" content="noai">')])
    web.run()
    web.run_with({PAGE: page()}, refresh=True)
    subject = run.Subject(web.workspace, web.params(), date(2026, 11, 29))
    report = run.run(subject, run.Scope.OPTOUTS)
    (row,) = report.findings.select("code", "level", "reason").rows()
    assert row[:2] == ("signal_changed", "warning")
    assert "said on" in row[2]
    assert row[2].endswith("nothing")


def test_what_was_heard_is_remembered_by_a_run_that_asks_for_nothing(web: Project) -> None:
    web.binding = []
    web.responses |= answers([picture(c2pa("notAllowed")), of_site("/ai.txt", b"User-Agent: *\nAllow: /")])
    web.run()
    first = web.table("signals")
    web.crawl = {"attempts": 4}
    web.run()
    assert web.table("signals").drop("heard_at").equals(first.drop("heard_at"))
    assert set(first["signal"]) == {"cawg", "ai.txt"}


def compiled(web: Project, name: str) -> str:
    path = web.root / name
    compliance_record.write(web.workspace, web.params(), path)
    return path.read_text(encoding="utf-8")


def test_the_record_says_who_said_what_about_which_use_and_what_came_of_it(web: Project) -> None:
    second, third = "https://media.example/b.jpg", "https://media.example/c.jpg"
    web.finds("ann", [bing_result(url, page=PAGE) for url in (PICTURE, second, third)])
    web.responses |= answers(
        [
            page('<meta name="robots" content="noarchive">'),
            of_site("/robots.txt", b"User-agent: *\nAllow: /\nContent-Signal: ai-input=no"),
            picture(c2pa("notAllowed")),
            Response(second, body=picture_bytes(2), headers={"tdm-policy": "https://media.example/p.json"}),
            Response(third, body=picture_bytes(3), headers={"Content-Usage": "train-ai=y"}),
        ]
    )
    web.run()
    rows = list(csv.DictReader(io.StringIO(compiled(web, "record.csv"))))
    assert list(rows[0]) == compliance_record.COLUMNS
    said = {(row["url"], row["signal"]): row for row in rows}
    no = said[PICTURE, "cawg"]
    assert (no["said_by"], no["use"], no["answer"]) == ("Easel Studio", "training of models", "disallow")
    assert (no["found_in"], no["found_at"], no["is_held"]) == ("file", PICTURE, "false")
    assert no["policy"] == "binds: the picture is not held"
    assert no["sha256"] == hashlib.sha256(web.responses[PICTURE].body).hexdigest()
    assert no["heard_at"].startswith("20")
    assert no["heard_at"].endswith("Z")
    assert said[PICTURE, "robots.txt"]["policy"] == "permits"
    assert said[PICTURE, "content-signal"]["policy"] == "recorded: no use of this data set"
    assert said[second, "tdm-policy"]["policy"] == "recorded: does not bind"
    assert said[third, "aipref"]["policy"] == "permits"
    as_json = json.loads(compiled(web, "record.json"))
    assert as_json["binding_opt_outs"] == web.binding
    assert [
        {key: "" if value is None else str(value).lower() for key, value in row.items()} for row in as_json["record"]
    ] == [{key: value.lower() for key, value in row.items()} for row in rows]


def test_a_picture_that_nobody_spoke_of_is_in_the_record(web: Project) -> None:
    web.responses |= answers([Response("https://media.example/robots.txt", status=404)])
    web.run()
    (row,) = json.loads(compiled(web, "record.json"))["record"]
    assert (row["url"], row["answer"], row["policy"], row["is_held"]) == (PICTURE, "none", "nothing was said", True)
    assert row["heard_at"] is not None


def test_what_strangers_write_does_not_run_in_a_spreadsheet(web: Project) -> None:
    web.binding = []
    web.responses |= answers([picture(c2pa("notAllowed", signer="=HYPERLINK(1)"), **{"tdm-policy": "=1+1"})])
    web.run()
    text = compiled(web, "record.csv")
    assert not [cell for row in csv.reader(io.StringIO(text)) for cell in row if cell.startswith(("=", "+", "@"))]
    assert "'=HYPERLINK(1)" in text


def test_headers_that_are_no_text_are_recorded_all_the_same(web: Project) -> None:
    """Bytes that are no UTF-8 arrive as surrogates."""
    heard = heard_signals.rows(
        "ann",
        PICTURE,
        None,
        SignalsClient.of_headers(
            (("tdm-policy", "https://a.example/\udcff"), ("Content-Usage", "train-ai=\udcff")),
            url="https://a.example/\udcff",
            heard_at=datetime.now(UTC),
        ),
    )
    assert [(row["signal"], row["answer"]) for row in heard] == [("aipref", "unknown"), ("tdm-policy", "terms")]
    assert schemas.frame(schemas.SIGNALS, heard).height == 2
    assert opt_outs([Preference(Signal.TDM_POLICY, Use.ANY, Answer.TERMS, "\udcff")]) == ["tdm-policy: ?"]


def test_a_record_has_a_known_format(web: Project) -> None:
    with pytest.raises(BadInput, match=r"record\.xlsx' is not permitted; permitted: a file that ends in .csv or .json"):
        compiled(web, "record.xlsx")


def test_a_crawl_of_an_older_version_is_asked_to_run_again(web: Project) -> None:
    web.run()
    web.workspace.table("crawl", "signals").unlink()
    with pytest.raises(BadInput, match=r"signals\.parquet: no such table; run the stage that makes it"):
        compiled(web, "record.csv")


def test_own_files_stay_although_their_metadata_reserve_mining(project: Project) -> None:
    """The owner's own statement in params.yaml is the permission; the policy still sees the opt-out."""
    (project.root / "mine").mkdir()
    (project.root / "mine" / "a.jpg").write_bytes(with_mining("DMI-PROHIBITED"))
    project.binding = list(ALL)
    project.crawl = {"sources": [{"kind": "folder", "path": "mine", "license": "CC0-1.0"}]}
    project.person("ann", files="a.jpg")
    project.run()
    assert project.table("evidence")["opt_out"].to_list() == ["iptc-data-mining: DMI-PROHIBITED"]
