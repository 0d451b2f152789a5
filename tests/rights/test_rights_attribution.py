"""`data/attribution.csv`: what people found of authors, and what it fills."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mtf import config
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.curation import funnel_inputs
from mtf.rights import attribution, policy
from mtf.rights.audit import checks
from mtf.schemas import takedown_file

HEADER = ",".join(attribution.COLUMNS)
PAGE = "https://photos.example.org/view/1"
TODAY = date(2026, 3, 2)


def table(folder: Path, *rows: str) -> Path:
    path = folder / "attribution.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def row(**changes: str) -> str:
    usual = {
        "added_at": "2026-03-01",
        "kind": "page",
        "value": PAGE,
        "creator": "Found Author",
        "creator_url": "https://author.example.org/",
        "title": "",
        "page_url": "",
        "found_by": "reviewer-1",
        "source": "asked by mail",
    }
    return ",".join((usual | changes)[column] for column in attribution.COLUMNS)


def filled(folder: Path, evidence: pl.DataFrame, *rows: str) -> pl.DataFrame:
    return attribution.supplemented(evidence.lazy(), attribution.load(table(folder, *rows))).collect()


def test_what_was_found_fills_what_the_source_leaves_out(tmp_path: Path, evidence_of: Callable[..., Any]) -> None:
    evidence = evidence_of(
        {"creator": None, "title": None}, {}, {"creator": None, "page_url": "https://other.example/"}
    )
    after = filled(tmp_path, evidence, row(value="http://PHOTOS.example.org/view/1#top", title="Found title"))
    assert after["creator"].to_list() == ["Found Author", "N. N.", None]
    assert after["creator_url"].to_list() == ["https://author.example.org/", None, None]
    assert after["title"].to_list() == ["Found title", "A portrait", "A portrait"]
    assert after.drop(attribution.FILLED).equals(evidence.drop(attribution.FILLED))
    assert after.columns == evidence.columns


def test_a_row_that_names_the_file_goes_before_one_that_names_its_page(
    tmp_path: Path, evidence_of: Callable[..., Any]
) -> None:
    evidence = evidence_of({"creator": None, "title": None}, {"creator": None, "page_url": None})
    files = [row(kind="image_id", value=evidence["image_id"][0], creator="Of the file")]
    pictures = [row(kind="picture", value=evidence["url"][1], creator="Of the address", page_url=PAGE)]
    after = filled(tmp_path, evidence, row(title="Of the page"), *files, *pictures)
    assert after["creator"].to_list() == ["Of the file", "Of the address"]
    assert after["title"].to_list() == ["Of the page", "A portrait"]
    assert after["page_url"].to_list() == [PAGE, PAGE]


def test_without_the_table_nothing_is_filled(tmp_path: Path, evidence_of: Callable[..., Any]) -> None:
    assert attribution.load(tmp_path / "attribution.csv") == ()
    evidence = evidence_of({"creator": None})
    assert filled(tmp_path, evidence).equals(evidence)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(kind="person")], "attribution.csv row 2 column kind: 'person' is not permitted"),
        ([row(kind="image_id")], "row 2 column value: .* for kind image_id: 64 hexadecimal digits"),
        ([row(value="photos.example.org")], "row 2 column value: .* for kind page"),
        ([row(added_at="yesterday")], "row 2 column added_at"),
        ([row(found_by=" ")], "row 2 column found_by: '' is not permitted"),
        ([row(source="")], "row 2 column source"),
        ([row(creator_url="javascript:alert(1)")], "row 2 column creator_url"),
        ([row(creator="a\x07b")], "row 2 column creator: "),
        ([row(creator="")], "row 2: no value is given; give at least one of creator, title, page_url"),
        (["2026-03-01,page"], "row 2: 2 values where the header has 9 columns"),
        ([row(), row(value=f"{PAGE}#again")], "row 3: row 2 names the same page; remove one of the two"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        attribution.load(table(tmp_path, *rows))


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "attribution.csv"
    path.write_text("image_id,creator\n")
    with pytest.raises(
        BadInput, match=r"attribution.csv row 1: the columns are image_id, creator; permitted: added_at"
    ):
        attribution.load(path)


def dropping(sample_params: Params) -> config.Licenses:
    return sample_params.licenses.model_copy(update={"without_attribution": "drop"})


def test_what_cannot_be_credited_is_left_out_where_the_policy_says_so(
    evidence_of: Callable[..., Any], sample_params: Params
) -> None:
    whole = {"method": "data_set_terms", "page_url": None}
    rows = [{}, {"creator": None}, {"page_url": None}, {"title": None}, whole, {"creator": None, "license": "CC0-1.0"}]
    evidence = evidence_of(*rows)
    assert policy.judge(evidence, sample_params.licenses, today=TODAY).to_list() == [None] * 6
    reasons = policy.judge(evidence, dropping(sample_params), today=TODAY).to_list()
    assert reasons == [None, "no_attribution", "no_attribution", None, None, None]


def test_the_funnel_heeds_a_page_that_somebody_found(evidence_of: Callable[..., Any], sample_params: Params) -> None:
    evidence = evidence_of({}, {"page_url": None})
    images = evidence.select("identity", "image_id", "url", "claim", page_url=pl.lit(None, pl.String))
    faces = evidence.select("identity", "image_id")
    legal = {"images": images, "evidence": evidence, "takedowns": takedown_file.Takedowns(), "today": TODAY}
    judged = funnel_inputs.with_legal(faces, **legal, licenses=dropping(sample_params))
    assert judged["license_reason"].to_list() == [None, "no_attribution"]


def test_a_picture_left_out_for_want_of_a_credit_is_a_finding_in_the_audits_words(
    evidence_of: Callable[..., Any], sample_params: Params
) -> None:
    found = checks.policy_kept(evidence_of({"creator": None}).lazy(), dropping(sample_params), today=TODAY).collect()
    assert found.select("code", "level", "reason").rows() == [
        ("missing_attribution", "error", "CC-BY-4.0 asks for attribution; not known: the author")
    ]
