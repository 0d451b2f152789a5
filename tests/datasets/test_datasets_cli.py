"""`mtf dataset`: what a person types, and what stands in the project afterwards."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mtf import params, tables
from mtf.cli import dataset
from mtf.errors import BadInput
from mtf.workspace import Workspace


@pytest.fixture
def utkface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 60 noise pictures named as UTKFace names them, beside this repository's parameters."""
    folder = tmp_path / "faces"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(60):
        name = f"{20 + number}_{number % 2}_{number % 5}_2017{number:08}.jpg"
        cv2.imwrite(str(folder / name), random.integers(0, 256, (50, 50, 3), dtype=np.uint8))
    own = Path(__file__).parent.parent.parent / "params.yaml"
    (tmp_path / "params.yaml").write_text(own.read_text())
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(dataset.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_tables_make_a_project_that_training_can_read(utkface: Path) -> None:
    said = run("tables", "utkface", str(utkface), "--to", "project")
    assert "utkface: 60 pictures, LicenseRef-UTKFace-Non-Commercial-Research" in said
    workspace = Workspace(Path("project").resolve())
    typed = params.load(workspace.params)
    assert typed.train.tasks == ["race", "gender", "age"]
    splits = tables.read(tables.splits(typed), workspace.table("split", "splits"))
    # 72/8/20 of 60, as scikit-learn rounds it: 12 test, then 5 of the 48 others.
    assert dict(splits["split"].value_counts().iter_rows()) == {"train": 43, "val": 5, "test": 12}


def test_a_roster_names_every_file_and_its_labels(utkface: Path) -> None:
    said = run("roster", "utkface", str(utkface))
    assert "data/roster.csv: 60 identities" in said
    assert "license: LicenseRef-UTKFace-Non-Commercial-Research" in said
    written = pl.read_csv("data/roster.csv")
    assert set(written["files"]) == {file.name for file in utkface.iterdir()}


def test_a_folder_that_is_not_empty_is_not_written_into(utkface: Path) -> None:
    with pytest.raises(BadInput, match="faces: not empty; name a new folder"):
        run("tables", "utkface", str(utkface), "--to", "faces")


def test_fairface_without_its_label_file_says_what_is_missing(utkface: Path) -> None:
    with pytest.raises(BadInput, match="name its label file with --labels"):
        run("roster", "fairface", str(utkface))
