"""From a project's files to desks: the tables and the ledger read, and nothing written yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from mtf.annotation import consensus, ledger
from mtf.config import Params
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.import_closure import PARAMETERS
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine import face_table, likeness
from mtf.review_app.engine.face_pictures import Pictures, stamps
from mtf.review_app.engine.page import Plan
from mtf.review_app.engine.plan import PAGE_FACES, JointPlan, ReviewPlan
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.review_app.engine.session import ReviewSession

# Named, not imported: the engine knows nothing of FiftyOne.
SAMPLES_CODE = "mtf.review_app.fiftyone.sample_updates"
# What the samples are made from.
TABLES = (
    ("crop", "faces"),
    ("crawl", "images"),
    ("crawl", "evidence"),
    ("screen", "screening"),
    ("label", "hints"),
)


def material_of(workspace: ProjectPaths, params: Params) -> tuple[ReviewData, list[str]]:
    """The faces and the ledger of a project, and what of the ledger was ignored, in one line each."""
    read = ledger.read(workspace.review)
    permitted = {column: task.labels for column, task in params.attributes.items()}
    consensus.check_labels(read.decisions, permitted)
    shown = face_table.load(workspace, params, today=datetime.now(UTC).date())
    material = ReviewData(
        shown,
        read,
        box_iou=params.curate.box_iou,
        reviewers=params.curate.reviewers,
        labels=permitted,
        age_column=next((column for column, task in params.attributes.items() if task.years), None),
        embeddings=likeness.load_embeddings(workspace, shown),
    )
    return material, read.torn


class Renewal:
    """Reads the ledger again where it has changed since the last time; at first, since this was made."""

    def __init__(self, workspace: ProjectPaths, *, joint: bool, seed: int) -> None:
        self._workspace = workspace
        self._joint = joint
        self._seed = seed
        self._read = self._sizes()

    def _sizes(self) -> dict[str, tuple[int, int]]:
        sittings = ((path, path.stat()) for path in self._workspace.review.glob("*/*.jsonl"))
        return {str(path): (state.st_size, state.st_mtime_ns) for path, state in sittings}

    def has_news(self) -> bool:
        return self._sizes() != self._read

    def __call__(self, material: ReviewData) -> tuple[ReviewData, Plan] | None:
        """The material after what the ledger says by now, and a plan for it; None where it says nothing new."""
        if (sizes := self._sizes()) == self._read:
            return None
        renewed = material.after(ledger.read(self._workspace.review))
        plan = plan_of(renewed, joint=self._joint, seed=self._seed)
        self._read = sizes
        return renewed, plan


class Reading(NamedTuple):
    """What a room is opened with. `torn` says what of the ledger was ignored; `made_from` is `samples_made_from`."""

    material: ReviewData
    torn: list[str]
    pictures: Pictures
    renewed: Renewal
    made_from: str


def read(workspace: ProjectPaths, params: Params, reviewer: str, *, joint: bool) -> Reading:
    """Read a project. What it is read from is noted first: whatever is written meanwhile is noticed afterwards."""
    seen = stamps(workspace)
    renewed = Renewal(workspace, joint=joint, seed=params.seed)
    made_from = samples_made_from(workspace, reviewer, joint=joint)
    material, torn = material_of(workspace, params)
    pictures = Pictures(workspace, material, seen=seen, max_pixels=params.crawl.max_pixels)
    return Reading(material, torn, pictures, renewed, made_from)


def samples_made_from(workspace: ProjectPaths, reviewer: str, *, joint: bool) -> str:
    """A digest of all that a reviewer's samples are made from: where it is the same, so are they."""
    made = [workspace.table(*names) for names in TABLES]
    people = [workspace.params, workspace.roster, workspace.takedowns, workspace.attribution]
    files = [*made, *people, *sorted(workspace.review.glob("*/*.jsonl"))]
    digests = {workspace.relative(path): file_digest(path) for path in files if path.is_file()}
    # Parameters come from their file, their defaults from the code.
    code = [__name__, SAMPLES_CODE, PARAMETERS]
    return fingerprint(reviewer, joint, str(datetime.now(UTC).date()), digests, code=code)


def desk_of(
    workspace: ProjectPaths,
    material: ReviewData,
    reviewer: str,
    *,
    joint: bool,
    page_faces: int = PAGE_FACES,
    seed: int = 0,
    check: Callable[[Sequence[Key]], None] = lambda _: None,
) -> ReviewSession:
    """A desk with a sitting of its own, for a reviewer's own verdicts or for the joint session they write down."""
    plan = plan_of(material, joint=joint, page_faces=page_faces, seed=seed)
    sitting = ledger.LedgerWriter(workspace.review, reviewer)
    return ReviewSession(sitting, material, plan, reviewer=reviewer, joint=joint, check=check)


def plan_of(
    material: ReviewData, *, joint: bool, page_faces: int = PAGE_FACES, seed: int = 0
) -> ReviewPlan | JointPlan:
    if joint:
        return JointPlan(material, page_faces=page_faces)
    return ReviewPlan(material, page_faces=page_faces, seed=seed)
