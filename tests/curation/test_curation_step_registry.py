"""A funnel step that another package registers goes through the review, the funnel and the reports by itself."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from made_faces import BEGIN, PANEL, REPOSITORY, Face, params, project
from rich.console import Console

from mtf.annotation import ledger
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger_lines import parsed
from mtf.cli import summary
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.curation.steps import FunnelStep, register
from mtf.pipeline import curate
from mtf.release.facts import funnel as facts_of_funnel
from mtf.report import composition, funnel_section
from mtf.review_app import progress, terminal
from mtf.review_app.engine import triage
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.loading import load_review_data, session_of
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.sample.panel import REVIEWERS, Judgement, review
from mtf.sample.panel import Face as PanelFace
from mtf.schemas import EXCLUSIONS, Reason, Step, funnel_steps
from mtf.schemas import read as read_table

FACING = FunnelStep(
    name="facing",
    title="looking at the camera",
    heading="gaze",
    question="Is {identity} looking at the camera?",
    reasons=("looking_away", "eyes_closed"),
    keys={"looking_away": "c", "eyes_closed": "h"},
    after=Step.QUALITY,
)
BUILT_IN = [str(step) for step in funnel_steps.reviewed()]
PLACE = BUILT_IN.index(Step.QUALITY) + 1
IN_ORDER = [*BUILT_IN[:PLACE], "facing", *BUILT_IN[PLACE:]]
FACES = [Face(f"face {number}") for number in range(7)]


@pytest.fixture(autouse=True)
def facing() -> Iterator[FunnelStep]:
    register(FACING)
    yield FACING
    funnel_steps.unregister(FACING.name)


def made(root: Path) -> ProjectPaths:
    workspace = project(root / "project", FACES)
    workspace.params.write_text((REPOSITORY / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return workspace


def opened(workspace: ProjectPaths, reviewer: str = "ann", *, joint: bool = False) -> tuple[ReviewSession, ReviewData]:
    review_data, _ = load_review_data(workspace, params())
    return session_of(workspace, review_data, reviewer, joint=joint), review_data


class NoScreen:
    """Screen of a terminal that draws nothing."""

    def show(self, face: Key) -> None: ...

    def show_page(self, faces: Sequence[Key]) -> None: ...

    def forget_page(self) -> None: ...


def reviewed_by(workspace: ProjectPaths, reviewer: str, *, away: int) -> None:
    """A whole review at a terminal: `away` faces look away, all else is accepted."""
    session, review_data = opened(workspace, reviewer)

    def answers() -> Iterator[str]:
        left = away
        while True:
            at_facing = session.page().step == "facing"
            yield from ["x looking_away"] if at_facing and left else ["p", "A"]
            left -= at_facing

    with closing(session):
        terminal.review(session, review_data, answers=answers(), screen=NoScreen())


def test_the_review_asks_at_the_step_in_its_place() -> None:
    assert list(funnel_steps.reviewed()) == IN_ORDER
    assert funnel_steps.names()[-1] == Step.ENOUGH_IMAGES


def test_its_decisions_are_written_and_read(tmp_path: Path) -> None:
    face = FACES[0]
    given = [
        face.said(Verdict.ACCEPT, "ann", "facing"),
        _rejection(face, "eyes_closed"),
    ]
    with ledger.LedgerWriter(tmp_path, "ann") as writer:
        writer.append(*given)
    expected = [("facing", "accept", None), ("facing", "reject", "eyes_closed")]
    assert ledger.read(tmp_path).decisions.select("step", "verdict", "reason").rows() == expected
    # Spaces make the fast reader leave the lines to the strict one.
    data = b"".join(json.dumps(json.loads(one.line())).encode() + b"\n" for one in given)
    assert parsed(data, name="x", reviewer="ann").select("step", "verdict", "reason").rows() == expected


def _rejection(face: Face, reason: str) -> Decision:
    return Decision(
        image_id=face.image_id,
        box=face.box,
        identity=face.identity,
        step="facing",
        verdict=Verdict.REJECT,
        reason=reason,
        reviewer="ann",
        time=BEGIN,
    )


def test_a_reason_of_another_step_is_refused_there() -> None:
    with pytest.raises(
        ValueError, match="'blurred' is not permitted with reject at facing; permitted: looking_away, eye"
    ):
        _rejection(FACES[0], Reason.BLURRED)


def test_a_ledger_with_a_step_that_is_not_registered_is_refused_with_its_line(tmp_path: Path) -> None:
    line = json.loads(_rejection(FACES[0], "eyes_closed").line()) | {"step": "smiling"}
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "2026-03-01T09-00-00Z.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(
        BadInput, match=r"line 1: step: 'smiling' is not permitted; permitted: face, .*facing, duplicate"
    ):
        ledger.read(tmp_path)


def test_the_queue_asks_it_after_quality_and_before_the_tasks(tmp_path: Path) -> None:
    session, _ = opened(made(tmp_path))
    asked = []
    with closing(session):
        while (page := session.page()).faces:
            asked.append(str(page.step))
            session.accept(page.faces, at=page.step)
    assert list(dict.fromkeys(asked)) == [step for step in IN_ORDER if step != "duplicate"]


def test_a_face_is_rejected_by_its_first_reason_and_the_rejection_is_undone(tmp_path: Path) -> None:
    session, _ = opened(made(tmp_path))
    with closing(session):
        while session.page().step != "facing":
            session.accept(session.page().faces)
        face = session.page().faces[0]
        session.reject([face], at="facing")
        assert session.verdict(face, "facing") == ("reject", "looking_away")
        session.undo()
        assert session.verdict(face, "facing") is None
        assert session.owed_step(face) == ("facing", True)
        with pytest.raises(
            BadInput, match=r"'childhood' is not permitted; permitted: .*blurred, looking_away, eyes_closed"
        ):
            session.reject([face], "childhood")


def test_the_terminal_asks_its_question_and_takes_its_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = made(tmp_path)
    reviewed_by(workspace, "ann", away=1)
    said = capsys.readouterr().out
    assert f"facing (step {PLACE + 1} of {len(IN_ORDER)}): Ada" in said
    assert "Is Ada looking at the camera?  reasons: looking_away, eyes_closed" in said
    assert "Nothing is left for you." in said
    status = progress.measure(workspace, params())
    assert status.reviewers[0].done == dict.fromkeys(IN_ORDER, 7) | {"duplicate": 0, "task_fit": 6}
    assert "facing" in progress.as_text(status)


def test_the_triage_calls_nothing_likely_where_a_step_has_no_hints() -> None:
    faces = pl.DataFrame({"identity": ["ada"] * 3, "face_id": ["a", "b", "c"], "eyes": [0, 1, 2]})
    rated = triage.rate(faces, pl.Series([None] * 3, dtype=pl.Float64).to_numpy(), step="facing")
    assert rated["score"].to_list() == [0.5] * 3
    assert rated["run"].to_list() == [triage.UNSURE] * 3


def test_a_hint_may_name_a_measure_that_no_other_step_has() -> None:
    funnel_steps.unregister("facing")
    turned = FunnelStep(**vars(FACING) | {"hints": {"yaw": -1.0}})
    register(turned)
    faces = pl.DataFrame({"identity": ["ada"] * 3, "face_id": ["a", "b", "c"], "yaw": [0.9, 0.1, 0.5]})
    rated = triage.rate(faces, pl.Series([None] * 3, dtype=pl.Float64).to_numpy(), step="facing")
    assert rated["score"].to_list() == [0.0, 1.0, 0.5]
    assert triage.measures()[-1] == "yaw"


def test_what_the_panel_is_split_on_there_is_settled_in_the_joint_session(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    for reviewer, away in zip(PANEL, (1, 0, 0), strict=True):
        reviewed_by(workspace, reviewer, away=away)
    session, review_data = opened(workspace, joint=True)
    with closing(session):
        assert (session.page().step, len(session.page().faces)) == ("facing", 1)
        assert "facing: 3 of 3 reviewers decided: 2 accept, 1 reject" in review_data.conflicts_of(
            session.page().faces[0]
        )
        session.reject(session.page().faces, "eyes_closed", at="facing")
        assert session.page().faces == ()
    assert progress.measure(workspace, params()).agreement["facing"]["faces"] == 7


def test_the_funnel_takes_it_and_the_reports_name_it(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    for reviewer in PANEL:
        reviewed_by(workspace, reviewer, away=2)
    curate.run(workspace, params())
    excluded = read_table(EXCLUSIONS, workspace.table("curate", "exclusions"))
    assert excluded.select("step", "reason", "decided_by").rows() == [("facing", "looking_away", "panel 3/3")] * 2
    figures = json.loads(workspace.metrics("curate").read_text())
    assert [step for step in figures["steps"] if step in IN_ORDER] == IN_ORDER
    assert figures["steps"]["facing"]["dropped"] == {"looking_away": 2}
    rows = funnel_section.funnel(figures).charts[0].table.rows
    assert ["looking at the camera", "5", "2 looking away"] in rows
    compared = composition.reviewers(figures).charts[0].table.rows
    assert [row[0] for row in compared if row[0] == "facing"] == ["facing"]
    assert "looking at the camera" in _printed(summary.funnel(figures))
    assert ("facing", 5, [("looking_away", 2)]) in [
        (each.step, each.left, each.reasons) for each in facts_of_funnel(figures["steps"])
    ]
    assert "looking at the camera,5" in workspace.plots("funnel.csv").read_text()


def test_figures_of_a_step_that_is_not_registered_any_more_are_shown_by_its_name(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    for reviewer in PANEL:
        reviewed_by(workspace, reviewer, away=0)
    curate.run(workspace, params())
    figures = json.loads(workspace.metrics("curate").read_text())
    figures["steps"]["face_on"] = figures["steps"].pop("facing")
    assert "face on" in [row[0] for row in funnel_section.funnel(figures).charts[0].table.rows]
    assert "face on" in _printed(summary.funnel(figures))


def _printed(table: object) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_the_screen_is_told_its_title_its_question_and_its_keys(tmp_path: Path) -> None:
    operators = import_module("mtf.review_app.fiftyone.operators")  # FiftyOne takes seconds to import
    page_answer = import_module("mtf.review_app.fiftyone.page_answer")
    session, review_data = opened(made(tmp_path))
    with closing(session):
        while session.page().step != "facing":
            session.accept(session.page().faces)
        pictures = SimpleNamespace(is_taken_down=lambda _: False)
        live = SimpleNamespace(session=session, review_data=review_data, dataset="drawn", pictures=pictures)
        told = page_answer.describe(live, session.page())
    assert told["step"] == "facing"
    assert told["question"] == "Is Ada looking at the camera?"
    assert {"step": "facing", "title": "gaze", "done": 0, "open": 7} in told["steps"]
    assert told["reasons"][-2:] == ["looking_away", "eyes_closed"]
    assert told["reason_keys"]["looking_away"] == "c"
    assert len(set(told["reason_keys"].values())) == len(told["reason_keys"])
    assert not set(told["reason_keys"].values()) & set("axskunlp"), "a reason has the key of an action"
    offered = operators.Reject.resolve_input(None, None).type.properties["reason"].type.values
    assert {"looking_away", "eyes_closed", "blurred"} <= set(offered)


def test_the_simulated_panel_judges_it_too() -> None:
    face = PanelFace("ada", FACES[0].image_id, FACES[0].box)
    sittings = review({face: Judgement()}, seed=1)
    assert {each.step for each in sittings[0]} == set(IN_ORDER)
    assert len(sittings) == len(REVIEWERS) + 1


@pytest.mark.parametrize("mode", ["curated", "screened", "non_curated"])
def test_a_step_without_people_drops_faces_in_the_sets_that_its_filter_is_for(tmp_path: Path, mode: str) -> None:
    class LargeEnough:
        step = "large_enough"

        def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
            reason = pl.when(pl.col("size_px") < 90).then(pl.lit("too_coarse"))
            return faces.with_columns(reason=reason, decided_by=pl.lit("automatic"), detail=pl.lit("less than 90 px"))

    register(
        FunnelStep(
            name="large_enough",
            title="large enough",
            reasons=("too_coarse",),
            is_reviewed=False,
            is_for_non_curated=True,
            filter=lambda context: None if context.mode == "screened" else LargeEnough(),
            after=Step.LICENSE,
        )
    )
    try:
        small = Face("small", screening={"size_px": 60})
        decisions = [
            one for face in [*FACES, small] for one in (*face.accepted(), *face.by_all(Verdict.ACCEPT, "facing"))
        ]
        workspace = project(tmp_path / "project", [*FACES, small], decisions)
        curate.run(workspace, params(curate={"mode": mode, "screened": {"min_size_px": 20}}))
        assert "large_enough" not in funnel_steps.reviewed()
    finally:
        funnel_steps.unregister("large_enough")
    expected = [] if mode == "screened" else [(small.face_id, "large_enough", "too_coarse")]
    excluded = pl.read_parquet(workspace.table("curate", "exclusions"))
    assert excluded.select("face_id", "step", "reason").rows() == expected
    assert pl.read_parquet(workspace.table("curate", "non_curated")).height == len(FACES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "a step of that name is registered"),
        ({"name": "Face on"}, "its name must be of a-z, 0-9 and _"),
        ({"name": "b", "after": "nothing"}, "it comes after 'nothing'; registered: takedown"),
        ({"name": "b", "question": ""}, "needs a question and at least one reason"),
        ({"name": "b"}, "another step has the reason eyes_closed, looking_away"),
        ({"name": "b", "reasons": ("c",)}, "each reason needs a key: c"),
        ({"name": "b", "reasons": ("c",), "keys": {"c": "a"}}, "the key 'a' is taken"),
        ({"name": "b", "reasons": ("c",), "keys": {"c": "7"}}, "the key '7' is taken"),
        ({"name": "b", "reasons": ("c", "d"), "keys": {"c": "q", "d": "q"}}, "the key 'q' is taken"),
        ({"name": "b", "is_reviewed": False}, "it is not reviewed and has no filter"),
    ],
)
def test_an_entry_that_contradicts_itself_or_another_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        register(FunnelStep(**vars(FACING) | changes))
    assert list(funnel_steps.reviewed()) == IN_ORDER


def test_an_installed_package_adds_a_step_by_an_entry_point(tmp_path: Path) -> None:
    (tmp_path / "gaze.py").write_text(
        "from mtf.curation.steps import FunnelStep\n"
        "STEP = FunnelStep(name='gaze', title='looking at the camera', question='At the camera?',\n"
        "    reasons=('away',), keys={'away': 'c'}, after='quality')\n"
    )
    installed = tmp_path / "gaze-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: gaze\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[mtf.funnel_steps]\ngaze = gaze:STEP\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    asked = "from mtf.schemas import funnel_steps; print(*funnel_steps.reviewed())"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [*BUILT_IN[:PLACE], "gaze", *BUILT_IN[PLACE:]]


def test_pages_of_the_tasks_are_made_by_the_column_that_groups_people_by_years(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    read, _ = load_review_data(workspace, params())
    assert read.age_column == "age"
    halves = pl.Series("generation", ["early", "late"] * 4).head(len(FACES))
    review_data = ReviewData(
        read.faces.drop("age").with_columns(halves),
        ledger.read(workspace.review),
        box_iou=0.5,
        reviewers=3,
        labels={"generation": ["early", "late"]},
        age_column="generation",
    )
    with closing(session_of(workspace, review_data, "ann", joint=False)) as session:
        while session.page().step != Step.TASK_FIT:
            session.accept(session.page().faces)
        page = session.page()
    assert page.together == "early"
    assert {review_data.faces["generation"][review_data.row(face)] for face in page.faces} == {"early"}
    assert len(page.faces) == halves.eq("early").sum()
