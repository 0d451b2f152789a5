"""`mtf audit`: its findings, its four forms of output, and its exit codes."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from mtf import schemas
from mtf.cli import app
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import recorded_web
from mtf.crawl.recorded_web import Response
from mtf.rights import attribution
from mtf.rights.audit import findings
from mtf.rights.audit import run as audit
from mtf.schemas import takedown_file
from projects import mtf

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "audit-schema.json").read_text())
ON = datetime(2026, 3, 1, tzinfo=UTC)
PERSON = "person-a"


class Project:
    """A project on disk with the tables that the stages would have left."""

    def __init__(self, root: Path, evidence_of: Callable[..., pl.DataFrame]) -> None:
        self.workspace = ProjectPaths(root)
        self.evidence_of = evidence_of
        shutil.copy(ROOT / "params.yaml", root)

    def crawled(self, *rows: dict[str, Any], unfetched: tuple[dict[str, Any], ...] = ()) -> pl.DataFrame:
        evidence = self.evidence_of(*rows)
        schemas.write(schemas.EVIDENCE, evidence, self.workspace.table("crawl", "evidence"))
        images = evidence.with_columns(
            source=pl.lit("bing"),
            media_type=pl.lit("image/jpeg"),
            width=pl.lit(100),
            height=pl.lit(100),
            offset=pl.lit(512),
            size_bytes=pl.lit(1000),
        )
        schemas.write(schemas.IMAGES, images, self.workspace.table("crawl", "images"))
        usual = {"identity": PERSON, "source": "bing", "rank": 0, "attempts": 1, "fetched_at": ON}
        fetches = [usual | {"outcome": "stored"} | row for row in evidence.select("url", "image_id").to_dicts()]
        fetches += [usual | row for row in unfetched]
        schemas.write(schemas.FETCHES, fetches, self.workspace.table("crawl", "fetches"))
        return evidence

    def in_data_set(self, pictures: pl.DataFrame) -> None:
        self._write("split", "splits", pictures.select("identity", "image_id"))

    def non_curated(self, pictures: pl.DataFrame) -> None:
        self._write("curate", "non_curated", pictures.select("identity", "image_id"))

    def released(self, pictures: pl.DataFrame, *, credited: int | None = None) -> list[str]:
        """One face per picture, published under its face_id; the first `credited` of them stand in the credits."""
        face_ids = [f"{number:032x}" for number in range(pictures.height)]
        faces = pictures.select("identity", "image_id").with_columns(face_id=pl.Series(face_ids, dtype=pl.String))
        self._write("crop", "faces", faces)
        root = self.workspace.stage("release")
        for face_id in face_ids:
            self.publish(f"multi_task/Train/Amber/{face_id}.jpg")
        lines = ["file,face_id,identity", *(f"x/{each}.jpg,{each},{PERSON}" for each in face_ids[:credited])]
        (root / audit.CREDITS).write_text("\n".join(lines) + "\n")
        return face_ids

    def publish(self, path: str) -> None:
        file = self.workspace.stage("release") / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"picture")

    def take_down(self, kind: str, value: str) -> None:
        self.workspace.data.mkdir(exist_ok=True)
        header = ",".join(takedown_file.COLUMNS)
        self.workspace.takedowns.write_text(f"{header}\n2026-05-01,{kind},{value},asked,the person,1\n")

    def set(self, section: str, **values: Any) -> None:
        settings = yaml.safe_load(self.workspace.params.read_text())
        settings[section] |= values
        self.workspace.params.write_text(yaml.safe_dump(settings))

    def _write(self, stage: str, table: str, rows: pl.DataFrame) -> None:
        self.workspace.stage(stage).mkdir(parents=True, exist_ok=True)
        rows.write_parquet(self.workspace.table(stage, table))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evidence_of: Callable[..., pl.DataFrame]) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, evidence_of)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["audit", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def report(scope: str) -> dict[str, Any]:
    _, output = run(scope, "--json")
    found = json.loads(output)
    jsonschema.validate(found, SCHEMA)
    return found


def codes(scope: str) -> list[tuple[str, str]]:
    return [(each["code"], each["level"]) for each in report(scope)["findings"]]


UNSTATED = {"stated": "unstated", "license": None}
CLAIM = {"claim": "commercial,modify"}
NC, ND = {"license": "CC-BY-NC-4.0"}, {"license": "CC-BY-ND-4.0"}


def test_a_crawl_with_nothing_wrong_is_compliant(project: Project) -> None:
    project.crawled({}, {"license": "CC0-1.0", "creator": None})
    assert run("licenses", "--quiet") == (0, "")
    assert run("licenses", "--plain") == (0, "")
    code, table = run("licenses")
    assert code == 0 and "Compliant." in table and "2 pictures audited: 0 errors, 0 warnings." in table
    found = report("licenses")
    assert found["compliant"] is True and found["findings"] == []
    assert found["summary"]["by_license"] == {"CC-BY-4.0": 1, "CC0-1.0": 1}


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (UNSTATED, "no_evidence", "no license stated"),
        (UNSTATED | CLAIM, "claim_only", "only the search filter says “commercial,modify”; the source states nothing"),
        (NC, "not_permitted", "CC-BY-NC-4.0 is not permitted: it does not permit commercial use"),
        (ND, "not_permitted", "CC-BY-ND-4.0 is not permitted: it does not permit modification"),
        ({"stated": "contradiction", "detail": "the claim says …"}, "contradiction", "the claim says …"),
        ({"opt_out": "x-robots-tag: noai"}, "opted_out", "x-robots-tag: noai"),
        ({"opt_out": "meta-robots: noimageai"}, "opted_out", "meta-robots: noimageai"),
    ],
)  # fmt: skip
def test_each_fault_has_its_code_its_reason_and_a_recommendation(
    project: Project, row: dict[str, Any], code: str, reason: str
) -> None:
    project.crawled({}, row)
    found = report("licenses")
    (finding,) = found["findings"]
    assert (finding["code"], finding["level"], finding["reason"]) == (code, "error", reason)
    assert finding["image_id"] == project.evidence_of({}, {})["image_id"][1]
    assert found["compliant"] is False and found["summary"]["by_code"] == {code: 1}
    assert finding["recommendation"] == findings.RECOMMENDATIONS[findings.Code(code)]
    assert found["recommendations"] == {code: finding["recommendation"]}
    assert found["evidence_as_of"] == "2026-03-01"
    assert run("licenses", "--quiet") == (1, "")


def test_a_dead_page_is_an_error_unless_the_license_is_known_otherwise(project: Project) -> None:
    dead = {"stated": "unreachable", "license": None, "detail": "http_error: status 404", "http_status": 404}
    project.crawled(dead | CLAIM, {"method": "file: xmp cc:license", "http_status": 410})
    assert codes("licenses") == [("claim_only", "error"), ("dead_source", "error"), ("dead_source", "warning")]
    reasons = [each["reason"] for each in report("licenses")["findings"]]
    assert "the page cannot be read: http_error: status 404" in reasons


@pytest.mark.parametrize(("accepted", "claimed"), [("accept_claim", CLAIM), ("accept_unstated", {})])
def test_a_dead_page_is_no_error_where_the_policy_permits_the_picture(
    project: Project, accepted: str, claimed: dict[str, str]
) -> None:
    dead = {"stated": "unreachable", "license": None, "http_status": 404}
    project.crawled(dead | claimed, dead | {"claim": "noncommercial"})
    project.set("licenses", **{accepted: True})
    levels = [level for code, level in codes("licenses") if code == "dead_source"]
    assert levels == ["error", "warning"], "what is claimed too little of stays refused"


def test_old_evidence_is_counted_in_days(project: Project) -> None:
    project.set("licenses", max_evidence_age_days=1)
    project.crawled({})
    (finding,) = report("licenses")["findings"]
    assert finding["code"] == "evidence_too_old"
    assert finding["reason"] == "last checked on 2026-03-01, more than 1 days ago"


def test_an_address_left_alone_is_on_record_and_no_fault(project: Project) -> None:
    refused = {"url": "https://media.example.org/closed/1.jpg", "outcome": "opted_out", "detail": "robots.txt: closed"}
    project.crawled({}, unfetched=(refused,))
    for scope in ("licenses", "optouts"):
        (finding,) = report(scope)["findings"]
        assert (finding["code"], finding["level"], finding["image_id"]) == ("opted_out", "warning", None)
        assert finding["reason"] == "robots.txt: closed; the picture is not held"
        assert run(scope, "--quiet") == (0, "")


def test_an_opt_out_that_does_not_bind_is_a_warning(project: Project) -> None:
    project.set("licenses", binding_opt_outs=["robots.txt"])
    project.crawled({"opt_out": "tdmrep: header tdm-reservation 1"})
    assert codes("optouts") == [("opted_out", "warning")]
    assert codes("licenses") == []


def test_findings_say_whether_the_picture_is_in_the_data_set(project: Project) -> None:
    evidence = project.crawled({"license": "CC-BY-NC-4.0"}, {"license": "CC-BY-ND-4.0"})
    project.in_data_set(evidence.head(1))
    inside = {each["license"]: each["in_data_set"] for each in report("licenses")["findings"]}
    assert inside == {"CC-BY-NC-4.0": True, "CC-BY-ND-4.0": False}


def test_a_picture_without_an_evidence_record_is_found(project: Project) -> None:
    evidence = project.crawled({}, {})
    schemas.write(schemas.EVIDENCE, evidence.head(1), project.workspace.table("crawl", "evidence"))
    (finding,) = report("licenses")["findings"]
    assert finding["image_id"] == evidence["image_id"][1]
    assert finding["reason"] == "there is no evidence record of this picture"


@pytest.mark.parametrize(
    ("kind", "value", "named"),
    [
        ("identity", PERSON, "its identity"),
        ("picture", "http://MEDIA.example.org/0.jpg#top", "its address"),
        ("page", "https://photos.example.org/view/1", "its page"),
        ("image_id", "", "the file"),
    ],
)
def test_what_was_taken_down_but_is_still_here_is_found(project: Project, kind: str, value: str, named: str) -> None:
    evidence = project.crawled({}, {"identity": "person-b", "page_url": "https://photos.example.org/view/2"})
    project.take_down(kind, value or evidence["image_id"][0])
    (finding,) = report("licenses")["findings"]
    assert (finding["code"], finding["reason"]) == ("taken_down_present", f"a takedown names {named}")
    assert finding["image_id"] == evidence["image_id"][0]


def test_a_data_set_is_credited_as_a_whole(project: Project) -> None:
    whole = {"method": "data_set_terms", "page_url": None, "title": None}
    evidence = project.crawled(whole, whole | {"creator": None})
    project.in_data_set(evidence)
    (finding,) = report("attribution")["findings"]
    assert finding["reason"] == "CC-BY-4.0 asks for attribution; not known: the author"


def test_attribution_is_asked_of_the_data_set_alone(project: Project) -> None:
    rows = [{"creator": None}, {"title": None}, {"creator": None, "license": "CC0-1.0"}, {"creator": None}]
    evidence = project.crawled(*rows)
    project.in_data_set(evidence.head(3))
    assert codes("attribution") == [("missing_attribution", "error"), ("missing_attribution", "warning")]
    reasons = {each["reason"] for each in report("attribution")["findings"]}
    assert "CC-BY-4.0 asks for attribution; not known: the author" in reasons
    assert "CC-BY-4.0 asks for attribution; not known: the title" in reasons


def test_attribution_is_asked_of_all_that_a_release_would_publish(project: Project) -> None:
    evidence = project.crawled({}, {"creator": None}, {"creator": None})
    project.in_data_set(evidence.head(1))
    project.non_curated(evidence.head(2))
    (finding,) = report("attribution")["findings"]
    assert (finding["code"], finding["image_id"]) == ("missing_attribution", evidence["image_id"][1])
    assert finding["in_data_set"] is True
    project.set("release", variants=["multi_task", "single_task"])
    assert codes("attribution") == []
    project.set("release", variants=["non_curated"])
    project.in_data_set(evidence.tail(1))
    assert report("attribution")["findings"] == [finding]


def test_an_author_that_somebody_found_is_as_good_as_one_that_is_stated(project: Project) -> None:
    evidence = project.crawled({"creator": None}, {"creator": None, "page_url": "https://photos.example.org/view/2"})
    project.in_data_set(evidence)
    header = ",".join(attribution.COLUMNS)
    found = "2026-05-01,page,https://photos.example.org/view/2,An Author,,,,reviewer-1,their own site"
    project.workspace.data.mkdir()
    project.workspace.attribution.write_text(f"{header}\n{found}\n")
    for scope in ("attribution", "release"):
        (finding,) = report(scope)["findings"]
        assert (finding["code"], finding["image_id"]) == ("missing_attribution", evidence["image_id"][0])


def test_what_cannot_be_credited_is_found_once(project: Project) -> None:
    project.in_data_set(project.crawled({"creator": None}))
    project.set("licenses", without_attribution="drop")
    assert codes("release") == [("missing_attribution", "error")]
    assert codes("licenses") == [("missing_attribution", "error")]


def test_before_anything_is_built_the_audit_of_a_release_judges_what_is_planned(project: Project) -> None:
    evidence = project.crawled({}, {"creator": None}, {"license": "CC-BY-SA-3.0"}, {"license": "CC-BY-NC-4.0"})
    project.in_data_set(evidence.head(3))
    project.set("release", license="CC-BY-4.0")
    found = report("release")
    assert found["summary"]["by_code"] == {"share_alike": 1, "missing_attribution": 1}
    assert found["summary"]["pictures"] == 3
    assert found["release"] == {"license": "CC-BY-4.0", "built": False, "may_bear": ["CC-BY-SA-3.0", "CC-BY-SA-4.0"]}
    code, table = run("release")
    assert code == 1
    assert "Not of a built release: these are the pictures that `mtf release` would publish." in table


def test_a_release_that_lost_its_pictures_is_not_built(project: Project) -> None:
    evidence = project.crawled({}, {"creator": None})
    project.in_data_set(evidence)
    folder = project.workspace.stage("release")
    folder.mkdir(parents=True)
    evidence.select("identity", "image_id").write_parquet(folder / "metadata.parquet")  # what names pictures is none
    found = report("release")
    assert found["release"]["built"] is False
    assert found["summary"]["by_code"] == {"missing_attribution": 1}


def test_what_is_planned_can_be_audited_beside_a_release_that_is_built(project: Project) -> None:
    evidence = project.crawled({}, *[{"license": "CC-BY-NC-4.0"}] * 5)
    project.released(evidence.head(1))
    project.in_data_set(evidence)
    assert run("release", "--quiet") == (0, "")
    assert run("release", "--planned", "--quiet") == (1, "")
    assert "… and 4 more; all of them: mtf audit release --planned --plain" in run("release", "--planned")[1]


def test_a_release_in_order_is_compliant(project: Project) -> None:
    evidence = project.crawled({}, {"license": "CC-BY-SA-3.0"}, {"license": "CC-BY-NC-4.0"})
    project.released(evidence.head(2))
    found = report("release")
    assert found["compliant"] is True and found["findings"] == []
    assert found["summary"]["pictures"] == 2
    assert found["release"] == {"license": "CC-BY-SA-4.0", "built": True, "may_bear": ["CC-BY-SA-3.0", "CC-BY-SA-4.0"]}
    code, table = run("release")
    assert code == 0 and "bears CC-BY-SA-4.0; these pictures let it bear CC-BY-SA-3.0, CC-BY-SA-4.0" in " ".join(
        table.split()
    )


def test_a_release_under_a_license_its_pictures_do_not_allow_fails(project: Project) -> None:
    project.set("release", license="CC-BY-4.0")
    project.released(project.crawled({}, {"license": "CC-BY-SA-3.0"}))
    (finding,) = report("release")["findings"]
    assert finding["code"] == "share_alike"
    assert finding["reason"] == (
        "CC-BY-SA-3.0 is share-alike: its adaptations bear CC-BY-SA-3.0 or later; the release bears CC-BY-4.0"
    )


def test_a_published_file_that_nobody_is_credited_for_fails(project: Project) -> None:
    face_ids = project.released(project.crawled({}, {}), credited=1)
    project.publish("multi_task/Test/Blue/holiday.jpg")
    reasons = {each["reason"] for each in report("release")["findings"]}
    assert reasons == {
        f"multi_task/Train/Amber/{face_ids[1]}.jpg is in the release, but not in its credits",
        "multi_task/Test/Blue/holiday.jpg is in the release, but not in its credits",
    }
    (project.workspace.stage("release") / audit.CREDITS).unlink()
    assert len(report("release")["findings"]) == 3


def test_a_release_is_held_to_policy_credits_and_takedowns(project: Project) -> None:
    evidence = project.crawled({}, {"license": "CC-BY-NC-4.0"}, {"creator": None})
    project.released(evidence)
    project.take_down("image_id", evidence["image_id"][0])
    assert {code for code, _ in codes("release")} == {
        "taken_down_present",
        "not_permitted",
        "share_alike",
        "missing_attribution",
    }


def test_a_published_face_that_the_tables_no_longer_know_fails(project: Project) -> None:
    """As after a takedown whose release was not built again: nothing else can tell whose picture it is."""
    evidence = project.crawled({}, {})
    face_ids = project.released(evidence)
    known = pl.read_parquet(project.workspace.table("crop", "faces"))
    known.filter(face_id=face_ids[0]).write_parquet(project.workspace.table("crop", "faces"))
    (finding,) = report("release")["findings"]
    assert (finding["code"], finding["level"]) == ("unknown_face", "error")
    assert finding["reason"].startswith(
        f"multi_task/Train/Amber/{face_ids[1]}.jpg shows a face that is not in the tables"
    )
    assert run("release", "--quiet") == (1, "")


def test_published_pictures_are_seen_in_every_form(project: Project) -> None:
    project.released(project.crawled({}))
    others = [f"{number:032x}" for number in range(7, 14)]
    names = [f"{others[0]}.JPG", f"{others[1]}.jpeg", f"x/{others[2]}.png", f".{others[3]}.jpg.1a2b3c4d.part"]
    for name in names:
        project.publish(name)
    exports = project.workspace.root / "build"
    for name in ("parquet/data", "webdataset", "fiftyone/data"):
        (exports / name).mkdir(parents=True)
    table = pl.DataFrame({"image": [{"bytes": b"picture", "path": "x.jpg"}], "face_id": [others[4]]})
    table.write_parquet(exports / "parquet/data/train-00000-of-00001.parquet")
    with tarfile.open(exports / "webdataset/train-000000.tar", "w") as tar:
        for name in (f"{PERSON}-{others[5]}.jpg", f"{PERSON}-{others[5]}.json"):
            tar.addfile(tarfile.TarInfo(name))
    (exports / "fiftyone/data" / f"{PERSON}-{others[6]}.jpg").write_bytes(b"picture")
    table.drop("image").write_parquet(project.workspace.stage("release") / "metadata.parquet")

    unknown = {
        each["reason"].partition(" ")[0] for each in report("release")["findings"] if each["code"] == "unknown_face"
    }
    assert unknown == {
        *names,
        f"build/parquet/data/train-00000-of-00001.parquet:{others[4]}",
        f"build/webdataset/train-000000.tar:{PERSON}-{others[5]}.jpg",
        f"build/fiftyone/data/{PERSON}-{others[6]}.jpg",
    }


def test_what_looks_like_a_picture_that_was_taken_down_is_found(project: Project, sample_params: Params) -> None:
    evidence = project.crawled({}, {}, {})
    project.take_down("perceptual_hash", "00000000000000ff")
    hashes = [0xFF00, 0b111 << 32 | 0xFF, None]  # far away; three bits away; not worked out
    looks = evidence.select("image_id").with_columns(content_hash=pl.Series(hashes, dtype=pl.UInt64))
    subject = audit.Subject(project.workspace, sample_params, ON.date(), looks)
    found = audit.run(subject, audit.Scope.LICENSES).findings
    assert found["image_id"].to_list() == [evidence["image_id"][1]]
    assert found["reason"].to_list() == ["a takedown names its perceptual hash"]
    assert run("licenses", "--quiet") == (0, ""), "whose looks are not known, looks like nothing"


def test_the_same_audit_gates_a_release_before_it_is_built(project: Project, sample_params: Params) -> None:
    evidence = project.evidence_of({}, {"license": "CC-BY-ND-4.0"}, {"license": "CC-BY-NC-4.0"})
    unknown = {"identity": PERSON, "image_id": "f" * 64}
    wanted = pl.concat([evidence.select("identity", "image_id").head(2), pl.DataFrame([unknown])])
    found = audit.of_data_set(wanted, evidence, sample_params, takedown_file.Takedowns(), today=ON.date())
    assert not found.is_compliant and found.audited == 2
    assert found.by_code == {"not_permitted": 1, "no_evidence": 1, "share_alike": 1}


def test_plain_gives_one_line_per_finding_and_nothing_from_the_web_breaks_it(project: Project) -> None:
    hostile = {"stated": "contradiction", "detail": "line\none\ttwo \x1b[31mred", "url": "https://x.example/a\nb"}
    project.crawled(hostile, UNSTATED)
    code, output = run("licenses", "--plain")
    lines = output.splitlines()
    assert code == 1 and len(lines) == 2
    assert all(line.count("\t") == 6 for line in lines)
    assert lines[1].split("\t")[6] == findings.RECOMMENDATIONS[findings.Code.NO_EVIDENCE]
    assert lines[0].split("\t")[:3] == ["contradiction", "error", PERSON]
    assert "\x1b" not in output


def test_json_from_the_web_stays_in_its_string(project: Project) -> None:
    hostile = 'says },{ "code": "},\n{" \\ "level"'
    project.crawled({"stated": "contradiction", "detail": hostile}, UNSTATED, UNSTATED)
    _, output = run("licenses", "--json")
    found = json.loads(output)
    assert [each["reason"] for each in found["findings"]] == [
        hostile.replace("\n", " "),
        "no license stated",
        "no license stated",
    ]
    lines = output[output.index('"findings": [') :].splitlines()[1:-2]
    assert [json.loads(line.rstrip(","))["code"] for line in lines] == ["contradiction", "no_evidence", "no_evidence"]


def test_markup_from_the_web_is_not_the_tables(project: Project) -> None:
    project.crawled({"stated": "contradiction", "detail": "[red]says[/red] [/nothing]"})
    code, output = run("licenses")
    assert code == 1 and "[red]says[/red]" in output
    assert "Not compliant." in output


def test_the_table_is_capped_and_says_where_the_rest_is(project: Project) -> None:
    project.crawled(*[UNSTATED] * 50)
    _, output = run("licenses")
    assert "… and 47 more; all of them: mtf audit licenses --plain" in output
    assert "50 errors" in output and len(output.splitlines()) < 40


def page(name: str, html: str) -> Response:
    kind = {"Content-Type": "text/html"}
    return Response(f"https://photos.example.org/view/{name}", headers=kind, body=f"<html>{html}</html>".encode())


def linked(license: str) -> str:
    return f'<a rel="license" href="https://creativecommons.org/licenses/{license}/">CC</a>'


def test_refresh_asks_the_pages_again_and_reports_what_changed(project: Project) -> None:
    names = ["same", "changed", "gone", "silent", "closed", "marked", "file"]
    rows: list[dict[str, Any]] = [{"page_url": f"https://photos.example.org/view/{name}"} for name in names]
    rows[-1] |= {"method": "file: xmp cc:license"}
    before = project.crawled(*rows)
    project.set("crawl", web="web")
    recorded_web.write(
        project.workspace.root / "web",
        [
            Response("https://photos.example.org/robots.txt", body=b"User-agent: *\nDisallow: /view/closed\n"),
            page("same", linked("by/4.0")),
            page("changed", linked("by-nc/4.0")),
            page("silent", "nothing"),
            page("closed", linked("by/4.0")),
            page("marked", '<meta name="robots" content="noai">' + linked("by/4.0")),
            page("file", "nothing"),
        ],
    )
    assert codes("licenses") == []
    code, output = run("licenses", "--refresh", "--json")
    found = json.loads(output)
    jsonschema.validate(found, SCHEMA)
    name_of = dict(zip(before["image_id"], names, strict=True))
    seen = {(name_of[each["image_id"]], each["code"], each["level"]): each["reason"] for each in found["findings"]}
    assert seen == {
        ("changed", "license_changed", "error"): "stated CC-BY-4.0 on 2026-03-01, states CC-BY-NC-4.0 today",
        ("silent", "license_changed", "error"): "stated CC-BY-4.0 on 2026-03-01, states no license today",
        ("gone", "dead_source", "warning"): "the page cannot be read today: http_error: status 404",
        ("closed", "opted_out", "error"): seen[("closed", "opted_out", "error")],
        ("marked", "opted_out", "error"): "meta-robots: noai",
    }
    assert seen[("closed", "opted_out", "error")].startswith("robots.txt: photos.example.org disallows")
    assert code == 1
    after = pl.read_parquet(project.workspace.table("crawl", "evidence"))
    assert after.equals(before), "an audit changes nothing"


@pytest.mark.parametrize(
    ("robots", "markup", "documents", "reason"),
    [
        ("User-agent: *\nContent-Usage: train-ai=n\n", "", [], "aipref: robots.txt content-usage train-ai=n"),
        (
            "User-agent: *\nContent-Signal: search=yes, ai-train=no\n",
            "",
            [],
            "content-signal: robots.txt content-signal ai-train=no",
        ),
        (
            "User-agent: *\nAllow: /\n",
            '<link rel="license" type="application/rsl+xml" href="/rsl.xml">',
            [
                Response(
                    "https://photos.example.org/rsl.xml",
                    body=b'<rsl><content url="/"><license><prohibits type="usage">all</prohibits></license>'
                    b"</content></rsl>",
                )
            ],
            "rsl: https://photos.example.org/rsl.xml prohibits all",
        ),
    ],
    ids=["content-usage", "content-signal", "rsl"],
)
def test_refresh_reports_a_signal_that_the_site_has_added_beside_another(
    project: Project, robots: str, markup: str, documents: list[Response], reason: str
) -> None:
    project.crawled(
        {"page_url": "https://photos.example.org/view/a", "opt_out": "tdm-policy: header https://a.example/p"}
    )
    project.set("crawl", web="web")
    answers = [
        Response("https://photos.example.org/robots.txt", body=robots.encode()),
        page("a", markup + linked("by/4.0")),
    ]
    recorded_web.write(project.workspace.root / "web", [*answers, *documents])
    code, output = run("licenses", "--refresh", "--json")
    found = json.loads(output)["findings"]
    assert (code, [each["code"] for each in found if each["level"] == "error"]) == (1, ["opted_out"])
    assert reason in found[-1]["reason"] or reason in found[0]["reason"]


def test_what_a_hosts_api_stated_is_not_compared_with_its_page(project: Project) -> None:
    project.set("crawl", web="web")
    by_api = {"method": "commons-api", "license": "CC-BY-SA-4.0", "page_url": "https://photos.example.org/view/file"}
    project.crawled(by_api, by_api, {"page_url": "https://photos.example.org/view/page"})
    pages = [page("file", linked("by/4.0")), page("page", linked("by/4.0"))]
    recorded_web.write(project.workspace.root / "web", pages)
    code, output = run("licenses", "--refresh", "--json")
    found = json.loads(output)
    jsonschema.validate(found, SCHEMA)
    assert (code, found["findings"], found["summary"]["not_asked_again"]) == (0, [], {"commons-api": 2})
    assert "Not asked again: 2 pictures of commons-api" in run("licenses", "--refresh")[1]


def test_refresh_takes_a_page_that_says_less_than_the_file_for_no_change(project: Project) -> None:
    project.set("crawl", web="web")
    rows = [{"method": "file: xmp cc:license", "page_url": f"https://photos.example.org/view/{n}"} for n in range(2)]
    evidence = project.crawled(*rows)
    recorded_web.write(project.workspace.root / "web", [page("0", linked("by")), page("1", linked("by-nc"))])
    found = json.loads(run("licenses", "--refresh", "--json")[1])["findings"]
    assert [(each["code"], each["image_id"]) for each in found] == [("license_changed", evidence["image_id"][1])]


def test_refresh_does_not_call_news_what_was_on_record(project: Project) -> None:
    project.set("crawl", web="web")
    disputed = {"stated": "contradiction", "license": None, "detail": "the page …, the file …"}
    dead = {"stated": "unreachable", "license": None, "http_status": 404}
    project.crawled(
        *(row | {"page_url": f"https://photos.example.org/view/{n}"} for n, row in enumerate([disputed, dead]))
    )
    recorded_web.write(project.workspace.root / "web", [page("0", linked("by/4.0"))])
    assert run("licenses", "--refresh", "--plain") == run("licenses", "--plain")


def test_forms_of_output_exclude_each_other(project: Project) -> None:
    done = mtf(project.workspace.root, "audit", "licenses", "--json", "--quiet")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mtf: --json, --plain and --quiet exclude each other\n"


def test_an_audit_that_cannot_run_says_so_in_one_line(project: Project) -> None:
    done = mtf(project.workspace.root, "audit", "licenses", "--quiet")
    assert done.returncode == 2
    assert done.stderr == (
        "mtf: build/crawl/evidence.parquet: no such table; run the stage that makes it (`dvc repro`)\n"
    )


@pytest.mark.parametrize(
    ("scope", "says"),
    [("attribution", "no data set to audit"), ("release", "no data set to audit")],
)
def test_an_audit_of_what_is_not_there_could_not_run(project: Project, scope: str, says: str) -> None:
    project.crawled({})
    with pytest.raises(Exception, match=says) as refused:
        run(scope)
    assert getattr(refused.value, "exit_code", None) == 2


def test_looks_that_cannot_be_read_could_not_be_audited(project: Project) -> None:
    project.crawled({})
    project.take_down("perceptual_hash", "00000000000000ff")
    project.workspace.table("crawl", "images").write_bytes(b"not a table")
    with pytest.raises(Exception, match=r"build/crawl/images.parquet: not readable as a table") as refused:
        run("optouts")
    assert getattr(refused.value, "exit_code", None) == 2


def test_a_table_that_is_not_one_could_not_be_audited(project: Project) -> None:
    project.crawled({})
    project.workspace.table("crawl", "evidence").write_bytes(b"not a table")
    with pytest.raises(Exception, match=r"build/crawl/evidence.parquet: not readable as a table") as refused:
        run("licenses")
    assert getattr(refused.value, "exit_code", None) == 2


def test_two_audits_of_the_same_tables_say_the_same(project: Project) -> None:
    project.crawled(*[UNSTATED | CLAIM, {"license": "CC-BY-NC-4.0"}, {"opt_out": "meta-robots: noai"}] * 20)
    assert run("licenses", "--json") == run("licenses", "--json")
