"""Crowdwork sheet: who reviewed the pictures, how they were asked and paid, and how far they agree.

Díaz et al. (2022), "CrowdWorkSheets: Accounting for Individual and Collective Identities Underlying Crowdsourced
Dataset Annotation", FAccT 2022; its five stages are the sections.
"""

from __future__ import annotations

from mtf.duties import composition
from mtf.duties.document import Item, Section, Template

CROWDWORK = Template(
    name="crowdwork_sheet",
    title="Crowdwork sheet",
    source="Díaz et al., CrowdWorkSheets (FAccT 2022), https://doi.org/10.1145/3531146.3534647",
    sections=(
        Section(
            "Task formulation",
            (
                Item("review_questions", "Questions that the reviewers were asked", (composition.review_steps,)),
                Item("review_instructions", "Instructions, with examples and hard cases", by_people=True),
                Item("subjective_aspects", "Aspects of the task that are matters of judgement", by_people=True),
            ),
        ),
        Section(
            "Selection of the reviewers",
            (
                Item("reviewers", "Who reviewed", (composition.decisions, composition.decisions_each)),
                Item(
                    "reviewer_selection",
                    "How they were chosen, and whose perspectives are represented",
                    answers=("annotators",),
                    by_people=True,
                ),
                Item("name_reviewers", "May the reviewers be named here? (yes or no)", optional=True),
            ),
        ),
        Section(
            "Platform and infrastructure",
            (
                Item("review_platform", "Platform, and its terms for the reviewers", by_people=True),
                Item("pay", "Pay, and how it compares with the minimum wage", answers=("collectors",), by_people=True),
                Item("review_support", "Contact, breaks, and the right to stop", by_people=True),
            ),
        ),
        Section(
            "Analysis and evaluation",
            (
                Item("agreement", "Agreement of the reviewers", (composition.agreement, composition.consensus)),
                Item(
                    "disagreement",
                    "What becomes of disagreement",
                    (composition.review_mode, composition.verdicts, composition.held_back),
                ),
            ),
        ),
        Section(
            "Release and maintenance",
            (
                Item("decisions_released", "Decisions that are released, and their anonymity", by_people=True),
                Item("annotation_maintenance", "How wrong annotations are reported and corrected", by_people=True),
            ),
        ),
    ),
)
