"""FiftyOne itself opens its form of the release, with a database of its own, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from made_project import made_params

from mtf.core.project_paths import ProjectPaths
from mtf.release.formats import ReleaseFormat, export

OPEN = """
import json, sys
import fiftyone as fo
data = fo.Dataset.from_dir(dataset_dir=sys.argv[1], dataset_type=fo.types.LegacyFiftyOneDataset, progress=False)
found = {name: data.count_values(f"{name}.label") for name in sys.argv[2:]}
print(json.dumps({"faces": len(data), "splits": data.count_sample_tags(), "labels": found}))
"""


@pytest.mark.mongodb
def test_fiftyone_opens_its_form_with_labels_and_splits(data_set: ProjectPaths, tmp_path: Path):
    labels = {task.column: list(task.labels) for task in made_params().tasks.values()}
    export(data_set.stage("release"), tmp_path / "form", ReleaseFormat.FIFTYONE, labels=labels)
    environment = os.environ | {"FIFTYONE_DATABASE_DIR": str(tmp_path / "database"), "FIFTYONE_DO_NOT_TRACK": "true"}
    command = [sys.executable, "-c", OPEN, str(tmp_path / "form"), *labels]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    table = pl.read_parquet(data_set.stage("release") / "metadata.parquet")
    assert found["faces"] == table.height
    assert found["splits"] == Counter(table["split"])
    assert found["labels"] == {column: Counter(table[column]) for column in labels}
