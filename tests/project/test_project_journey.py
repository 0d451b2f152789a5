"""From `mtf new --pictures` to a divided data set, by the steps that it names."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from mtf.crawl.fetch_results import RETRY_COMMAND
from mtf.sample import photograph, picture_files
from mtf.sample.people import CAST
from projects import environment, run_in

pytestmark = pytest.mark.lengthy(40)

PEOPLE = (CAST[0], CAST[3])
PICTURES = 9


def draw(folder: Path, who: int, number: int) -> None:
    person = PEOPLE[who]
    taken = photograph.portrait(person.traits(), person.identity, np.random.default_rng([who, number]))
    (folder / f"{who}-{number}.jpg").write_bytes(picture_files.jpeg(taken.pixels).data)


def failing(folder: Path, *command: str) -> str:
    """Output of a command that must fail."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


@pytest.mark.dvc
def test_a_folder_of_pictures_becomes_a_divided_data_set_by_the_steps_that_new_names(tmp_path: Path) -> None:
    own = tmp_path / "own pictures"
    own.mkdir()
    for who in range(len(PEOPLE)):
        for number in range(PICTURES):
            draw(own, who, number)
    rows = [f"{person.name},{person.gender},{who}-*.jpg" for who, person in enumerate(PEOPLE)]
    (tmp_path / "people.csv").write_text("\n".join(["name,gender,files", *rows]) + "\n")
    said = run_in(
        tmp_path, "mtf", "new", "mine", "--contact", "https://example.org/me", "--no-copy",
        "--roster", "people.csv", "--pictures", "own pictures", "--license", "CC0-1.0",
    )  # fmt: skip
    project = tmp_path / "mine"
    steps = ("`dvc repro screen`", "`mtf review open --reviewer YOU`", "`dvc add data && dvc repro`", "`dvc push`")
    assert [said.index(step) for step in steps] == sorted(said.index(step) for step in steps)
    assert ".*.part" in (project / ".dvcignore").read_text().splitlines()
    assert str(own) in yaml.safe_load((project / "dvc.yaml").read_text())["stages"]["crawl"]["deps"]

    waiting = failing(project, "dvc", "repro", "split")
    assert "18 addresses, 18 images stored" in waiting
    assert "wait for the reviewers; `mtf review open --reviewer YOU`, then `dvc repro`" in waiting

    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("mode: curated ", "mode: non_curated "))
    assert "crawl: " not in run_in(project, "dvc", "repro", "split"), "what is there is not made again"
    faces = json.loads((project / "metrics" / "split.json").read_text())["faces"]
    assert sum(faces.values()) >= 2 * PICTURES and min(faces.values()) >= 2

    draw(own, 1, PICTURES)
    assert "own pictures" in run_in(project, "dvc", "status", "crawl"), "a new picture is a reason to crawl"
    again = run_in(project, *RETRY_COMMAND.split())
    assert "1 made, 1 left as they were" in again and "19 images stored" in again
