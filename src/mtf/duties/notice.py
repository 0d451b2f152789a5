"""Notice to the people whose data were not obtained from them.

Regulation (EU) 2016/679 (GDPR), article 14, paragraphs 1 and 2.
"""

from __future__ import annotations

from mtf.duties import composition, origin
from mtf.duties.document import Item, Section, Template
from mtf.duties.tables import View


def recipients(view: View) -> str:
    release = view.params.release
    return f"Whoever receives the release receives the pictures; the release is under {release.license}."


def access(view: View) -> str:
    return (
        f"You may ask at {view.params.project.contact} for access to all data that are held about you, for "
        "rectification, erasure or restriction, and for the data in a form that machines read; and you may object to "
        "the processing."
    )


ARTICLE_14 = Template(
    name="gdpr_article_14",
    title="Information for the people shown",
    source="Regulation (EU) 2016/679 (GDPR), article 14(1) and (2)",
    sections=(
        Section(
            "Who processes your data, what for, and which",
            (
                Item("controller", "14(1)(a) Controller and contact", (origin.project_contact,), by_people=True),
                Item("data_protection_officer", "14(1)(b) Data protection officer", optional=True),
                Item(
                    "legal_basis",
                    "14(1)(c) Purposes, and legal basis",
                    (composition.purposes, composition.tasks, origin.basis),
                    answers=("purpose",),
                    by_people=True,
                ),
                Item(
                    "categories",
                    "14(1)(d) Categories of personal data",
                    (
                        composition.categories,
                        composition.data_set,
                        composition.biometric,
                        composition.racial,
                        composition.consent_categories,
                    ),
                ),
                Item("recipients", "14(1)(e) Recipients", (recipients,), answers=("third_parties",)),
                Item("transfers", "14(1)(f) Transfers to third countries", by_people=True),
            ),
        ),
        Section(
            "What you should know, and what you may ask for",
            (
                Item("storage_period", "14(2)(a) Period of storage", by_people=True),
                Item("legitimate_interests", "14(2)(b) Legitimate interests, if they are the basis", by_people=True),
                Item("rights", "14(2)(c) Your rights", (access, origin.removal_contact)),
                Item(
                    "withdrawal",
                    "14(2)(d) Withdrawal of a consent",
                    (origin.withdrawal, origin.consents),
                    optional=True,
                ),
                Item("supervisory_authority", "14(2)(e) Complaint to a supervisory authority", by_people=True),
                Item(
                    "data_source",
                    "14(2)(f) Source of the data, and if it is public",
                    (origin.sources, origin.main_domains, origin.period),
                ),
                Item("automated_decisions", "14(2)(g) Automated decisions", by_people=True),
            ),
        ),
    ),
)
