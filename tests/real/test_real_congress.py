"""134 portraits of the US Congress, every fourth one, as a small web on loopback, from the search to the release."""

from __future__ import annotations

import csv
import html
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
import yaml
from playwright.sync_api import sync_playwright

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import recorded_web
from mtf.crawl.recorded_web import Response
from mtf.rights.audit import report, run
from projects import own_project, run_in

pytestmark = [pytest.mark.real, pytest.mark.train, pytest.mark.lengthy(60)]

# The portraits were taken for the session that began in January 2021.
PICTURED = "2021"
YEARS = {"Young": [18, 49], "Old": [50, 120]}
# One portrait a person, nobody's review, and some labels and combinations of labels that few or none carry.
GATES = {
    "label_share": {"race": [0.0005, 0.9], "gender": [0.2, 0.8], "age": [0.05, 0.95]},
    "pair_share": [0, 0.9],
    "intersection_share": [0, 0.9],
    "min_images": 1,
    "median_images": [1, 1],
    "max_images": 2,  # in a few portraits the detector finds a second face
    "identity_share": 0.01,
}


PORTRAITS = 134


def people(real_data: Path) -> list[dict[str, str]]:
    """Every fourth member of both chambers."""
    with (real_data / "congress" / "roster.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))[::4]


def roster_text(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["identity", "name", "race", "gender", "birth_date", "pictured"])
    for row in rows:
        values = (row["identity"], row["name"], row["ethnicity"], row["gender"], row["birth_date"], PICTURED)
        writer.writerow(values)
    return text.getvalue()


def congress_web(rows: list[dict[str, str]], portraits: Path) -> Iterator[Response]:
    """Per person a page of search results, a page without a word on licenses, and the portrait."""
    yield Response("https://congress.example/robots.txt", status=404)
    with tarfile.open(portraits) as tar:
        for row in rows:
            page = f"https://congress.example/{row['chamber']}/{quote(row['identity'])}"
            result = json.dumps({"murl": f"{page}.jpg", "purl": page, "t": row["name"]})
            results = f'<a class="iusc" m="{html.escape(result)}" href="#">x</a>'.encode()
            search = f"https://www.bing.com/images/async?q={quote(' '.join(row['name'].split()))}"
            kind = {"Content-Type": "text/html; charset=utf-8"}
            yield Response(f"{search}&first=0", headers=kind, body=results)
            yield Response(search, headers=kind, body=b'<div class="dgControl"></div>')
            text = f"<html><title>{html.escape(row['name'])}</title><p>Member of Congress</p></html>"
            yield Response(page, headers=kind, body=text.encode())
            file = tar.extractfile(row["file"])
            assert file is not None
            yield Response(f"{page}.jpg", headers={"Content-Type": "image/jpeg"}, body=file.read())


@pytest.fixture(scope="module")
def congress(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = people(real_data)
    project = own_project(
        tmp_path_factory.mktemp("congress"),
        roster_text(rows),
        {
            "project": {"name": "congress", "title": "Congress"},
            "tasks": {
                "race": {"column": "race", "labels": sorted({row["ethnicity"] for row in rows})},
                "gender": {"column": "gender", "labels": ["female", "male"]},
                "age": {"column": "age", "labels": list(YEARS), "years": YEARS},
            },
            "crawl": {"web": "data/web", "sources": [{"kind": "bing", "licenses": [None]}]},
            "licenses": {"accept_unstated": True},
            "curate": {"mode": "non_curated", "min_images_per_identity": 1},
            # Two of the labels are one person's alone.
            "split": {"min_train": 1, "min_val": 0, "min_test": 0},
            "train": {"tasks": ["gender"]},
            "release": {"size_px": 128},
            "gates": GATES,
        },
    )
    recorded_web.write(project / "data" / "web", congress_web(rows, real_data / "congress" / "portraits.tar"))
    for stage in ("crawl", "crop", "screen", "curate", "split", "validate", "release"):
        print(run_in(project, "mtf", stage))
    return project


def metrics(project: Path, name: str) -> dict:
    return json.loads((project / "metrics" / f"{name}.json").read_text())


def test_nearly_every_portrait_yields_a_face(congress: Path) -> None:
    detections = pl.read_parquet(congress / "build/crop/detections.parquet")
    assert detections.height == PORTRAITS
    assert (detections["outcome"] == "cropped").mean() >= 0.97


def test_each_person_has_the_age_group_of_the_portraits_year(congress: Path, real_data: Path) -> None:
    young = {row["identity"] for row in people(real_data) if 2021 - int(row["birth_date"][:4]) < 50}
    faces = pl.read_parquet(congress / "build/curate/non_curated.parquet")
    assert 20 < len(young) < 100
    assert set(faces.filter(pl.col("age") == "Young")["identity"]) <= young


def test_the_audit_finds_that_no_license_is_stated(congress: Path) -> None:
    evidence = pl.read_parquet(congress / "build/crawl/evidence.parquet")
    assert set(evidence["stated"]) == {"unstated"}
    assert evidence.height == PORTRAITS
    # The project accepts such pictures; under the policy that is the default each is a finding.
    settings = yaml.safe_load((congress / "params.yaml").read_text())
    settings["licenses"]["accept_unstated"] = False
    subject = run.Subject(ProjectPaths(congress), config.parse(settings), date(2026, 1, 1))
    text = io.StringIO()
    report.write_json(run.run(subject, run.Scope.LICENSES), text)
    found = json.loads(text.getvalue())
    assert not found["compliant"] and len(found["findings"]) == PORTRAITS
    for finding in found["findings"]:
        assert (finding["code"], finding["reason"]) == ("no_evidence", "no license stated")
        assert finding["recommendation"].startswith("Ask the rights holder which license applies")


def test_the_release_has_every_face_once_a_task_and_no_recognition(congress: Path) -> None:
    faces = pl.read_parquet(congress / "build/split/splits.parquet")
    release = congress / "build" / "release"
    assert len(list((release / "multi_task").rglob("*.jpg"))) == faces.height
    assert sorted(path.name for path in (release / "single_task").iterdir()) == [
        "age_classification",
        "gender_classification",
        "race_classification",
    ]


def test_the_distribution_counts_every_label(congress: Path) -> None:
    faces = pl.read_parquet(congress / "build/split/splits.parquet")
    text = json.dumps(metrics(congress, "distribution"))
    for label in sorted(set(faces["race"])):
        assert label in text


def test_a_model_learns_gender_from_the_portraits(congress: Path) -> None:
    run_in(congress, "mtf", "train", "--model", "small_cnn", "--task", "gender")
    run_in(congress, "mtf", "evaluate")
    rows = metrics(congress, "evaluate")["gender"]
    assert rows["small_cnn"]["recall"] > 0.6


def test_the_gates_hold_and_say_which_could_not_be_checked(congress: Path) -> None:
    assert metrics(congress, "validate")["critical"] == 0
    found = json.loads((congress / "build/validate/results.json").read_text())
    assert {each["name"]: each["holds"] for each in found["results"]} == {
        "label_share.race": True,
        "label_share.gender": True,
        "label_share.age": True,
        "pair_share": True,
        "intersection_share": True,
        "min_images": True,
        "median_images": True,
        "max_images": True,
        "identity_share": True,
        "split_share": True,
    }
    why = {each["name"]: each["why"] for each in found["not_checked"]}
    assert why["agreement"] == "too few faces have two votes"
    assert why["unstated_licenses"] == "null, and the policy accepts them"


def test_it_makes_a_report_that_opens_without_complaint(congress: Path, chromium: str) -> None:
    run_in(congress, "mtf", "report")
    complaints, faces = [], pl.read_parquet(congress / "build/split/splits.parquet")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_default_timeout(120_000)
        page.goto((congress / "build/report/index.html").as_uri())
        page.wait_for_selector("html[data-drawn=yes]")
        shown = page.locator("#filtered").inner_text()
        rows = page.evaluate("JSON.parse(document.getElementById('cube').textContent).rows.length")
        sections = page.eval_on_selector_all("main > section", "all => all.map(each => each.id)")
        browser.close()
    assert complaints == []
    assert shown == f"Shown: {faces.height} faces of {faces['identity'].n_unique()} people."
    assert rows == faces["identity"].n_unique()
    assert [name for name in sections if name in ("overview", "warnings", "funnel", "splits", "models", "gates")] == [
        "overview", "warnings", "funnel", "splits", "models", "gates",
    ]  # fmt: skip
