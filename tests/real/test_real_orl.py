"""ORL: 40 people, ten pictures each, from a tar to a network that knows them apart."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from projects import own_project, run_in

pytestmark = [pytest.mark.real, pytest.mark.train, pytest.mark.lengthy(40)]


@pytest.fixture(scope="module")
def orl(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    people = [f"s{number:02d}" for number in range(1, 41)]
    roster = "identity,name,files\n" + "".join(f"{name},Person {name},{name}/*.pgm\n" for name in people)
    source = {"kind": "folder", "path": str(real_data / "orl" / "faces.tar"), "license": "LicenseRef-ORL"}
    project = own_project(
        tmp_path_factory.mktemp("orl"),
        roster,
        {
            "project": {"name": "orl", "title": "ORL"},
            "tasks": {"recognition": {"column": "identity"}},
            "crawl": {"web": None, "sources": [source], "min_side_px": 64},
            "licenses": {"permitted": ["LicenseRef-ORL"]},
            "curate": {"mode": "non_curated"},
            "train": {"tasks": ["recognition"]},
            "release": {"size_px": 128},
        },
    )
    for stage in ("crawl", "crop", "screen", "curate", "split"):
        print(run_in(project, "mtf", stage))
    return project


def test_all_people_keep_enough_faces(orl: Path) -> None:
    faces = pl.read_parquet(orl / "build/curate/curated.parquet")
    counts = faces.group_by("identity").len()["len"]
    assert len(counts) == 40
    assert min(counts) >= 5


def test_each_identity_has_three_one_and_one(orl: Path) -> None:
    faces = pl.read_parquet(orl / "build/split/splits.parquet")
    counts = faces.pivot("split", index="identity", values="face_id", aggregate_function="len").fill_null(0)
    assert counts["train"].min() >= 3
    assert counts["val"].min() >= 1
    assert counts["test"].min() >= 1


def test_a_network_knows_people_far_better_than_chance(orl: Path) -> None:
    run_in(orl, "mtf", "train", "--model", "small_cnn", "--task", "recognition")
    run_in(orl, "mtf", "evaluate")
    rows = json.loads((orl / "metrics" / "evaluate.json").read_text())["recognition"]
    labels = pl.read_parquet(orl / "build/split/splits.parquet")["identity"].n_unique()
    assert rows["small_cnn"]["accuracy"] > 10 / labels
    # 97 % on two cores; another machine's arithmetic differs in the last digits, and training magnifies them.
    assert rows["small_cnn"]["accuracy"] > 0.9
