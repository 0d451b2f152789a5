"""The data set card and the datasheet: from tables and `data/card.yaml`, with what is missing said to be missing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import made_project
import polars as pl
import pytest
import yaml
from made_project import made_params

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.release import card


def test_the_card_has_a_header_that_hubs_can_read(data_set: ProjectPaths):
    _, header, body = (data_set.stage("release") / "README.md").read_text().split("---\n", 2)
    fields = yaml.safe_load(header)
    assert fields["license"] == "cc-by-sa-4.0"
    assert fields["size_categories"] == ["n<1K"]
    assert fields["pretty_name"] == "Made-up people"
    assert body.startswith("# Made-up people 0.1.0\n")


def test_the_datasheet_asks_every_question_of_the_paper_once(data_set: ProjectPaths):
    text = (data_set.stage("release") / "DATASHEET.md").read_text()
    for question in card.questions():
        assert text.count(f"**{question.question}**") == 1
    assert len({question.id for question in card.questions()}) == len(card.questions())
    # Those of Gebru et al., and two of our own on the reviewers.
    assert Counter(question.section for question in card.questions()) == {
        "Motivation": 4,
        "Composition": 16,
        "Collection": 12,
        "Preprocessing and labelling": 4 + 2,
        "Uses": 6,
        "Distribution": 7,
        "Maintenance": 8,
    }


def test_what_may_be_left_unsaid_is_not_missing(data_set: ProjectPaths):
    text = (data_set.stage("release") / "DATASHEET.md").read_text()
    assert "**Anything else on its uses?**\n\n*None.*\n" in text
    assert "Anything else" not in text.split("## Motivation")[0]
    assert "Anything else" not in (data_set.stage("release") / "README.md").read_text()


def test_the_day_of_publication_and_the_creators_are_the_cards(project: ProjectPaths):
    project.card.write_text("published: 2024-06-01\ncreators: [The makers]\n")
    made_project.release(project, made_params())
    text = (project.stage("release") / "DATASHEET.md").read_text()
    assert "**When will it be distributed?**\n\n2024-06-01\n" in text
    assert "**Who created it, and on whose behalf?**\n\nThe makers\n" in text
    assert '"datePublished": "2024-06-01"' in (project.stage("release") / "croissant.json").read_text()


def test_the_card_lists_the_keys_of_card_yaml_that_say_nothing(data_set: ProjectPaths):
    text = (data_set.stage("release") / "README.md").read_text()
    assert "- of the card: description, creators, publisher, url, citation, published, language\n" in text


@pytest.mark.parametrize("variants", [["multi_task"], ["single_task"], ["non_curated"], ["multi_task", "non_curated"]])
def test_the_card_names_the_files_that_are_there_and_no_others(project: ProjectPaths, variants: list[str]):
    made_project.release(project, made_params(release={"variants": variants}))
    root = project.stage("release")
    named = set(re.findall(r"`([\w.]+\.(?:parquet|csv|md|html|json|txt|cff|toml))`", (root / "README.md").read_text()))
    assert {name for name in named if not (root / name).is_file()} == set()
    there = {path.name for path in root.iterdir() if path.is_file()}
    assert there - named <= {"README.md", "SHA256SUMS", "audit.json"}


def test_what_the_tables_know_is_answered_from_them(data_set: ProjectPaths):
    text = (data_set.stage("release") / "DATASHEET.md").read_text()
    assert "15 faces of 3 people; besides, 18 automatic crops that no person has looked at." in text
    assert "train 9, val 3, test 3." in text
    assert "identity: faces 18, raw 0.96, kappa 0.91, alpha 0.91" in text
    assert "2024-05-01 to 2024-05-01" in text


def test_the_datasheet_names_the_weights_that_touched_the_pictures(data_set: ProjectPaths):
    text = (data_set.stage("release") / "DATASHEET.md").read_text()
    assert "centerface (detector; license MIT; SHA-256 09189deaaf86" in text
    assert "haar-eye (measure of a face;" in text


def test_a_license_that_only_the_non_curated_set_bears_is_among_those_of_the_release(project: ProjectPaths):
    strangers = [made_project.digest(person.identity, person.faces) for person in made_project.PEOPLE]
    path = project.table("curate", "non_curated")
    is_stranger = pl.col("image_id").is_in(strangers)
    bare = pl.when(is_stranger).then(pl.lit("CC0-1.0")).otherwise("license").alias("license")
    pl.read_parquet(path).with_columns(bare).write_parquet(path)
    evidence = project.table("crawl", "evidence")
    pl.read_parquet(evidence).with_columns(bare).write_parquet(evidence)
    made_project.release(project, made_params())
    root = project.stage("release")
    assert (
        "  CC-BY-4.0: 15\n    https://creativecommons.org/licenses/by/4.0/\n"
        "  CC0-1.0: 3\n    https://creativecommons.org/publicdomain/zero/1.0/\n"
    ) in (root / "LICENSE.txt").read_text()
    assert {path.name for path in (root / "LICENSES").iterdir()} == {
        "Apache-2.0.txt",
        "CC-BY-4.0.txt",
        "CC-BY-SA-4.0.txt",
        "CC0-1.0.txt",
    }
    assert "https://creativecommons.org/publicdomain/zero/1.0/" in (root / "croissant.json").read_text()


def test_what_nobody_answered_is_listed_as_missing_before_all_else(data_set: ProjectPaths):
    text = (data_set.stage("release") / "DATASHEET.md").read_text()
    listed = text.split("## Motivation")[0]
    assert "does not give: description, creators, publisher" in listed
    assert "Who funded it? (`funding`)" in listed
    assert "(`license`)" not in listed


def test_the_makers_answers_are_used_and_no_longer_missing(project: ProjectPaths):
    said = {"description": "People who do not exist.", "creators": ["The makers"], "answers": {"funding": "Nobody."}}
    project.card.write_text(yaml.safe_dump(said))
    made_project.release(project, made_params())
    root = project.stage("release")
    text = (root / "DATASHEET.md").read_text()
    assert "**Who funded it?**\n\nNobody.\n" in text
    assert "(`funding`)" not in text and "creators," not in text.split("## Motivation")[0]
    assert "People who do not exist." in (root / "README.md").read_text()
    assert '"name": "The makers"' in (root / "croissant.json").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("funder: me", r"card.yaml: funder: unknown key; permitted: description, creators"),
        ("answers: {fundin: me}", r"card.yaml: answers: 'fundin' is not permitted; permitted: purpose, creators"),
        ("url: ftp://x", r"card.yaml: url: 'ftp://x' is not permitted: string should match"),
        ("published: soon", r"card.yaml: published: 'soon' is not permitted"),
        ("- a\n- b", r"card.yaml: \(top level\): \['a', 'b'\] is not permitted"),
        ("a: [", r"card.yaml line 2: not readable as YAML"),
    ],
)
def test_a_malformed_card_is_named_by_key_and_value(tmp_path: Path, text: str, message: str):
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(BadInput, match=message):
        card.load(tmp_path / "card.yaml")
