"""Public summary of training content, in the structure of the AI Office's template of 24 July 2025.

Regulation (EU) 2024/1689, article 53(1)(d); "Explanatory Notice and Template for the Public Summary of Training Content
for general-purpose AI models", Communication C(2025) 8311 of 5 December 2025. Numbers and headings are the template's,
as in published summaries; where an item joins fields, its title names them. Removal on request is no field of it.
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
                Item("summary_version", "Version of the summary", (composition.release,), optional=True),
                Item("provider", "1.1 Provider name and contact details", (origin.project_contact,), by_people=True),
                Item(
                    "authorised_representative", "1.1 Authorised representative name and contact details", optional=True
                ),
                Item("model_names", "1.2 Versioned model names", (composition.models,)),
                Item("model_dependencies", "1.2 Model dependencies", (composition.pretrained,)),
                Item("market_date", "1.2 Date of placement of the model on the Union market", by_people=True),
                Item("modalities", "1.3 Modality and training data size", (composition.size_class,)),
                Item("content_types", "1.3 Types of content", (composition.data_set, composition.tasks)),
                Item("latest_acquisition", "1.3 Latest date of data acquisition", (origin.latest,)),
                Item(
                    "characteristics",
                    "1.3 Linguistic and other characteristics of the training data",
                    (composition.shares,),
                ),
            ),
        ),
        Section(
            "2. List of data sources",
            (
                Item("public_datasets", "2.1 Publicly available datasets", (origin.data_sets,)),
                Item(
                    "licensed_datasets",
                    "2.2.1 Datasets commercially licensed by rightsholders or their representatives",
                    by_people=True,
                ),
                Item(
                    "private_datasets",
                    "2.2.2 Private datasets obtained from other third parties",
                    (origin.local_files,),
                ),
                Item(
                    "crawled_data",
                    "2.3 Data crawled and scraped from online sources",
                    (origin.crawled, origin.addresses),
                ),
                Item("crawler", "2.3 Crawler name and behaviour", (origin.crawler, origin.crawler_behaviour)),
                Item("crawler_purposes", "2.3 Purposes of the crawler", (composition.purposes,)),
                Item("crawl_period", "2.3 Period of data collection", (origin.period,)),
                Item("main_domains", "2.3 Most relevant domain names crawled", (origin.main_domains,)),
                Item("user_data", "2.4 User data", (origin.consents,), by_people=True),
                Item("synthetic_data", "2.5 Synthetic data", by_people=True),
                Item("other_sources", "2.6 Other sources of data", optional=True),
            ),
        ),
        Section(
            "3. Data processing aspects",
            (
                Item(
                    "code_of_practice",
                    "3.1 Signatory to the Code of Practice for general-purpose AI models (yes or no)",
                    by_people=True,
                ),
                Item(
                    "opt_outs",
                    "3.1 Respect of reservation of rights from text and data mining exception or limitation",
                    (
                        origin.binding_signals,
                        origin.opted_out_addresses,
                        origin.opted_out_pictures,
                        origin.opted_out_faces,
                    ),
                ),
                Item("illegal_content", "3.2 Removal of illegal content", by_people=True),
                Item(
                    "removal",
                    "3.3 Other information: removal on request",
                    (origin.removals, origin.erasures, origin.refused_as_taken_down, origin.removal_contact),
                ),
                Item("other_processing", "3.3 Other information: licenses", (origin.licenses,), optional=True),
            ),
        ),
    ),
)
