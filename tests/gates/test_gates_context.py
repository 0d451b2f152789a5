"""The written context of Great Expectations, used as its users do: from any folder, without mtf."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_project import made_params, make

from mtf.core.errors import GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import validate

PROGRAM = """
import json, sys, great_expectations as gx
context = gx.get_context(project_root_dir=sys.argv[1])
result = context.checkpoints.get("gates").run()
found = [each for run in result.run_results.values() for each in run.results]
print(json.dumps({
    "success": result.success,
    "failed": [each.expectation_config.meta["gate"] for each in found if not each.success],
    "rows": [each.result["element_count"] for each in found if "element_count" in each.result],
    "pages": context.get_docs_sites_urls()[0]["site_url"],
}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    workspace = make(tmp_path_factory.mktemp("context") / "project")
    with pytest.raises(GateFailed):
        validate.run(workspace, made_params(gates={"identity_share": 0.25}))
    return workspace


def test_the_checkpoint_runs_from_another_folder_after_the_context_was_moved(project: ProjectPaths, tmp_path: Path):
    moved, elsewhere = tmp_path / "moved here", tmp_path / "elsewhere"
    shutil.copytree(project.stage("validate"), moved)
    shutil.rmtree(project.stage("validate") / "tables")
    elsewhere.mkdir()
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-W", "ignore", "-I", "-c", PROGRAM, str(moved)]
    done = subprocess.run(
        command, cwd=elsewhere, env=settings | {"TQDM_DISABLE": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    stated = json.loads((moved / "results.json").read_text())["results"]
    failed = {each["name"] for each in stated if not each["holds"]}
    assert "identity_share" in failed and set(found["failed"]) == failed
    assert found["success"] is False
    assert found["rows"] and min(found["rows"]) > 0
    page = Path(found["pages"].removeprefix("file://").replace("%20", " "))
    assert page.is_relative_to(moved / "gx") and "identities" in page.read_text(encoding="utf-8")
    assert list(elsewhere.iterdir()) == []
