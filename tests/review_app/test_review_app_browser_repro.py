"""The room while `dvc repro` runs: the real stages crop, screen and curate, a real MongoDB and a real browser."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from browser_screen import Screen, decided
from review_sessions import open_session
from reviewed_project import portrait

from mtf.core.project_paths import ProjectPaths
from mtf.rights import attribution
from mtf.schemas import funnel_steps, takedown_file
from projects import ROOT, environment, run_in

pytestmark = [pytest.mark.dvc, pytest.mark.lengthy(45)]

STAGES = ("crop", "screen", "curate")
FACES = 10


def under_dvc(workspace: ProjectPaths) -> None:
    """Put a project under DVC, with STAGES as in this repository, apart from what they depend on of its code."""
    whole = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name in STAGES:
        whole[name]["deps"] = [each for each in whole[name]["deps"] if not each.startswith("src/")]
        whole[name]["params"] = [each for each in whole[name]["params"] if isinstance(each, str)]
    (workspace.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {name: whole[name] for name in STAGES}}))
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n")
    workspace.attribution.write_text(",".join(attribution.COLUMNS) + "\n")
    params = workspace.params.read_text().replace("reviewers: 3", "reviewers: 1")
    workspace.params.write_text(params)
    run_in(workspace.root, "git", "init", "-q")
    run_in(workspace.root, "dvc", "init", "-q")


def test_dvc_repro_makes_the_faces_anew_under_an_open_room_and_no_verdict_is_lost(
    project: Callable[..., ProjectPaths],
    open_review: Callable,
    open_screen: Callable[[str], Screen],
    dvc: str,
    tmp_path: Path,
) -> None:
    workspace = project({"ada": FACES, "bob": FACES}, draw=portrait)
    under_dvc(workspace)
    process = open_review(workspace, "anna")
    screen = open_screen(process.url("anna"))
    screen.sees(12)
    assert screen.press("1") == "✓ Reject: 1 face (not a face)"
    confirmed = 1
    with (tmp_path / "said").open("w") as said:
        repro = subprocess.Popen(
            [dvc, "repro", "curate"], cwd=workspace.root, env=environment(), stdout=said, stderr=said
        )
        while repro.poll() is None and screen.ids(":not(.said)"):
            confirmed += screen.press("a") == "✓ Accept: 1 face"
            screen.page.wait_for_timeout(500)
        assert repro.wait(300) == 0, (tmp_path / "said").read_text()
    screen.sees(0)
    assert "were rewritten while the review app was open; open it again" in screen.message
    assert 1 < confirmed == len(decided(workspace))

    # The verdicts stand on the boxes of the new crops.
    session, review_data = open_session(workspace)
    faces = [*review_data.faces_of("ada"), *review_data.faces_of("bob")]
    assert len(faces) == 2 * FACES
    standing = [session.verdict(face, step) for face in faces for step in funnel_steps.reviewed()]
    assert sum(each is not None for each in standing) == confirmed
    assert ("reject", "not_a_face") in standing
    session.close()
    assert "lines were added to the ledger in data/review; running `dvc add data`" in process.close()
