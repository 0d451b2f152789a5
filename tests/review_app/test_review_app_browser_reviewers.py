"""Several reviewers in browsers of their own, and what a panel is split on: the real app, MongoDB and browser."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from browser_screen import Screen, decided

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import load_review_data, session_of

pytestmark = pytest.mark.lengthy(60)


def test_two_reviewers_in_two_browsers_write_their_own_files(
    project: Callable[..., ProjectPaths], open_review: Callable, open_screen: Callable[[str], Screen], tmp_path: Path
) -> None:
    workspace = project({"ada": 250, "bob": 250})
    process = open_review(workspace, "anna", "ben")
    screens = {name: open_screen(process.url(name)) for name in ("anna", "ben")}
    unseen = ""
    while reviewing := {name: screen for name, screen in screens.items() if "faces: " in screen.bar}:
        if not unseen and "page of 40" in screens["anna"].bar:
            unseen = screens["anna"].press("Shift+A")
            assert "not all of the page was on the screen: scroll to its end first" in unseen
        for screen in reviewing.values():
            screen.scroll_to_the_end()
        # Both keys are down before either answer is there; one that comes too early for its page is pressed again.
        answers = {name: screen.strike("Shift+A") for name, screen in reviewing.items()}
        assert all(answer().startswith(name) for name, answer in answers.items())
    assert unseen
    found = decided(workspace)
    assert found.filter(pl.col("file").str.starts_with("anna/"))["reviewer"].unique().to_list() == ["anna"]
    assert found.group_by("reviewer").len().sort("reviewer").rows() == [("anna", 500), ("ben", 500)]
    assert found.select("reviewer", "image_id").is_unique().all()
    assert len(list(workspace.review.rglob("*.jsonl"))) == 2
    nothing_but_faces_can_be_had(process.url("anna"), tmp_path)


def test_the_joint_session_settles_what_the_panel_is_split_on(
    project: Callable[..., ProjectPaths], open_review: Callable, open_screen: Callable[[str], Screen]
) -> None:
    workspace = project({"ada": 4})
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    for number, reviewer in enumerate(("anna", "ben", "cyd")):
        session = session_of(workspace, review_data, reviewer, joint=False)
        session.reject(review_data.faces_of("ada")[: number // 2 + 1])
        session.accept(review_data.faces_of("ada")[number // 2 + 1 :])
        session.close()
    screen = open_screen(open_review(workspace, "ben", joint=True).url("ben"))
    assert "joint session" in screen.bar
    screen.sees_faces(1)
    assert "Nothing is left for you" in screen.press("Shift+A")
    said = decided(workspace).filter("joint")
    assert said.select("reviewer", "step", "verdict").rows() == [("ben", "face", "accept")]


def nothing_but_faces_can_be_had(url: str, tmp_path: Path) -> None:
    """Files of the machine are not served, other sites' pages are not answered, and no other reviewer's data set."""
    base = url.replace("/datasets/sample-anna", "/media?filepath=")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    for path in (str(tmp_path / "secret.jpg"), "/etc/passwd", "/mtf/crop/sample-anna/ada/..%2F..%2Fx.jpg"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(base + path)  # noqa: S310 (loopback)
    for header in ({"Host": "elsewhere.example"}, {"Origin": "https://elsewhere.example"}):
        strange = urllib.request.Request(url, headers=header)  # noqa: S310
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(strange)  # noqa: S310
