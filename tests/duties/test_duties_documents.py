"""`mtf duties`: documents whose sentences follow the tables, and that say what nobody has answered."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
import yaml

from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import JOINT_REVIEWER, write_session
from mtf.config import Params
from mtf.config.publishing import Duty
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.duties import registry, writing
from mtf.duties.document import Document
from mtf.rights import consent_records
from mtf.schemas import takedown_file
from projects import mtf

NAMES = tuple(registry.TEMPLATES)


def params(**changes: Any) -> Params:
    import made_project

    return made_project.made_params(**changes)


def documents(project: ProjectPaths, settings: Params | None = None) -> dict[str, Document]:
    filled = writing.documents(project, settings or params(), NAMES)
    return {document.template.name: document for document in filled}


def sentences(document: Document) -> dict[tuple[str, int], tuple[str, tuple[str, ...]]]:
    """(item, place) → text and tables of each sentence."""
    return {
        (each.item.key, place): (sentence.text, sentence.tables)
        for each in document.items
        for place, sentence in enumerate(each.sentences)
    }


def rewritten(project: ProjectPaths, path: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    change(pl.read_parquet(project.root / path)).write_parquet(project.root / path)


def decided(project: ProjectPaths, reviewer: str, count: int = 2) -> None:
    time = dt.datetime(2026, 2, 3, tzinfo=dt.UTC)
    lines = [
        Decision(
            image_id=f"{number:064x}", box=(0, 0, 9, 9), identity="ada", step="identity", verdict=Verdict.ACCEPT,
            reviewer=reviewer, time=time,
        )
        for number in range(count)
    ]  # fmt: skip
    write_session(project.review, lines)


def consented(project: ProjectPaths) -> None:
    given = {"subject": "ada", "form": "release", "form_version": "1", "scopes": ["training"], "given_by": "self"}
    rest = {"age": 40, "reference": "cabinet", "valid_until": None, "revoked_on": None}
    consent_records.add(project.consent, given | rest | {"given_on": dt.date(2025, 1, 1)})


def with_card(project: ProjectPaths, **values: Any) -> None:
    project.card.write_text(yaml.safe_dump(values, allow_unicode=True))


def _figures_doubled(project: ProjectPaths) -> None:
    path = project.metrics("curate")
    figures = json.loads(path.read_text())
    figures["cropped"]["faces"] *= 2
    figures["held_back"]["conflict"] += 5
    figures["agreement"]["identity"]["alpha"] = 0.5
    path.write_text(json.dumps(figures))


def _erased(project: ProjectPaths) -> None:
    project.receipts.mkdir()
    (project.receipts / "one.json").write_text('{"finished_at": "2026-01-02"}')


def _requested(project: ProjectPaths) -> None:
    rows = ",".join(takedown_file.COLUMNS) + "\n2026-01-02,identity,ada,asked,the person,letter\n"
    project.takedowns.write_text(rows)


CHANGES: dict[str, Callable[[ProjectPaths], None]] = {
    "build/crawl/images.parquet": lambda project: rewritten(
        project, "build/crawl/images.parquet", lambda rows: rows.head(4).with_columns(source=pl.lit("flickr"))
    ),
    "build/crawl/fetches.parquet": lambda project: rewritten(
        project,
        "build/crawl/fetches.parquet",
        lambda rows: rows.with_columns(
            outcome=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("opted_out")).otherwise("outcome"),
            fetched_at=pl.col("fetched_at") + pl.duration(days=400),
        ),
    ),
    "build/crawl/evidence.parquet": lambda project: rewritten(
        project,
        "build/crawl/evidence.parquet",
        lambda rows: rows.with_columns(
            license=pl.lit("CC0-1.0"),
            opt_out=pl.lit("tdmrep: 1"),
            stated=pl.when(pl.int_range(pl.len()) < 2).then(pl.lit("unreachable")).otherwise("stated"),
        ),
    ),
    "build/crop/faces.parquet": lambda project: rewritten(
        project, "build/crop/faces.parquet", lambda rows: rows.head(3)
    ),
    "build/curate/exclusions.parquet": lambda project: rewritten(
        project,
        "build/curate/exclusions.parquet",
        lambda rows: rows.with_columns(step=pl.lit("license"), reason=pl.lit("opted_out")),
    ),
    "build/split/splits.parquet": lambda project: rewritten(
        project, "build/split/splits.parquet", lambda rows: rows.filter(pl.col("identity") != "nul")
    ),
    "metrics/curate.json": _figures_doubled,
    "data/roster.csv": lambda project: project.roster.write_text(
        "\n".join(project.roster.read_text(encoding="utf-8").splitlines()[:3]) + "\n", encoding="utf-8"
    ),
    "data/consent.csv": consented,
    "data/takedowns.csv": _requested,
    "data/receipts": _erased,
    "data/review": lambda project: decided(project, "second", 5),
}


@pytest.mark.parametrize("table", CHANGES)
def test_a_sentence_changes_with_the_table_that_it_names_and_with_no_other(project: ProjectPaths, table: str) -> None:
    decided(project, "first")
    before = documents(project)
    CHANGES[table](project)
    after = documents(project)
    touched = set()
    for name in NAMES:
        old, new = sentences(before[name]), sentences(after[name])
        for place in set(old) | set(new):
            if old.get(place) != new.get(place):
                named = {path for side in (old, new) if place in side for path in side[place][1]}
                assert table in named, (name, place, old.get(place), new.get(place))
                touched.add(name)
    named_by = {name for name in NAMES for _, tables in sentences(after[name]).values() if table in tables}
    assert touched == named_by
    assert touched


@pytest.mark.parametrize("name", NAMES)
def test_each_document_follows_a_table_and_the_card(project: ProjectPaths, name: str) -> None:
    before = {text for text, _ in sentences(documents(project)[name]).values()}
    for table in ("build/split/splits.parquet", "metrics/curate.json", "build/crawl/images.parquet"):
        CHANGES[table](project)
    key = next(item.key for section in registry.TEMPLATES[name].sections for item in section.items)
    with_card(project, duties={key: "as our board decided"})
    after = sentences(documents(project)[name])
    assert {text for text, _ in after.values()} - before > {"as our board decided"}
    assert ("as our board decided", (f"data/card.yaml: duties.{key}",)) in after.values()


def test_parameters_are_named_by_the_sentences_that_follow_them(project: ProjectPaths) -> None:
    before = documents(project)
    after = documents(project, params(release={"license": "CC0-1.0", "version": "9.9.9"}))
    for name in NAMES:
        for place, (text, tables) in sentences(after[name]).items():
            if sentences(before[name])[place][0] != text:
                assert "params.yaml" in tables


def test_every_sentence_of_a_document_names_where_it_is_from(project: ProjectPaths) -> None:
    consented(project)
    for document in documents(project).values():
        for (key, _), (_, tables) in sentences(document).items():
            assert tables or key == "dps_version"


def test_what_nobody_answered_is_listed_until_people_answer_it(project: ProjectPaths) -> None:
    document = documents(project)["gdpr_article_14"]
    open_keys = [item.key for item in document.unanswered]
    assert {"controller", "legal_basis", "storage_period", "supervisory_authority"} <= set(open_keys)
    assert "data_protection_officer" not in open_keys
    text = writing.markdown(document)
    assert "write it in `data/card.yaml`, under `duties`, as `storage_period`" in text
    assert text.count("**Nobody has answered this.**") == len(open_keys)

    with_card(project, duties=dict.fromkeys(open_keys, "answered"))
    answered = documents(project)["gdpr_article_14"]
    assert not answered.unanswered
    assert "Everything is answered." in writing.markdown(answered)
    assert "Everything is answered." in writing.page(answered)


def test_an_item_that_tables_alone_cannot_answer_stays_open_beside_their_figures(project: ProjectPaths) -> None:
    [biases] = [each for each in documents(project)["ai_act_article_10"].items if each.item.key == "bias_examination"]
    assert biases.is_open
    assert any("Share of the faces by label" in sentence.text for sentence in biases.sentences)


def test_the_points_of_article_10_are_all_there(project: ProjectPaths) -> None:
    titles = [section.title for section in registry.TEMPLATES["ai_act_article_10"].sections]
    assert [title[:3] for title in titles] == [f"({letter})" for letter in "abcdefgh"]


def test_a_condition_that_only_warns_is_not_called_a_refusal(project: ProjectPaths) -> None:
    def said(warn_only: list[str]) -> str:
        document = documents(project, params(gates={"warn_only": warn_only}))["ai_act_article_10"]
        return sentences(document)["bias_measures", 0][0]

    assert said([]).endswith("or if the reviewers' agreement is below 0.6.")
    refused, warned = said(["agreement", "intersection_share"]).split(" Whoever makes a release is warned if ")
    assert refused.startswith("A release is refused if a label's share") and "agreement" not in refused
    assert warned.startswith("a combination of all labels") and "agreement" in warned


def test_the_crowdwork_sheet_says_how_often_each_unnamed_reviewer_errs(project: ProjectPaths) -> None:
    steps = {
        step: {"faces": faces, "wrongly_rejected": rejected, "wrongly_kept": kept}
        for step, faces, rejected, kept in (("face", 300, 0.01, 0.05), ("identity", 100, 0.05, 0.25))
    }
    path = project.root / "metrics" / "curate.json"
    figures = json.loads(path.read_text())
    figures["consensus"] = {
        "decided_by": {"panel": 397, "model": 2, "joint": 1},
        "confidence": {step: {"verdicts": 200, "mean": 0.99, "expected_wrong": 0.5} for step in steps},
        "reviewers": [{"right": 0.97, "steps": steps}],
        "classifier": {},
    }
    path.write_text(json.dumps(figures))
    text, tables = sentences(documents(project)["crowdwork_sheet"])["agreement", 1]
    assert "decided 2 verdicts" in text and "it expects 1.0 to be wrong" in text
    assert text.endswith("were rejected, and faces that go and were kept: 2.0 % and 10.0 %.")
    assert tables == ("metrics/curate.json",)


def test_a_policy_that_accepts_pictures_without_a_license_says_so(project: ProjectPaths) -> None:
    accepts = {"accept_claim": True, "accept_unstated": True}
    document = documents(project, params(licenses=accepts))["ai_act_article_10"]
    assert any("without any stated license" in text for text, _ in sentences(document).values())


def test_the_notice_says_which_data_are_of_a_special_category_and_how_to_withdraw(project: ProjectPaths) -> None:
    consented(project)
    said = [text for text, _ in sentences(documents(project)["gdpr_article_14"]).values()]
    assert any(text.startswith("The label race reveals racial or ethnic origin") for text in said)
    assert any(text.startswith("You may withdraw your consent at any time") for text in said)
    assert any(text.startswith("Held of each consent") for text in said)


def test_a_joint_session_is_no_reviewer(project: ProjectPaths) -> None:
    for reviewer in ("first", "second", JOINT_REVIEWER):
        decided(project, reviewer)
    said = [
        text for (key, _), (text, _) in sentences(documents(project)["crowdwork_sheet"]).items() if key == "reviewers"
    ]
    assert said[0].startswith("2 reviewers gave 6 decisions")
    assert said[1].startswith("One reviewer gave 2 to 2 decisions")


def test_the_headings_of_the_summary_are_those_of_the_template(project: ProjectPaths) -> None:
    sections = registry.TEMPLATES["training_content_summary"].sections
    assert [section.title for section in sections] == [
        "1. General information",
        "2. List of data sources",
        "3. Data processing aspects",
    ]
    numbers = [item.title.split()[0] for section in sections for item in section.items if item.title[0].isdigit()]
    assert list(dict.fromkeys(numbers)) == [
        "1.1", "1.2", "1.3", "2.1", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6", "3.1", "3.2", "3.3",
    ]  # fmt: skip


def test_a_key_that_no_document_asks_for_is_refused(project: ProjectPaths) -> None:
    with_card(project, duties={"storage_time": "ten years"})
    with pytest.raises(
        BadInput, match=r"card\.yaml: duties: 'storage_time' is not permitted; permitted: .*storage_period"
    ):
        documents(project)


def test_an_unknown_document_is_refused_with_the_names_of_all(project: ProjectPaths) -> None:
    with pytest.raises(BadInput, match="'article_99' is not permitted; permitted: ai_act_article_10"):
        writing.documents(project, params(), ["article_99"])


def test_params_yaml_permits_the_documents_of_the_registry() -> None:
    assert set(get_args(Duty)) == set(registry.TEMPLATES)


def test_tables_that_no_stage_has_made_are_named(project: ProjectPaths) -> None:
    project.table("split", "splits").unlink()
    project.metrics("curate").unlink()
    text = writing.markdown(documents(project)["ai_act_article_10"])
    assert "- `build/split/splits.parquet` does not exist yet; `dvc repro` makes it." in text
    assert "- `metrics/curate.json` does not exist yet" in text


def test_reviewers_are_counted_and_named_only_if_the_card_says_so(project: ProjectPaths) -> None:
    decided(project, "jo.the.reviewer", 3)
    sheet = writing.markdown(documents(project)["crowdwork_sheet"])
    assert "1 reviewer gave 3 decisions" in sheet
    assert "jo.the.reviewer" not in sheet
    with_card(project, duties={"name_reviewers": "yes", "pay": "20 euros an hour"})
    named = writing.markdown(documents(project)["crowdwork_sheet"])
    assert "jo.the.reviewer (3)" in named
    assert "20 euros an hour" in named


def test_the_provenance_fields_have_the_names_and_types_of_the_standard(project: ProjectPaths) -> None:
    with_card(
        project,
        description="Faces",
        creators=["A board", "A lab"],
        url="https://example.org/data",
        published=dt.date(2026, 5, 1),
        duties={
            "dps_origin_geography": "DE; FR",
            "dps_processing_geography": "EU",
            "dps_storage_geography": "EU",
        },
    )
    consented(project)
    [document] = writing.write(project, params(), ["data_provenance"], project.root / "out")
    fields = json.loads((project.root / "out" / "data_provenance.json").read_text())
    assert sum(1 for _ in document.items) == 22
    assert fields["unanswered"] == []
    source, provenance, use = fields["source"], fields["provenance"], fields["use"]
    assert set(source) == {"version", "title", "id", "location", "issuer", "description"}
    assert source["issuer"] == [{"name": "A board"}, {"name": "A lab"}]
    assert provenance["origin-geography"] == [{"country": "DE"}, {"country": "FR"}]
    assert provenance["date"] == "2026-05-01"
    assert provenance["generation-period"] == {"start": "2024-05-01", "end": "2024-05-01"}
    assert {"code", "system"} == set(provenance["generation-method"][0])
    assert {"classification", "consents", "license", "intended-purpose", "copyright"} <= set(use)
    assert all({"code", "description"} == set(each) for each in use["intended-purpose"])
    assert fields["tables"]["dps_consents"] == ["data/consent.csv"]


class Scripts(HTMLParser):
    """Elements and attributes of a page that could run something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "iframe", "object", "svg"):
            self.found.append(tag)
        self.found += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]


def test_hostile_text_from_tables_and_people_becomes_neither_markup_nor_link(project: ProjectPaths) -> None:
    evil = "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) `b`\n# c \u202e"
    with_card(project, description=evil, duties={"storage_period": evil, "pay": evil})
    rewritten(
        project,
        "build/crawl/images.parquet",
        lambda rows: rows.with_columns(
            source=pl.lit("<b>bing"), url=pl.lit("https://evil.example<script>alert(2)</script>/x.jpg")
        ),
    )
    for document in documents(project).values():
        page = Scripts()
        page.feed(writing.page(document))
        assert page.found == []
        text = writing.markdown(document)
        assert "<script" not in text.replace("\\<", "")
        assert re.search(r"(?<!\\)\]\(", text) is None
        assert "\u202e" not in text


def test_the_command_writes_each_document_twice_and_says_what_is_open(project: ProjectPaths) -> None:
    done = mtf(project.root, "duties", "gdpr_article_14", "crowdwork_sheet")
    assert done.returncode == 0, done.stderr
    files = sorted(path.name for path in (project.root / "build" / "duties").iterdir())
    assert files == [
        "crowdwork_sheet.html", "crowdwork_sheet.md", "gdpr_article_14.html", "gdpr_article_14.md",
    ]  # fmt: skip
    assert "gdpr_article_14: 4 of 13 items answered; nobody has answered controller, legal_basis" in done.stdout
    assert mtf(project.root, "duties", "gdpr_article_14", "--strict").returncode == 1
    assert json.loads(mtf(project.root, "duties", "--json").stdout)["unanswered"]["gdpr_article_14"][0] == "controller"


def test_a_release_contains_the_documents_that_its_parameters_ask_for(project: ProjectPaths) -> None:
    import made_project

    made_project.release(project, params(release={"duties": ["ai_act_article_10", "data_provenance"]}))
    folder = project.stage("release") / "duties"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(first) == [
        "ai_act_article_10.html", "ai_act_article_10.md",
        "data_provenance.html", "data_provenance.json", "data_provenance.md",
    ]  # fmt: skip
    assert "duties/ai_act_article_10.md" in (project.stage("release") / "SHA256SUMS").read_text()

    made_project.release(project, params(release={"duties": ["ai_act_article_10"]}))
    assert {path.name for path in folder.iterdir()} == {"ai_act_article_10.html", "ai_act_article_10.md"}
    made_project.release(project, params())
    assert not folder.exists()


def test_the_same_tables_give_the_same_bytes(project: ProjectPaths, tmp_path: Path) -> None:
    for name in ("one", "two"):
        writing.write(project, params(), NAMES, tmp_path / name)
    assert [path.read_bytes() for path in sorted((tmp_path / "one").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "two").iterdir())
    ]
