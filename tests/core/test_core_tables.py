"""The contracts: what they catch, and how they say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mtf import schemas
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.schemas import ContractViolated

IMAGE = "ab" * 32


def face(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "identity": "a",
        "face_id": f"{number:032x}",
        "image_id": IMAGE,
        "x": 10,
        "y": 10,
        "width": 20,
        "height": 20,
        "crop_x": 5,
        "crop_y": 5,
        "crop_width": 30,
        "crop_height": 30,
        "image_width": 100,
        "image_height": 80,
        "offset": 1024,
        "size_bytes": 9,
    }
    return row | changes


def member(number: int, **changes: Any) -> dict[str, Any]:
    row = {key: value for key, value in face(number).items() if not key.startswith(("crop_", "image_w", "image_h"))}
    labels = {"race": "Blue", "gender": "Males", "age": "Old"}
    rest = {"license": None, "duplicate_group": None, "decided_by": "panel 3/3", "image_id": f"{number:064x}"}
    return row | labels | rest | changes


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "crop" / "faces.parquet"
    written = schemas.write(schemas.FACES, [face(1), face(2)], path)
    assert schemas.read(schemas.FACES, path).equals(written)


def test_a_table_that_is_never_whole_in_memory_has_the_same_bytes(tmp_path: Path) -> None:
    written, streamed = tmp_path / "crop" / "faces.parquet", tmp_path / "streamed" / "faces.parquet"
    rows = schemas.write(schemas.FACES, [face(1), face(2)], written)
    schemas.sink(schemas.FACES, rows.lazy().select(sorted(rows.columns)), streamed)
    assert streamed.read_bytes() == written.read_bytes()
    assert schemas.scan(schemas.FACES, streamed).collect().equals(rows)


def test_a_streamed_table_that_breaks_its_contract_does_not_replace_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "crop" / "faces.parquet"
    old = schemas.write(schemas.FACES, [face(1)], path)
    broken = schemas.frame(schemas.FACES, [face(1), face(1), face(2, x=90)])
    with pytest.raises(ContractViolated, match="the box lies inside its image"):
        schemas.sink(schemas.FACES, broken.lazy(), path)
    assert pl.read_parquet(path).equals(old)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert schemas.failures_path(path).is_file()
    broken.write_parquet(path)
    with pytest.raises(ContractViolated, match="multiple_fields_uniqueness"):
        schemas.scan(schemas.FACES, path)


def test_an_empty_table_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "crop" / "faces.parquet"
    schemas.write(schemas.FACES, [], path)
    assert schemas.read(schemas.FACES, path).schema["x"] == pl.Int32


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([face(1), face(1)], "multiple_fields_uniqueness"),
        ([face(1, x=90)], "the box lies inside its image"),
        ([face(1, crop_y=60)], "the crop lies inside its image"),
        ([face(1, x=-1)], "greater_than_or_equal_to(0)"),
        ([face(1, identity="../a")], "str_matches"),
        ([face(1, image_id="ABC")], "str_matches"),
        ([face(1, width=None)], "not_nullable"),
    ],
)
def test_a_broken_face_is_named_by_its_rule(rows: list[dict[str, Any]], rule: str) -> None:
    with pytest.raises(ContractViolated) as caught:
        schemas.check(schemas.FACES, schemas.frame(schemas.FACES, rows), where="faces")
    assert any(rule in check for check in caught.value.failures["check"])


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([member(number) for number in range(4)], "at least 5 images per identity"),
        ([member(number, image_id=IMAGE) for number in range(5)], "at least 5 images per identity"),
        ([member(number, gender=("Males", "Females")[number % 2]) for number in range(6)], "one gender per identity"),
        ([member(number, race="Teal") for number in range(5)], "isin"),
    ],
)
def test_a_broken_data_set_is_named_by_its_rule(sample_params: Params, rows: list[dict[str, Any]], rule: str) -> None:
    table = schemas.curated(sample_params)
    with pytest.raises(ContractViolated) as caught:
        schemas.check(table, schemas.frame(table, rows), where="curated")
    assert any(rule in check for check in caught.value.failures["check"])


def test_no_duplicate_group_lies_in_two_splits(sample_params: Params) -> None:
    table = schemas.splits(sample_params)
    group = f"{1:032x}"
    rows = [
        member(1, split="train", duplicate_group=group, image_id="01" * 32),
        member(2, split="test", duplicate_group=group, image_id="02" * 32),
    ]
    with pytest.raises(ContractViolated, match="one split per duplicate_group"):
        schemas.check(table, schemas.frame(table, rows), where="splits")


def test_the_first_failures_are_shown_and_all_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "crop" / "faces.parquet"
    rows = [face(number, x=95) for number in range(500)]
    with pytest.raises(ContractViolated) as caught:
        schemas.write(schemas.FACES, rows, path)
    message = str(caught.value)
    assert message.count("\n") == schemas.MAX_LISTED_FAILURES + 1
    kept = Path(message.rpartition("all of them: ")[2])
    assert len([json.loads(line) for line in kept.read_text().splitlines()]) == 500
    assert not path.exists()


def test_a_foreign_key_without_its_row_is_named() -> None:
    child = pl.DataFrame({"identity": ["a", "b"], "image_id": ["1", "2"]})
    parent = pl.DataFrame({"identity": ["a"], "image_id": ["1"]})
    with pytest.raises(ContractViolated, match="b 2"):
        schemas.check_refers(child, parent, on=["identity", "image_id"], where="faces.parquet")


def test_a_missing_table_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="dvc repro"):
        schemas.read(schemas.FACES, tmp_path / "none.parquet")


@pytest.mark.parametrize("read", [schemas.read, schemas.scan])
@pytest.mark.parametrize("keep", [0, 40, -1])
def test_a_table_that_is_cut_short_is_said_to_be_unreadable_in_one_line(tmp_path: Path, keep: int, read: Any) -> None:
    path = tmp_path / "images.parquet"
    schemas.write(schemas.IMAGES, [], path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match="no readable table") as raised:
        read(schemas.IMAGES, path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_quick_look_finds_what_the_rules_of_each_table_say(sample_params: Params) -> None:
    tables = [getattr(schemas, name) for name in schemas.__all__]
    tables = [each for each in tables if isinstance(each, schemas.Table)]
    tables += [each(sample_params) for each in (schemas.roster, schemas.splits, schemas.curated, schemas.non_curated)]
    assert len(tables) > 15
    for table in tables:
        empty = schemas.frame(table, [])
        rules = [check for column in table.schema.columns.values() for check in column.checks]
        assert table.conditions is not None, table.name
        assert len(table.conditions) == len(rules) + len(table.schema.checks or ())
        assert all(empty.select(table.conditions).row(0)) if table.conditions else not rules
