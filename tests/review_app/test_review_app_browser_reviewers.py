"""Several reviewers in browsers of their own: the real app, a real MongoDB, real browsers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from browser_screen import Screen, decided
from review_process import ReviewProcess

from mtf.core.project_paths import ProjectPaths
from mtf.review_app.fiftyone.request_guard import MAX_BODY_BYTES

pytestmark = pytest.mark.lengthy(45)


def test_two_reviewers_in_two_browsers_write_their_own_files(
    project: Callable[..., ProjectPaths], open_review: Callable, open_screen: Callable[[str], Screen], tmp_path: Path
) -> None:
    workspace = project({"ada": 250, "bob": 250})
    process = open_review(workspace, "anna", "ben")
    screens = {name: open_screen(process.url(name)) for name in ("anna", "ben")}
    while reviewing := [screen for screen in screens.values() if "one whole human face" in screen.question]:
        # Both keys are down before either answer is there; one that comes too early for its page is pressed again.
        answers = [screen.strike("Shift+A") for screen in reviewing]
        assert all(answer().startswith(("✓", "too fast")) for answer in answers)
    found = decided(workspace)
    assert found.filter(pl.col("file").str.starts_with("anna/"))["reviewer"].unique().to_list() == ["anna"]
    assert found.group_by("reviewer").len().sort("reviewer").rows() == [("anna", 500), ("ben", 500)]
    assert found.select("reviewer", "image_id").is_unique().all()
    assert len(list(workspace.review.rglob("*.jsonl"))) == 2
    nothing_but_faces_can_be_had(process.url("anna"), tmp_path)
    a_query_is_bounded_and_its_errors_quote_little_of_it(process)


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


def a_query_is_bounded_and_its_errors_quote_little_of_it(process: ReviewProcess) -> None:
    for size, permitted in ((MAX_BODY_BYTES, (413,)), (200_000, (200, 400))):
        assert posted(process, "/graphql", {"query": "{" + size * "q" + "}"})[0] in permitted
    assert "qqqq" in "".join(process.output)
    assert max(map(len, process.output)) < 1000
    asked = {"dataset_name": "sample-anna", "params": {"ids": 7}}
    for operator in ("@mtf/review/accept", "@voxel51/operators/delete_selected_samples", "@mtf/review/none"):
        status, answer = posted(process, "/operators/execute", asked | {"operator_uri": operator})
        assert status != 200 or json.loads(answer)["error"], answer
        assert "Traceback" not in answer and ".py" not in answer, answer


def posted(process: ReviewProcess, path: str, content: dict) -> tuple[int, str]:
    """Status and text of the answer to a request without an Origin."""
    address = process.url("anna").partition("/datasets/")[0] + path
    body, kind = json.dumps(content).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data=body, headers=kind)) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
