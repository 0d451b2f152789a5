"""File under the AI Act, article 10(2): data governance of a high-risk system.

Regulation (EU) 2024/1689, article 10(2), points (a) to (h).
"""

from __future__ import annotations

from mtf.duties import composition, origin
from mtf.duties.document import Item, Section, Template

DATA_GOVERNANCE = Template(
    name="ai_act_article_10",
    title="Data governance of the training, validation and testing data",
    source="Regulation (EU) 2024/1689 (AI Act), article 10(2), points (a) to (h)",
    sections=(
        Section(
            "(a) Relevant design choices",
            (
                Item(
                    "design_choices",
                    "Design choices, and their reasons",
                    (composition.data_set, composition.tasks, composition.splits, origin.basis, composition.detector),
                    answers=("purpose",),
                    by_people=True,
                ),
            ),
        ),
        Section(
            "(b) Data collection, origin, and original purpose",
            (
                Item(
                    "data_collection",
                    "Processes of collection, and origin of the data",
                    (
                        origin.sources,
                        origin.crawled,
                        origin.period,
                        origin.addresses,
                        origin.evidence,
                        origin.consents,
                    ),
                ),
                Item("original_purpose", "Original purpose of the collection of the personal data", by_people=True),
            ),
        ),
        Section(
            "(c) Data preparation",
            (
                Item(
                    "data_preparation",
                    "Annotation, labelling, cleaning, updating, enrichment and aggregation",
                    (
                        composition.detected,
                        composition.labels_from_roster,
                        composition.review_mode,
                        composition.decisions,
                        composition.funnel,
                        composition.exclusions,
                    ),
                ),
            ),
        ),
        Section(
            "(d) Assumptions",
            (
                Item(
                    "assumptions",
                    "Assumptions on what the data measure and represent",
                    (composition.labels_from_roster,),
                    answers=("limitations",),
                    by_people=True,
                ),
            ),
        ),
        Section(
            "(e) Availability, quantity and suitability",
            (
                Item(
                    "availability",
                    "Availability and quantity",
                    (composition.data_set, composition.images_per_person, composition.missing_people),
                ),
                Item("suitability", "Suitability of the data for the intended purpose", by_people=True),
            ),
        ),
        Section(
            "(f) Possible biases",
            (
                Item(
                    "bias_examination",
                    "Examination in view of biases that may harm people or lead to discrimination",
                    (composition.shares, composition.gaps, composition.agreement),
                    by_people=True,
                ),
            ),
        ),
        Section(
            "(g) Measures against biases",
            (
                Item(
                    "bias_measures",
                    "Measures to detect, prevent and mitigate the biases of (f)",
                    (composition.gates, composition.held_back),
                    by_people=True,
                ),
            ),
        ),
        Section(
            "(h) Data gaps and shortcomings",
            (
                Item(
                    "data_gaps",
                    "Gaps or shortcomings that prevent compliance, and how they can be addressed",
                    (composition.gaps, composition.missing_people, composition.exclusions),
                    by_people=True,
                ),
            ),
        ),
    ),
)
