"""Any sequence of verdicts and undos leaves a reviewer where a model says: a stack of the states that came before."""

from __future__ import annotations

import shutil
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from review_sessions import open_session
from reviewed_project import a_project

from mtf import config
from mtf.annotation import ledger
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.loading import load_review_data, session_of
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.schemas import funnel_steps

REVIEWER = "anna"
FACES = st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True)
REASONS = st.sampled_from([None, "not_a_face", "wrong_person", "blurred", "near_duplicate", "wrong_age_group"])
LABELS = st.sampled_from([("age", "Old"), ("age", "Young"), ("gender", "Males")])
ACTIONS = st.one_of(
    st.tuples(st.just("accept"), FACES, st.none()),
    st.tuples(st.just("accept"), st.just([0, 1, 2, 3, 4, 5]), st.none()),
    st.tuples(st.just("skip"), FACES, st.none()),
    st.tuples(st.just("reject"), FACES, REASONS),
    st.tuples(st.just("keep"), FACES.map(lambda faces: faces[:1]), st.none()),
    st.tuples(st.just("label"), FACES, LABELS),
    st.tuples(st.just("undo"), st.just([]), st.none()),
)


class Project(NamedTuple):
    """Six faces of two people, of which two are duplicates, read once; nothing is decided."""

    workspace: ProjectPaths
    review_data: ReviewData
    faces: list[Key]


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("undo") / "project"
    workspace = a_project(root, {"ada": 4, "bob": 2}, groups={"ada": [[0, 1]]})
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    return Project(workspace, review_data, [*review_data.faces_of("ada"), *review_data.faces_of("bob")])


def state(session: ReviewSession, faces: list[Key]) -> dict[str, Any]:
    """All that a reviewer can see of what they said, and what they are asked next."""
    return {
        "verdicts": {(face, step): session.verdict(face, step) for face in faces for step in funnel_steps.reviewed()},
        "labels": sorted(session.votes.corrections().iter_rows()),
        "done": {step: session.done[step] for step in funnel_steps.reviewed()},
        "owed": {face: session.owed_step(face) for face in faces},
    }


def without_skips(now: dict[str, Any]) -> dict[str, Any]:
    """A skip is for this sitting: the next one asks as if nothing had been said."""
    kept = {key: None if said and said[0] == "skip" else said for key, said in now["verdicts"].items()}
    return now | {"verdicts": kept}


def act(session: ReviewSession, verb: str, faces: list[Key], extra: Any) -> list[Key]:
    if verb == "reject":
        return session.reject(faces, extra)
    if verb == "label":
        return session.label(faces, *extra)
    return session.undo() if verb == "undo" else getattr(session, verb)(faces)


# Not shrunk: each try opens the project again, and a failure would take minutes.
@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(actions=st.lists(ACTIONS, max_size=12))
def test_an_undo_goes_back_to_the_state_before_and_a_refusal_changes_nothing(
    six: Project, actions: list[tuple[str, list[int], Any]]
) -> None:
    shutil.rmtree(six.workspace.review, ignore_errors=True)
    session = session_of(six.workspace, six.review_data, REVIEWER, joint=False)
    before: list[dict[str, Any]] = []
    now = state(session, six.faces)
    for verb, numbers, extra in actions:
        lines = ledger.read(six.workspace.review).decisions.height
        try:
            act(session, verb, [six.faces[number] for number in numbers], extra)
        except BadInput:
            assert verb != "undo" or not before, "there is something to undo"
            assert ledger.read(six.workspace.review).decisions.height == lines
        else:
            if verb == "undo":
                now = before.pop()
            else:
                before.append(now)
                now = state(session, six.faces)
        assert state(session, six.faces) == now
    session.close()

    again, _ = open_session(six.workspace, REVIEWER)
    assert state(again, six.faces) == without_skips(now), "the ledger says what the session said"
    for earlier in reversed(before):
        again.undo()
        assert without_skips(state(again, six.faces)) == without_skips(earlier), "a restart forgets no action"
    with pytest.raises(BadInput, match="nothing is left to undo"):
        again.undo()
    again.close()
