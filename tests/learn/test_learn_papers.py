"""The paper's tables for one's own data."""

from __future__ import annotations

from mtf.learn import papers
from mtf.params import Params

EVALUATED = {
    "race": {
        "random_guess": {"accuracy": 0.25, "precision": 0.2, "recall": 0.25, "f1": 0.2},
        "resnet50": {"accuracy": 0.6006, "precision": 0.4424, "recall": 0.4546, "f1": 0.4339},
        "resnet50-pretrained": {"accuracy": 0.9018, "precision": 0.8895, "recall": 0.8716, "f1": 0.8798},
    }
}
TRAINED = {
    ("resnet50", "race"): {"epochs": 74, "train_minutes": 106.8},
    ("resnet50-pretrained", "race"): {"epochs": 71, "train_minutes": 103.1},
}


def test_a_task_becomes_the_papers_table_with_the_best_figures_bold(sample_params: Params) -> None:
    found = papers.tables(EVALUATED, TRAINED, sample_params.tasks)
    assert papers.markdown(found).splitlines() == [
        "**race** (MTF, Table 6)",
        "",
        "| Model | Training | Accuracy | Precision | Recall | F1 score | Epochs | Minutes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| Random guess | N/A | 25.00% | 20.00% | 25.00% | 20.00% | N/A | N/A |",
        "| resnet50 | From scratch | 60.06% | 44.24% | 45.46% | 43.39% | 74 | 106.8 |",
        "| resnet50 | Pre-trained | **90.18%** | **88.95%** | **87.16%** | **87.98%** | 71 | 103.1 |",
    ]


def test_the_data_behind_the_tables_keeps_shares_and_numbers(sample_params: Params) -> None:
    (table,) = papers.tables(EVALUATED, TRAINED, sample_params.tasks)
    assert table["table"] == 6
    assert table["rows"][2] == {
        "model": "resnet50",
        "training": "Pre-trained",
        **EVALUATED["race"]["resnet50-pretrained"],
        "epochs": 71,
        "minutes": 103.1,
    }
