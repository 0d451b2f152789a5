"""A release does not tell where its pictures lay: the same pictures in two folders give the same bytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from mtf import schemas
from mtf.core.project_paths import ProjectPaths
from mtf.release import documents
from mtf.sample import photograph
from mtf.sample.people import CAST
from projects import mtf, own_project, run_in

pytestmark = pytest.mark.lengthy(30)

STAGES = ("crawl", "crop", "screen", "curate", "split", "validate", "release")
PEOPLE = CAST[:3]


def write_pictures(folder: Path) -> None:
    for person in PEOPLE:
        (folder / person.identity).mkdir(parents=True)
        for number in range(6):
            rng = np.random.default_rng([number, zlib.crc32(person.identity.encode())])
            taken = photograph.portrait(person.traits(), person.identity, rng)
            cv2.imwrite(str(folder / person.identity / f"{number}.png"), taken.pixels)


def release(root: Path, pictures: Path) -> ProjectPaths:
    """A project with the pictures of a folder, crawled and released."""
    rows = [f"{each.identity},{each.identity},{each.identity}/*,{'xy'[place % 2]}" for place, each in enumerate(PEOPLE)]
    changes = {
        "project": {"name": "two-folders", "title": "Two folders"},
        "tasks": {"gender": {"column": "gender", "labels": ["x", "y"]}},
        "crawl": {
            "web": None,
            "sources": [{"kind": "folder", "path": str(pictures), "license": "CC0-1.0", "creator": "A. Painter"}],
        },
        "curate": {"mode": "non_curated", "min_images_per_identity": 1},
        "split": {"min_train": 1, "min_val": 0, "min_test": 0},
        "train": {"tasks": ["gender"]},
        "release": {"size_px": 64, "license": "CC0-1.0"},
        "gates": {"label_share": [0.0, 1.0], "pair_share": [0.0, 1.0], "intersection_share": [0.0, 1.0]},
        "compute": {"workers": 1},
    }
    gates = ["label_share", "pair_share", "intersection_share", "median_images", "agreement", "min_images"]
    changes["gates"] |= {"identity_share": 1.0, "split_share": 1.0, "warn_only": [*gates, "identity_share"]}
    project = own_project(root, "\n".join(["identity,name,files,gender", *rows]) + "\n", changes)
    for stage in STAGES:
        run_in(project, "mtf", stage)
    return ProjectPaths(project)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProjectPaths, ProjectPaths]:
    places = tmp_path_factory.mktemp("here") / "mine", tmp_path_factory.mktemp("elsewhere") / "archive" / "pictures"
    for place in places:
        write_pictures(place)
    one, other = (release(tmp_path_factory.mktemp(f"project-{place.name}"), place) for place in places)
    return one, other


def texts(root: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            parquet = pl.read_parquet(path).write_json().encode() if path.suffix == ".parquet" else b""
            yield path, path.read_bytes() + parquet


def test_the_same_pictures_from_two_folders_make_the_same_release(
    two: tuple[ProjectPaths, ProjectPaths], files_of: Callable[[Path], dict[str, bytes]]
) -> None:
    one, other = (files_of(workspace.stage("release")) for workspace in two)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
    assert any(name.endswith("URL_of_original_images.csv") for name in one)
    assert documents.CHECKSUMS in one


def test_no_table_figure_or_published_file_has_a_path_of_the_machine(two: tuple[ProjectPaths, ProjectPaths]) -> None:
    for workspace in two:
        place = str(workspace.root.parent.parent)
        folders = (workspace.build, workspace.data, workspace.metrics_folder)
        leaks = [path for folder in folders for path, text in texts(folder) if place.encode() in text]
        assert leaks == []


def test_data_says_which_folder_it_was(two: tuple[ProjectPaths, ProjectPaths]) -> None:
    rows = [workspace.local_sources.read_text().splitlines()[1].split(",") for workspace in two]
    assert [row[1] for row in rows] == ["mine", "pictures"]
    assert rows[0][2:] == rows[1][2:]
    assert rows[0][3] == str(6 * len(PEOPLE))


def test_the_tables_of_an_older_crawl_are_released_without_their_paths(
    two: tuple[ProjectPaths, ProjectPaths], files_of: Callable[[Path], dict[str, bytes]]
) -> None:
    _, other = two
    before = files_of(other.stage("release"))
    folder = "/elsewhere/archive"
    text = other.params.read_text()
    source = next(line for line in text.splitlines() if "path:" in line).partition("path:")[2].strip()
    for table, name in ((schemas.IMAGES, "images"), (schemas.EVIDENCE, "evidence"), (schemas.FETCHES, "fetches")):
        rows = schemas.read(table, other.table("crawl", name))
        older = rows.with_columns(url=pl.col("url").str.replace("^file:", f"file:{folder}/"))
        schemas.write(table, older, other.table("crawl", name))
    other.params.write_text(text.replace(source, folder))
    run_in(other.root, "mtf", "validate")
    said = run_in(other.root, "mtf", "release")
    assert said.count("are published relative to their folder") == 2
    assert files_of(other.stage("release")) == before
    other.params.write_text(text.replace(source, "/another"))
    run_in(other.root, "mtf", "validate")
    refused = mtf(other.root, "release")
    assert refused.returncode == 2
    assert "addresses are paths of this machine, and of no folder in params.yaml" in refused.stderr
