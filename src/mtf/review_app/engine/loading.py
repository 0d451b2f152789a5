"""Loading of a project into a review session: reads the tables and the ledger, writes no more than `KEPT_CODE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from mtf.annotation import consensus, gold, ledger
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.import_closure import PARAMETERS
from mtf.core.kept_code_digests import kept_code_digest
from mtf.core.project_paths import ProjectPaths
from mtf.curation import certificate
from mtf.faces.embeddings import distinguishes_people
from mtf.review_app.engine import face_table, gold_selection, likeness
from mtf.review_app.engine.certify_plan import CertifyPlan
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_pictures import Pictures, stamps
from mtf.review_app.engine.gold_plan import GoldPlan
from mtf.review_app.engine.gold_writer import GoldWriter
from mtf.review_app.engine.page import Plan
from mtf.review_app.engine.plan import PAGE_FACES, JointPlan, ReviewPlan
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.schemas import FACE

# Named, not imported: the engine knows nothing of FiftyOne.
SAMPLES_CODE = "mtf.review_app.fiftyone.sample_updates"
# Digests of the code that the samples follow from, in build/room.
KEPT_CODE = "code.json"
# Tables that the samples are built from.
TABLES = (
    ("crop", "faces"),
    ("crawl", "images"),
    ("crawl", "evidence"),
    ("screen", "screening"),
    ("label", "hints"),
)


def load_review_data(
    workspace: ProjectPaths, params: Params, *, decisions: Path | None = None
) -> tuple[ReviewData, list[str]]:
    """Review data of a project, and one line of text for each ledger line that was ignored.

    decisions: folder of the answers for the certificate, whose faces are shown without hints; by default the ledger.
    """
    read = ledger.read(decisions or workspace.review)
    permitted = {column: task.labels for column, task in params.attributes.items()}
    consensus.check_labels(read.decisions, permitted)
    faces = face_table.load(workspace, params, today=datetime.now(UTC).date())
    if decisions is not None:
        # Blind: no hint at another person.
        faces = faces.with_columns(also_under=pl.lit(None, pl.String), resembles=pl.lit(None, pl.String))
    review_data = ReviewData(
        faces,
        read,
        box_iou=params.curate.box_iou,
        reviewers=params.curate.reviewers,
        labels=permitted,
        age_column=next((column for column, task in params.attributes.items() if task.years), None),
        embeddings=likeness.load_embeddings(workspace, faces),
        distinguishes_people=distinguishes_people(params.screen),
        **_model_parameters(params, is_review=decisions is None),
    )
    return review_data, read.torn


def _model_parameters(params: Params, *, is_review: bool) -> dict[str, Any]:
    """Parameters of `ReviewData` on the model of the reviewers, which only the review has."""
    if not is_review or params.curate.consensus == "majority":
        return {}
    below = params.review.third_vote_below if params.review.third_votes == "when_in_doubt" else None
    return {"min_confidence": params.curate.min_confidence, "third_vote_below": below}


def with_gold(workspace: ProjectPaths, params: Params, review_data: ReviewData, reviewer: str) -> ReviewData:
    """Review data with gold questions for a reviewer (`params.review.gold_share`); the same without any.

    Call it for a review by one person, not for the joint session.
    """
    answers, _ = gold.read(workspace.review)
    share = params.review.gold_share
    questions = gold_selection.selected(review_data, answers, reviewer=reviewer, share=share, seed=params.seed)
    return review_data.with_gold(questions) if questions.questions else review_data


def load_certification(workspace: ProjectPaths, params: Params) -> tuple[ReviewData, CertifyPlan, list[str]]:
    """Faces with the answers for the certificate, the plan of the questions, and lines that were ignored.

    Raises BadInput without a plan, for one whose data set has changed, and if sampled faces are not shown.
    """
    plan = certificate.read_plan(workspace)
    faces = certificate.curated_faces(workspace, params)
    if plan is None or not certificate.holds(plan, faces):
        raise BadInput("no certificate of this data set is planned; run `mtf review certify`")
    review_data, torn = load_review_data(workspace, params, decisions=workspace.certificate)
    review_data = review_data.since(plan.made_at)
    sampled = [Key(*names) for names in certificate.sample(workspace, faces, plan).select(FACE).iter_rows()]
    hidden = [face for face in sampled if not review_data.has(face)]
    if hidden:
        raise BadInput(
            f"{len(hidden)} sampled faces are not shown any more (license, taken down), such as {hidden[0].identity}/"
            f"{hidden[0].face_id}; run `dvc repro`, then `mtf review certify` again"
        )
    return review_data, CertifyPlan(review_data, sampled), torn


def certification_session(
    workspace: ProjectPaths,
    review_data: ReviewData,
    plan: CertifyPlan,
    reviewer: str,
    *,
    check: Callable[[Sequence[Key]], None] = lambda _: None,
) -> ReviewSession:
    """Session of one person's answers for the certificate; they are no votes, and lie in a folder of their own."""
    writer = ledger.LedgerWriter(workspace.certificate, reviewer)
    return ReviewSession(writer, review_data, plan, reviewer=reviewer, check=check)


class Renewal:
    """Reader of changes to the ledger since the last call, or since it was created."""

    def __init__(self, workspace: ProjectPaths, *, joint: bool, seed: int) -> None:
        self._workspace = workspace
        self._joint = joint
        self._seed = seed
        self._read = self._sizes()

    def _sizes(self) -> dict[str, tuple[int, int]]:
        files = ((path, path.stat()) for path in self._workspace.review.glob("*/*.jsonl"))
        return {str(path): (state.st_size, state.st_mtime_ns) for path, state in files}

    def has_news(self) -> bool:
        return self._sizes() != self._read

    def __call__(self, review_data: ReviewData) -> tuple[ReviewData, Plan] | None:
        """Review data with the ledger's current decisions and a plan for it; None if the ledger has not changed."""
        if (sizes := self._sizes()) == self._read:
            return None
        renewed = review_data.after(ledger.read(self._workspace.review))
        plan = plan_of(renewed, joint=self._joint, seed=self._seed)
        self._read = sizes
        return renewed, plan


class Reading(NamedTuple):
    """Project as read when the review app opens.

    review_data: faces and decisions.
    torn: one line of text for each ledger line that was ignored.
    pictures: reader of the faces' pictures.
    renewed: reader of later changes to the ledger.
    made_from: digest of `samples_made_from`.
    """

    review_data: ReviewData
    torn: list[str]
    pictures: Pictures
    renewed: Renewal
    made_from: str


def read(workspace: ProjectPaths, params: Params, reviewer: str, *, joint: bool, has_gold: bool = False) -> Reading:
    """Read a project. File stamps are taken first, so that changes during and after reading are noticed.

    has_gold: plant gold questions. The screen then shows faces of a page that are rows after `review_data.real`.
    """
    seen = stamps(workspace)
    renewed = Renewal(workspace, joint=joint, seed=params.seed)
    made_from = samples_made_from(workspace, reviewer, joint=joint)
    review_data, torn = load_review_data(workspace, params)
    if has_gold and not joint:
        review_data = with_gold(workspace, params, review_data, reviewer)
    pictures = Pictures(workspace, review_data, seen=seen, max_pixels=params.crawl.max_pixels)
    return Reading(review_data, torn, pictures, renewed, made_from)


def samples_made_from(workspace: ProjectPaths, reviewer: str, *, joint: bool) -> str:
    """Digest of all inputs of a reviewer's samples: with the same digest the samples are the same."""
    made = [workspace.table(*names) for names in TABLES]
    people = [workspace.params, workspace.roster, workspace.takedowns, workspace.attribution]
    files = [*made, *people, *sorted(workspace.review.rglob("*.jsonl"))]
    digests = {workspace.relative(path): file_digest(path) for path in files if path.is_file()}
    # Parameters come from their file, their defaults from the code.
    code = digest_of_code(workspace, __name__, SAMPLES_CODE, PARAMETERS)
    return fingerprint(reviewer, joint, str(datetime.now(UTC).date()), digests, code)


def digest_of_code(workspace: ProjectPaths, *roots: str) -> str:
    """`code_digest` of modules, kept in the project's room."""
    return kept_code_digest(*roots, file=workspace.stage("room") / KEPT_CODE)


def session_of(
    workspace: ProjectPaths,
    review_data: ReviewData,
    reviewer: str,
    *,
    joint: bool,
    page_faces: int = PAGE_FACES,
    seed: int = 0,
    check: Callable[[Sequence[Key]], None] = lambda _: None,
) -> ReviewSession:
    """Review session with its own ledger writer, for a reviewer or for the joint session that they record."""
    plan = plan_of(review_data, joint=joint, page_faces=page_faces, seed=seed)
    questions = review_data.gold
    writer = (
        GoldWriter(workspace.review, reviewer, review_data, questions)
        if questions
        else ledger.LedgerWriter(workspace.review, reviewer)
    )
    return ReviewSession(writer, review_data, plan, reviewer=reviewer, joint=joint, check=check)


def plan_of(review_data: ReviewData, *, joint: bool, page_faces: int = PAGE_FACES, seed: int = 0) -> Plan:
    """Plan of a reviewer, with the gold questions of `review_data`, or of the joint session."""
    if joint:
        return JointPlan(review_data, page_faces=page_faces)
    plan = ReviewPlan(review_data.real, page_faces=page_faces, seed=seed)
    return GoldPlan(plan, review_data, review_data.gold, seed=seed) if review_data.gold else plan
