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
from mtf.training import checkpoint


class RunsCode:
    """A pickle that makes a folder when it is loaded without care."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._folder),)


LOADERS = {
    "a model of this version": checkpoint.load,
    "a label classifier": labeller.load,
}
CARD = {"model": "small_cnn", "task": "race", "labels": ["a", "b"], "input_px": 32, "normalise": "imagenet"}


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
    ],
)
def test_a_file_that_holds_something_else_is_one_line(tmp_path: Path, wanted: str, content: object) -> None:
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(BadInput, match=rf"model\.pt: not {wanted}: [^\n]+$"):
        LOADERS[wanted](path)


@pytest.mark.parametrize("wanted", LOADERS)
def test_a_truncated_file_is_one_line(tmp_path: Path, wanted: str) -> None:
    path = tmp_path / "model.pt"
    torch.save({"weights": {"a": torch.zeros(500)}, "card": CARD}, path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(BadInput, match=rf"model\.pt: not {wanted}: [^\n]+$"):
        LOADERS[wanted](path)
