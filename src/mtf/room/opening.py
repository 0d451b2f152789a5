"""From a project's files to desks: the tables and the ledger read, and nothing written yet."""

from __future__ import annotations

from datetime import UTC, datetime

from mtf.params import Params
from mtf.review import consensus, ledger
from mtf.room import embeddings, faces
from mtf.room.desk import Desk
from mtf.room.material import Material
from mtf.room.plan import PAGE_FACES, JointPlan, ReviewPlan
from mtf.workspace import Workspace


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
        embeddings=embeddings.load(workspace, shown),
    )
    return material, read.torn


def desk_of(
    workspace: Workspace, material: Material, reviewer: str, *, joint: bool, page_faces: int = PAGE_FACES, seed: int = 0
) -> Desk:
    """A desk with a sitting of its own, for a reviewer's own verdicts or for the joint session they write down."""
    if joint:
        plan: ReviewPlan | JointPlan = JointPlan(material, page_faces=page_faces)
    else:
        plan = ReviewPlan(material, page_faces=page_faces, seed=seed)
    return Desk(ledger.Sitting(workspace.review, reviewer), material, plan, reviewer=reviewer, joint=joint)
