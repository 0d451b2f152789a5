"""MTF, Tables 1 to 3, counted from rows."""

from __future__ import annotations

import json
import re

import polars as pl
from made_project import made_params

from mtf import config as parameters
from mtf.core.project_paths import ProjectPaths
from mtf.release.distribution import distribution, markdown

RACES = ["Asian (Chinese, Korean)", "Asian (Indian)", "Black", "White"]
GENDERS = ["Males", "Females"]
AGES = ["Young", "Old"]
# Identities and images by race × gender × age: a made-up filling of MTF's Tables 2 and 3, all of which it meets.
IDENTITIES = [[[25, 11], [44, 0]], [[16, 6], [27, 0]], [[18, 0], [12, 5]], [[33, 21], [15, 7]]]
IMAGES = [[[917, 103], [695, 0]], [[229, 71], [520, 0]], [[194, 0], [339, 45]], [[709, 267], [1079, 78]]]


def mtf_params() -> parameters.Params:
    raw = made_params().model_dump(mode="json")
    for task, labels in (("race", RACES), ("gender", GENDERS), ("age", AGES)):
        raw["tasks"][task]["labels"] = labels
    return parameters.parse(raw)


def mtf_rows() -> pl.DataFrame:
    rows = []
    for r, race in enumerate(RACES):
        for g, gender in enumerate(GENDERS):
            for a, age in enumerate(AGES):
                labels = {"race": race, "gender": gender, "age": age}
                people = IDENTITIES[r][g][a]
                rows += [labels | {"identity": f"p{r}{g}{a}-{n % people}"} for n in range(IMAGES[r][g][a])]
    return pl.DataFrame(rows)


def cell(identities: int, images: int) -> dict[str, int]:
    return {"identities": identities, "images": images}


def test_the_papers_tables_come_out_with_their_corrected_figures():
    counts = distribution(mtf_rows(), mtf_params())
    assert counts["total"] == cell(240, 5246)
    assert counts["tasks"] == {
        "race": dict(zip(RACES, [cell(80, 1715), cell(49, 820), cell(35, 578), cell(76, 2133)], strict=True)),
        "gender": {"Males": cell(130, 2490), "Females": cell(110, 2756)},
        "age": {"Young": cell(190, 4682), "Old": cell(50, 564)},
    }
    assert counts["pairs"]["race_by_gender"]["Black"] == {"Males": cell(18, 194), "Females": cell(17, 384)}
    assert counts["pairs"]["race_by_age"]["White"] == {"Young": cell(48, 1788), "Old": cell(28, 345)}
    assert counts["pairs"]["gender_by_age"] == {
        "Males": {"Young": cell(92, 2049), "Old": cell(38, 441)},
        "Females": {"Young": cell(98, 2633), "Old": cell(12, 123)},
    }


def test_the_tables_are_set_as_in_the_paper():
    text = markdown(distribution(mtf_rows(), mtf_params()))
    assert "| race | Black | 35 | 578 |" in text
    assert "| Asian (Chinese, Korean) | 36/1,020 | 44/695 |" in text


def test_every_table_adds_up_to_the_total(data_set: ProjectPaths):
    counts = json.loads(data_set.metrics("distribution").read_text())
    images = counts["total"]["images"]
    assert counts["total"] == cell(3, 15)
    assert {name: sum(n["images"] for n in by.values()) for name, by in counts["tasks"].items()} == dict.fromkeys(
        ["race", "gender", "age"], images
    )
    for table in counts["pairs"].values():
        assert sum(n["images"] for row in table.values() for n in row.values()) == images


def test_a_label_that_nothing_carries_counts_zero(data_set: ProjectPaths):
    counts = json.loads(data_set.metrics("distribution").read_text())
    assert counts["tasks"]["race"] == {"Asian (Indian)": cell(1, 5), "CON": cell(1, 5), "White": cell(1, 5)}
    assert counts["pairs"]["race_by_gender"]["CON"] == {"Males": cell(1, 5), "Females": cell(0, 0)}


def test_the_readme_of_the_release_has_the_tables(data_set: ProjectPaths):
    readme = (data_set.stage("release") / "README.md").read_text()
    assert re.search(r"15 faces of 3 people, 64 × 64 pixels", readme)
    assert "| CON | 1/5 | 0/0 |" in readme


def test_the_sizes_of_the_release_are_those_of_its_files(data_set: ProjectPaths):
    sizes = json.loads(data_set.metrics("release").read_text())
    for variant, size in sizes.items():
        files = list((data_set.stage("release") / variant).rglob("*.jpg"))
        assert size == {"identities": 3, "files": len(files), "bytes": sum(file.stat().st_size for file in files)}
    assert {variant: size["files"] for variant, size in sizes.items()} == {
        "multi_task": 15,
        "single_task": 60,
        "non_curated": 18,
    }
