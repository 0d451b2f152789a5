"""Files of trained networks that are damaged or malicious: one line, and no code of theirs is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from mtf.core.errors import BadInput
from mtf.label_classifier import labeller
from mtf.training import checkpoint, trained_network
from mtf.training.networks import registry


class RunsCode:
    """A pickle that makes a folder when it is loaded without care."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._folder),)


LOADERS = {
    "a model of this version": checkpoint.load,
    "a label classifier": labeller.load,
    "a network of this version": trained_network.load,
}
# Loaders of files that a user names; a stage reads its own files.
OF_USERS = {
    "a label classifier": "make one with `mtf label fit`",
    "a network of this version": "`mtf train` and `mtf multitask` make one",
}
CARD = {"model": "small_cnn", "task": "race", "labels": ["a", "b"], "input_px": 32, "normalise": "imagenet"}

# Whole but for what each case changes: both files would be read.
WHOLE = CARD | {"recipe": "small", "seed": 1, "epochs": 1, "best_epoch": 1, "best_val_loss": 0.5, "training_images": 4}
SMALL_CNN = registry.build("small_cnn", 2).state_dict()
LOGISTIC = {
    **{"attribute": "race", "labels": ["a", "b"], "name": "logistic", "temperature": 1.0},
    "state": {"weights": torch.zeros(2, 48 * 48, dtype=torch.float64), "bias": torch.zeros(2, dtype=torch.float64)},
}


def test_the_files_that_the_cases_below_change_can_be_read(tmp_path: Path) -> None:
    torch.save({"weights": SMALL_CNN, "card": WHOLE}, tmp_path / "model.pt")
    torch.save({"labellers": [LOGISTIC]}, tmp_path / "classifier.pt")
    assert checkpoint.load(tmp_path / "model.pt")[1].labels == labeller.load(tmp_path / "classifier.pt")[0].labels


@pytest.mark.parametrize("wanted", LOADERS)
def test_code_in_a_pickle_is_not_run(tmp_path: Path, wanted: str) -> None:
    path, trace = tmp_path / "model.pt", tmp_path / "trace"
    path.write_bytes(pickle.dumps({"weights": RunsCode(trace), "labellers": [], "card": {}}))
    with pytest.raises(BadInput, match=rf"model\.pt: not {wanted}: [^\n]+$"):
        LOADERS[wanted](path)
    assert not trace.exists()


@pytest.mark.parametrize("wanted", LOADERS)
@pytest.mark.parametrize(
    "content",
    [
        None,
        [1, 2],
        {"weights": 3, "card": []},
        {"weights": {"a": torch.zeros(2)}, "card": CARD},
        {"weights": {}, "card": CARD | {"model": "resnet51"}},
        {"labellers": 3},
        {"labellers": [{"attribute": "race", "labels": None}]},
        {"labellers": [{"attribute": "race", "labels": ["a"], "name": "lenet", "state": 7, "temperature": "hot"}]},
        {"labellers": [LOGISTIC | {"temperature": "hot"}]},
        {"labellers": [LOGISTIC | {"temperature": float("nan")}]},
        {"labellers": [LOGISTIC | {"labels": [1, 2]}]},
        {
            "labellers": [
                LOGISTIC | {"name": "alexnet", "state": {"input_px": 10**9, "normalise": "none", "weights": {}}}
            ]
        },
        {"weights": SMALL_CNN, "card": WHOLE | {"normalise": "magic"}},
        {"weights": SMALL_CNN, "card": WHOLE | {"input_px": 10**9}},
        {"weights": SMALL_CNN, "card": WHOLE | {"labels": ["a"]}},
        {"conv.weight": torch.zeros(2)},
        {"weights": SMALL_CNN, "card": {"backbone": "small_cnn", "labels": {"race": ["a", "b"]}}},
    ],
)
def test_a_file_that_holds_something_else_is_one_line(tmp_path: Path, wanted: str, content: object) -> None:
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(BadInput, match=rf"model\.pt: not {wanted}: [^\n]+$") as refused:
        LOADERS[wanted](path)
    if wanted in OF_USERS:
        said = f"{path}: not {wanted}: a torch file of something else, or of another version; {OF_USERS[wanted]}"
        assert str(refused.value) == said


@pytest.mark.parametrize("wanted", LOADERS)
def test_a_truncated_file_is_one_line(tmp_path: Path, wanted: str) -> None:
    path = tmp_path / "model.pt"
    torch.save({"weights": {"a": torch.zeros(500)}, "card": CARD}, path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(BadInput, match=rf"model\.pt: not {wanted}: [^\n]+$"):
        LOADERS[wanted](path)
