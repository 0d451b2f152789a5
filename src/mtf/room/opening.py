"""From a project's files to desks: the tables and the ledger read, and nothing written yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from mtf.fingerprint import file_digest, fingerprint
from mtf.import_closure import PARAMETERS
from mtf.params import Params
from mtf.review import consensus, ledger
from mtf.room import embeddings, faces, shown
from mtf.room.desk import Desk
from mtf.room.material import Key, Material
from mtf.room.media import Pictures, stamps
from mtf.room.page import Plan
from mtf.room.plan import PAGE_FACES, JointPlan, ReviewPlan
from mtf.workspace import Workspace

# What the samples are made from.
TABLES = (
    ("crop", "faces"),
    ("crawl", "images"),
    ("crawl", "evidence"),
    ("screen", "screening"),
    ("label", "hints"),
)


def material_of(workspace: Workspace, params: Params) -> tuple[Material, list[str]]:
    """The faces and the ledger of a project, and what of the ledger was ignored, in one line each."""
    read = ledger.read(workspace.review)
    permitted = {column: task.labels for column, task in params.attributes.items()}
    consensus.check_labels(read.decisions, permitted)
    shown = faces.load(workspace, params, today=datetime.now(UTC).date())
    material = Material(
        shown,
        read,
        box_iou=params.curate.box_iou,
        reviewers=params.curate.reviewers,
        labels=permitted,
        age_column=next((column for column, task in params.attributes.items() if task.years), None),
        embeddings=embeddings.load(workspace, shown),
    )
    return material, read.torn


class Renewal:
    """Reads the ledger again where it has changed since the last time; at first, since this was made."""

    def __init__(self, workspace: Workspace, *, joint: bool, seed: int) -> None:
        self._workspace = workspace
        self._joint = joint
        self._seed = seed
        self._read = self._sizes()

    def _sizes(self) -> dict[str, tuple[int, int]]:
        sittings = ((path, path.stat()) for path in self._workspace.review.glob("*/*.jsonl"))
        return {str(path): (state.st_size, state.st_mtime_ns) for path, state in sittings}

    def has_news(self) -> bool:
        return self._sizes() != self._read

    def __call__(self, material: Material) -> tuple[Material, Plan] | None:
        """The material after what the ledger says by now, and a plan for it; None where it says nothing new."""
        if (sizes := self._sizes()) == self._read:
            return None
        renewed = material.after(ledger.read(self._workspace.review))
        plan = plan_of(renewed, joint=self._joint, seed=self._seed)
        self._read = sizes
        return renewed, plan


class Reading(NamedTuple):
    """What a room is opened with. `torn` says what of the ledger was ignored; `made_from` is `samples_made_from`."""

    material: Material
    torn: list[str]
    pictures: Pictures
    renewed: Renewal
    made_from: str


def read(workspace: Workspace, params: Params, reviewer: str, *, joint: bool) -> Reading:
    """Read a project. What it is read from is noted first: whatever is written meanwhile is noticed afterwards."""
    seen = stamps(workspace)
    renewed = Renewal(workspace, joint=joint, seed=params.seed)
    made_from = samples_made_from(workspace, reviewer, joint=joint)
    material, torn = material_of(workspace, params)
    pictures = Pictures(workspace, material, seen=seen, max_pixels=params.crawl.max_pixels)
    return Reading(material, torn, pictures, renewed, made_from)


def samples_made_from(workspace: Workspace, reviewer: str, *, joint: bool) -> str:
    """A digest of all that a reviewer's samples are made from: where it is the same, so are they."""
    made = [workspace.table(*names) for names in TABLES]
    people = [workspace.params, workspace.roster, workspace.takedowns, workspace.attribution]
    files = [*made, *people, *sorted(workspace.review.glob("*/*.jsonl"))]
    digests = {workspace.relative(path): file_digest(path) for path in files if path.is_file()}
    # This module reads, `shown` fills the samples; parameters come from their file, their defaults from the code.
    code = [__name__, shown.__name__, PARAMETERS]
    return fingerprint(reviewer, joint, str(datetime.now(UTC).date()), digests, code=code)


def desk_of(
    workspace: Workspace,
    material: Material,
    reviewer: str,
    *,
    joint: bool,
    page_faces: int = PAGE_FACES,
    seed: int = 0,
    check: Callable[[Sequence[Key]], None] = lambda _: None,
) -> Desk:
    """A desk with a sitting of its own, for a reviewer's own verdicts or for the joint session they write down."""
    plan = plan_of(material, joint=joint, page_faces=page_faces, seed=seed)
    sitting = ledger.Sitting(workspace.review, reviewer)
    return Desk(sitting, material, plan, reviewer=reviewer, joint=joint, check=check)


def plan_of(material: Material, *, joint: bool, page_faces: int = PAGE_FACES, seed: int = 0) -> ReviewPlan | JointPlan:
    if joint:
        return JointPlan(material, page_faces=page_faces)
    return ReviewPlan(material, page_faces=page_faces, seed=seed)
