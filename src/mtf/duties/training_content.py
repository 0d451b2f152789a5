"""Public summary of training content, in the structure of the AI Office's template of 24 July 2025.

Regulation (EU) 2024/1689, article 53(1)(d); Communication C(2025) 5235, "Explanatory Notice and Template for the Public
Summary of Training Content for general-purpose AI models".
"""

from __future__ import annotations

from mtf.duties import composition, origin
from mtf.duties.document import Item, Section, Template

SUMMARY = Template(
    name="training_content_summary",
    title="Public summary of training content",
    source="Regulation (EU) 2024/1689 (AI Act), article 53(1)(d); template of the AI Office, 24 July 2025",
    sections=(
        Section(
            "1. General information",
            (
                Item("provider", "1.1 Provider: name and contact", (origin.removal_contact,), by_people=True),
                Item("authorised_representative", "1.1 Authorised representative", optional=True),
                Item("model_names", "1.2 Versioned names of the models", (composition.release, composition.models)),
                Item("model_dependencies", "1.2 Dependencies of the models", (composition.pretrained,)),
                Item("market_date", "1.2 Date of placement on the Union market", by_people=True),
                Item("modalities", "1.3 Modalities and size of the training data", (composition.size_class,)),
                Item("content_types", "1.3 Types of content", (composition.data_set, composition.tasks)),
                Item("latest_acquisition", "1.3 Latest date of acquisition", (origin.latest,)),
                Item("characteristics", "1.3 Other characteristics", (composition.shares,)),
            ),
        ),
        Section(
            "2. List of data sources",
            (
                Item("public_datasets", "2.1 Publicly available data sets", (origin.data_sets,)),
                Item("private_datasets", "2.2 Private data sets obtained from third parties", (origin.local_files,)),
                Item(
                    "crawled_data",
                    "2.3 Data crawled and scraped from online sources",
                    (origin.crawled, origin.addresses),
                ),
                Item("crawler", "2.3 Crawler: name and behaviour", (origin.crawler, origin.crawler_behaviour)),
                Item("crawl_period", "2.3 Period of collection", (origin.period,)),
                Item("main_domains", "2.3 Most relevant domain names", (origin.main_domains,)),
                Item("user_data", "2.4 User data", (origin.consents,), by_people=True),
                Item("synthetic_data", "2.5 Synthetic data", by_people=True),
                Item("other_sources", "2.6 Other sources", optional=True),
            ),
        ),
        Section(
            "3. Relevant data processing aspects",
            (
                Item(
                    "opt_outs",
                    "3.1 Respect of reservations of rights (text and data mining)",
                    (
                        origin.binding_signals,
                        origin.opted_out_addresses,
                        origin.opted_out_pictures,
                        origin.opted_out_faces,
                    ),
                ),
                Item(
                    "removal",
                    "3.2 Removal on request",
                    (origin.removals, origin.erasures, origin.refused_as_taken_down, origin.removal_contact),
                ),
                Item("illegal_content", "3.2 Removal of illegal content", by_people=True),
                Item("other_processing", "3.3 Other information", (origin.licenses,), optional=True),
            ),
        ),
    ),
)
