"""Two reviewers at once, each with an app of their own: the real apps, a real MongoDB, real browsers."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from browser_screen import Screen, decided
from review_process import PLACE, ReviewProcess, SharedReview, decide_all, places_of

from mtf.review_app.fiftyone.request_guard import MAX_BODY_BYTES

pytestmark = pytest.mark.lengthy(60)

FACES = 400
PAGES = 8
DATASETS = 'query { datasets(search: "", first: 100) { edges { node { name } } } }'


@pytest.fixture(scope="module")
def shared(share_review: Callable[..., SharedReview]) -> SharedReview:
    """Two people's faces; each reviewer's decisions are counted from where the test before left them."""
    return share_review({"ada": FACES // 2, "bob": FACES // 2}, "anna", "ben")


def given(shared: SharedReview) -> dict[str, int]:
    """Reviewer → decisions, each in a file of their own; fails where a decision is there twice."""
    found = decided(shared.workspace)
    assert found.select("reviewer", "image_id").is_unique().all()
    assert found.filter(~pl.col("file").str.starts_with(pl.col("reviewer") + "/")).is_empty()
    assert len(list(shared.workspace.review.rglob("*.jsonl"))) == found["reviewer"].n_unique()
    return {"anna": 0, "ben": 0} | dict(found.group_by("reviewer").len().iter_rows())


def test_two_reviewers_in_two_browsers_write_their_own_files(
    shared: SharedReview, open_screen: Callable[[str], Screen]
) -> None:
    before = given(shared)
    screens = {name: open_screen(shared.process.url(name)) for name in before}
    confirmed: dict[str, list[int]] = {name: [] for name in before}
    while any(len(pages) < PAGES for pages in confirmed.values()):
        # Both keys are down before either answer is there; one that comes too early for its page is pressed again.
        answers = {name: screen.strike("Shift+A") for name, screen in screens.items()}
        for name, answer in answers.items():
            said = answer()
            if not said.startswith("too fast"):
                assert said.startswith("✓ Accept: "), said
                confirmed[name].append(int(said.split()[2]))
    assert given(shared) == {name: before[name] + sum(pages) for name, pages in confirmed.items()}


def test_two_reviewers_at_once_write_every_decision_once_into_their_own_file(shared: SharedReview) -> None:
    before = given(shared)
    done: dict[str, list[str]] = {name: [] for name in before}
    with ThreadPoolExecutor(2) as threads:
        working = [
            threads.submit(decide_all, shared.process, name, FACES - before[name], confirmed, at_once=4)
            for name, confirmed in done.items()
        ]
        for one in working:
            one.result()
    assert given(shared) == {"anna": FACES, "ben": FACES}
    for name, confirmed in done.items():
        written = decided(shared.workspace, name).tail(len(confirmed)).select(PLACE).rows()
        assert places_of(shared.workspace, confirmed) == set(written)


def names_of_datasets(process: ReviewProcess, reviewer: str) -> list[str]:
    """Names of the data sets that FiftyOne's own interface lists."""
    status, answer = posted(process, "/graphql", {"query": DATASETS}, reviewer=reviewer)
    assert status == 200, answer
    return [edge["node"]["name"] for edge in json.loads(answer)["data"]["datasets"]["edges"]]


def test_reviewers_see_their_own_data_set_alone(shared: SharedReview) -> None:
    assert names_of_datasets(shared.process, "anna") == ["sample-anna"]
    assert names_of_datasets(shared.process, "ben") == ["sample-ben"]


@pytest.mark.parametrize("command", ["open", "decide"])
def test_a_review_that_is_open_is_opened_nowhere_else(shared: SharedReview, command: str) -> None:
    again = (sys.executable, "-m", "mtf", "review", command, "--reviewer", "ben")
    refused = subprocess.run(again, cwd=shared.workspace.root, capture_output=True, text=True, check=False, timeout=300)
    assert refused.returncode == 2
    assert f"the review of ben is open already, by process {shared.process.pid} since" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_nothing_but_faces_can_be_had(shared: SharedReview, tmp_path: Path) -> None:
    """Files of the machine are not served, and other sites' pages are not answered."""
    url = shared.process.url("anna")
    base = url.replace("/datasets/sample-anna", "/media?filepath=")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    for path in (str(tmp_path / "secret.jpg"), "/etc/passwd", "/mtf/crop/sample-anna/ada/..%2F..%2Fx.jpg"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(base + path)  # noqa: S310 (loopback)
    for header in ({"Host": "elsewhere.example"}, {"Origin": "https://elsewhere.example"}):
        strange = urllib.request.Request(url, headers=header)  # noqa: S310
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(strange)  # noqa: S310


def test_a_query_is_bounded_and_its_errors_quote_little_of_it(shared: SharedReview) -> None:
    process = shared.process
    for size, permitted in ((MAX_BODY_BYTES, (413,)), (200_000, (200, 400))):
        assert posted(process, "/graphql", {"query": "{" + size * "q" + "}"})[0] in permitted
    assert process.prints("qqqq")
    assert max(map(len, process.output)) < 1000
    asked = {"dataset_name": "sample-anna", "params": {"ids": 7}}
    for operator in ("@mtf/review/accept", "@voxel51/operators/delete_selected_samples", "@mtf/review/none"):
        status, answer = posted(process, "/operators/execute", asked | {"operator_uri": operator})
        assert status != 200 or json.loads(answer)["error"], answer
        assert "Traceback" not in answer and ".py" not in answer, answer


def posted(process: ReviewProcess, path: str, content: dict, *, reviewer: str = "anna") -> tuple[int, str]:
    """Status and text of the answer to a request without an Origin; 413 if the connection ends before all is sent."""
    address = process.url(reviewer).partition("/datasets/")[0] + path
    body, kind = json.dumps(content).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data=body, headers=kind)) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ConnectionError), error
        return 413, ""
