"""Credits of the pictures, in files that neither a spreadsheet nor a browser runs."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import polars as pl

from mtf.core.project_paths import ProjectPaths
from mtf.release import metadata


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_published_face_has_its_original_with_title_author_source_license_and_changes(data_set: ProjectPaths):
    root = data_set.stage("release")
    rows = rows_of(root / "URL_of_original_images.csv")
    assert len(rows) == 18
    assert all((root / row["file"]).is_file() for row in rows)
    ada = next(row for row in rows if row["identity"] == "ada")
    assert ada["title"] == "Ada, the First"
    assert re.fullmatch(r"https://pictures\.example/ada/\d\.jpg", ada["url"])
    assert ada["page_url"] == ada["url"].removesuffix(".jpg")
    assert (ada["license"], ada["license_url"]) == ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/")
    changes = {row["changes"] for row in rows if row["identity"] == "ada"}
    assert changes == {
        f"cropped to the face, {how} to 64 × 64 pixels, metadata removed" for how in ("resized", "enlarged")
    }


def test_text_from_the_web_is_no_formula_in_any_csv(data_set: ProjectPaths):
    for path in data_set.stage("release").glob("*.csv"):
        values = [value for row in rows_of(path) for value in row.values()]
        assert any(value.startswith("'=") for value in values), path.name
        assert not any(re.match(r"\s*[=+@-]", value) for value in values)


def test_the_parquet_table_has_the_text_as_it_is(data_set: ProjectPaths):
    names = pl.read_parquet(data_set.stage("release") / "metadata.parquet")["name"].unique().to_list()
    assert sorted(names)[0] == '=HYPERLINK("http://evil.example")'


def test_the_metadata_says_labels_split_license_and_source_of_every_face(data_set: ProjectPaths):
    root = data_set.stage("release")
    table = pl.read_parquet(root / "metadata.parquet")
    splits = pl.read_parquet(data_set.table("split", "splits"))
    shared = ["identity", "face_id", "split", "race", "gender", "age", "license", "image_id"]
    assert table.select(shared).sort("face_id").equals(splits.select(shared).sort("face_id"))
    assert all((root / file).is_file() and file.startswith("multi_task/") for file in table["file_name"])
    assert pl.read_parquet(root / "metadata_non_curated.parquet").height == 18


def test_each_row_of_the_metadata_names_title_author_and_license_of_its_picture(data_set: ProjectPaths):
    root = data_set.stage("release")
    evidence = pl.read_parquet(data_set.table("crawl", "evidence"))
    for name in ("metadata", "metadata_non_curated"):
        table = pl.read_parquet(root / f"{name}.parquet")
        said = ["title", "creator", "creator_url", "license_url", "page_url"]
        assert table.select("image_id", *said).sort("image_id").rows() == (
            evidence.filter(pl.col("image_id").is_in(table["image_id"].to_list()))
            .select("image_id", *said)
            .sort("image_id")
            .rows()
        )


def test_the_credits_page_shows_hostile_text_as_text(data_set: ProjectPaths):
    page = (data_set.stage("release") / "CREDITS.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "javascript:" not in page
    assert page.count("<li>") == 18


CREDIT = {
    "file": "f", "face_id": "0", "identity": "ada", "title": "A [trap](http://evil.example) *x*",
    "creator": "Eve\n# Head", "creator_url": "https://eve.example/a>b", "page_url": "https://page.example/1", "url": "https://page.example/1.jpg",
    "license": "CC-BY-4.0", "license_url": "https://creativecommons.org/licenses/by/4.0/", "changes": "cropped",
}  # fmt: skip


def test_markdown_in_a_title_stays_text():
    text = metadata.credits_markdown(pl.DataFrame([CREDIT]), title="People")
    assert r"A \[trap\]\(http://evil.example\) \*x\*" in text
    assert "\n# Head" not in text
    assert "eve.example" not in text
    assert "[CC\\-BY\\-4.0](<https://creativecommons.org/licenses/by/4.0/>)" in text


def test_a_picture_with_two_faces_is_credited_once():
    twice = pl.DataFrame([CREDIT, CREDIT | {"face_id": "1"}])
    assert metadata.credits_markdown(twice, title="People").count("- ") == 1


def test_a_missing_author_or_title_is_said_to_be_missing():
    text = metadata.credits_markdown(pl.DataFrame([CREDIT | {"title": None, "creator": None}]), title="People")
    assert "Untitled" in text and "unknown author" in text


def test_no_control_character_or_turn_of_direction_gets_into_the_credits():
    hostile = pl.DataFrame([CREDIT | {"title": "a\x00\x1b[2J\u202eb\u2066", "creator": "c\x7f\ufeff"}])
    for text in (
        metadata.credits_markdown(hostile, title="Peo\x1bple"),
        metadata.credits_page(hostile, title="Peo\x1bple"),
    ):
        assert not set(text) & set("\x00\x1b\x7f\u202e\u2066\ufeff")
        assert "a " in text and "Peo ple" in text
