"""Licenses of a release's files, as `reuse lint` checks them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest
from reuse.project import Project

from mtf.core.project_paths import ProjectPaths
from mtf.recall import copy_removal
from mtf.recall.copy_search import Finding
from mtf.release import license_files


def reuse_lint(root: Path) -> tuple[int, str]:
    run = "from reuse.cli.main import main; main()"
    command = [sys.executable, "-c", run, "--root", str(root), "lint", "--lines"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_release_passes_reuse_lint(data_set: ProjectPaths):
    assert reuse_lint(data_set.stage("release")) == (0, "")


def test_each_picture_bears_its_license_whatever_its_path_and_the_license_are(tmp_path: Path):
    pictures = {
        "multi_task/Train/日本 é.jpg": "CC0-1.0",
        "multi_task/Test/[a]-b.jpg": "CC-BY-SA-2.1-JP",
        "multi_task/Test/[a]-c.jpg": "CC-BY-4.0",
        "non_curated/c.jpg": None,
        "non_curated/d.jpg": "none stated",
    }
    for path in (*pictures, "recall/recall.py", "README.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    table = pl.DataFrame(list(pictures.items()), schema=["path", "license"], orient="row")
    license_files.write(tmp_path, table, release_license="CC-BY-4.0", owner='A "group"')
    assert reuse_lint(tmp_path) == (0, "")
    project = Project.from_directory(tmp_path)
    licenses = {
        path: {str(each) for info in project.reuse_info_of(tmp_path / path) for each in info.spdx_expressions}
        for path in (*pictures, "recall/recall.py", "README.md")
    }
    assert licenses == {
        "README.md": {"CC-BY-4.0"},
        "recall/recall.py": {"Apache-2.0"},
        "multi_task/Train/日本 é.jpg": {"CC0-1.0"},
        "multi_task/Test/[a]-b.jpg": {"CC-BY-SA-2.1-JP"},
        "multi_task/Test/[a]-c.jpg": {"CC-BY-4.0"},
        "non_curated/c.jpg": {"LicenseRef-Unstated"},
        "non_curated/d.jpg": {"LicenseRef-none-stated"},
    }
    found = tomllib.loads((tmp_path / "REUSE.toml").read_text(encoding="utf-8"))
    assert found["annotations"][0]["SPDX-FileCopyrightText"] == 'A "group"'
    assert (tmp_path / "LICENSES/CC0-1.0.txt").read_text().startswith("Creative Commons Legal Code")
    assert (
        "https://creativecommons.org/licenses/by-sa/2.1/jp/" in (tmp_path / "LICENSES/CC-BY-SA-2.1-JP.txt").read_text()
    )


def test_a_copy_from_which_pictures_were_recalled_opens_and_names_them_nowhere(
    data_set: ProjectPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Tables, checksums and licenses of the copy lose the pictures, so that no tool looks for them."""
    import datasets

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    copy = tmp_path / "copy"
    shutil.copytree(data_set.stage("release"), copy)
    withdrawn = min(path.stem for path in copy.rglob("multi_task/Test/**/*.jpg"))
    gone = sorted(copy.rglob(f"{withdrawn}.jpg"))
    assert len(gone) == 6
    done = copy_removal.remove(copy, [Finding(str(path), -1, "", "bytes", 1) for path in gone], [])
    assert done.troubles == []
    assert [path for path in copy.rglob("*") if path.is_file() and withdrawn.encode() in path.read_bytes()] == []
    opened = datasets.load_dataset(str(copy), cache_dir=str(tmp_path / "cache"))
    assert sum(rows.num_rows for rows in opened.values()) == 14
    assert reuse_lint(copy) == (0, "")
