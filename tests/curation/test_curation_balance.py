"""Balanced subset: what it leaves out, and that the split divides it alone."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from mtf import config, schemas
from mtf.cli import app as cli_app
from mtf.config import Balance, Params
from mtf.core.errors import BadInput
from mtf.curation import balanced_subset
from mtf.pipeline import split
from training_project import write_project


def faces(people: dict[str, tuple[str, int]]) -> pl.DataFrame:
    """Faces of people: identity → (label, number of faces)."""
    rows = [(name, f"{name}{n:02}", label) for name, (label, count) in people.items() for n in range(count)]
    return pl.DataFrame(rows, schema=["identity", "face_id", "race"], orient="row")


def counts(table: pl.DataFrame, by: str) -> dict[str, int]:
    return dict(table[by].value_counts().iter_rows())


PEOPLE = {"ada": ("Amber", 10), "ben": ("Blue", 30), "cleo": ("Blue", 12), "dan": ("Blue", 6)}


def test_the_largest_cell_shrinks_to_the_ratio_and_those_with_most_faces_give_first() -> None:
    kept = balanced_subset.balanced(faces(PEOPLE), Balance(over=["race"], ratio=0.5), min_images=5, seed=1)
    assert counts(kept, "race") == {"Amber": 10, "Blue": 20}
    assert counts(kept, "identity") == {"ada": 10, "ben": 7, "cleo": 7, "dan": 6}
    assert balanced_subset.left_out(faces(PEOPLE), kept, ["race"]) == {"Blue": 28}


def test_nobody_is_left_with_too_few_faces() -> None:
    # Ten faces of three people would be three each; without the person of fewest faces, the others have five.
    kept = balanced_subset.balanced(faces(PEOPLE), Balance(over=["race"], ratio=1), min_images=5, seed=1)
    assert counts(kept, "identity") == {"ada": 10, "ben": 5, "cleo": 5}


def test_the_seed_draws_the_faces() -> None:
    drawn = [
        set(balanced_subset.balanced(faces(PEOPLE), Balance(over=["race"]), min_images=5, seed=seed)["face_id"])
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_column_that_is_no_label_is_refused() -> None:
    with pytest.raises(BadInput, match=r"split\.balance\.over: 'hair' is no label column"):
        balanced_subset.balanced(faces(PEOPLE), Balance(over=["hair"]), min_images=5, seed=1)


def test_the_command_writes_the_parameter_and_the_split_divides_the_subset_alone(
    tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, params = write_project(tmp_path, sample_params)
    raw = params.model_dump(mode="json")
    del raw["split"]["balance"]
    workspace.params.write_text("# a comment\n" + yaml.safe_dump(raw, sort_keys=False))
    everybody = schemas.read(schemas.splits(params), workspace.table("split", "splits")).drop("split")
    curated = everybody.with_columns(confidence=pl.lit(1.0))
    schemas.write(schemas.curated(params), curated, workspace.table("curate", "curated"))
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(
        cli_app, ["balance", "--write", "--over", "race", "--ratio", "1"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    # 26 faces each of Amber and Blue, 13 of the others.
    assert "params.yaml: split.balance: 52 of 78 curated faces stay (race; ratio 1.0)" in result.stdout
    assert workspace.params.read_text().startswith("# a comment\n")
    written = config.load(workspace.params)
    assert written.split.balance == Balance(over=["race"], ratio=1)

    split.run(workspace, written)
    assert "52 of 78 curated faces, balanced over race" in capsys.readouterr().out
    table = schemas.read(schemas.splits(written), workspace.table("split", "splits"))
    assert counts(table, "race") == dict.fromkeys(("Amber", "Blue", "Green", "Violet"), 13)
    assert set(table["split"]) == {"train", "val", "test"}
    figures = json.loads(workspace.metrics("split").read_text())
    assert figures["left_out_for_balance"] == {"Amber": 13, "Blue": 13}
