"""Batches: every example once an epoch, and never one alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtf.config import Recipe
from mtf.core.errors import BadInput
from mtf.training import classifier, data, trainer


def examples(count: int) -> data.Examples:
    pictures = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return data.Examples(pictures, np.arange(count), np.arange(count) % 2)


@pytest.mark.parametrize(
    ("count", "batch", "sizes"),
    [
        (9, 4, [4, 5]),
        (8, 4, [4, 4]),
        (10, 4, [4, 4, 2]),
        (3, 2, [3]),
        (5, 4, [5]),
        (4, 5, [4]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_an_example_left_over_joins_the_batch_before_it(count: int, batch: int, sizes: list[int]) -> None:
    loader = data.loader(examples(count), batch=batch, shuffle_seed=7)
    for _ in range(2):
        assert [len(targets) for _, targets in loader] == sizes
    assert len(loader) == len(sizes)


def test_an_epoch_has_every_example_once_in_an_order_of_its_own() -> None:
    rows = examples(9)
    loader = data.loader(data.Examples(rows.pictures, rows.rows, np.arange(9)), batch=4, shuffle_seed=7)
    first, second = ([int(row) for _, targets in loader for row in targets] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(9))
    assert first != second


def test_without_a_seed_the_order_is_kept() -> None:
    batches = [targets.tolist() for _, targets in data.loader(examples(7), batch=3)]
    assert batches == [[0, 1, 0], [1, 0, 1, 0]]


def test_a_single_example_is_nothing_to_learn_from() -> None:
    with pytest.raises(BadInput, match="1 train image; at least two are needed"):
        data.loader(examples(1), batch=4, shuffle_seed=7)


@pytest.mark.train
def test_a_network_that_normalises_over_the_batch_trains_on_one_example_too_many(tmp_path: Path) -> None:
    """As ResNet-50 and FaceNet at small inputs: their last maps are one pixel, so a batch of one has no deviation."""
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 16), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.zeros(1, 3, 16, 16))
    recipe = Recipe(max_epochs=2, batch=4)
    fitted = trainer.fit_classifier(
        network, examples(9), examples(3), recipe=recipe, batch=4, labels=2, seed=1, curves=tmp_path / "curves"
    )
    assert fitted.epochs == 2


@pytest.mark.train
def test_a_cosine_ends_with_the_last_step_of_the_last_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine examples by four are two steps, not three: the schedule is told what the loader gives."""
    told: list[int] = []
    made = classifier.Classifier.__init__

    def watched(self: classifier.Classifier, *given: object, steps_per_epoch: int, **named: object) -> None:
        told.append(steps_per_epoch)
        made(self, *given, steps_per_epoch=steps_per_epoch, **named)

    monkeypatch.setattr(classifier.Classifier, "__init__", watched)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16 * 16 * 3, 2))
    trainer.fit_classifier(
        network,
        examples(9),
        examples(3),
        recipe=Recipe(max_epochs=1, batch=4, schedule="cosine"),
        batch=4,
        labels=2,
        seed=1,
        curves=tmp_path / "curves",
    )
    assert told == [2]


def test_batches_are_copies_of_the_rows_asked_for_and_never_of_all(tmp_path: Path) -> None:
    np.save(tmp_path / "pictures.npy", np.arange(10 * 4 * 4 * 3, dtype=np.uint16).astype(np.uint8).reshape(10, 4, 4, 3))
    mapped = np.load(tmp_path / "pictures.npy", mmap_mode="r")
    rows = np.array([7, 2, 9, 0, 4])
    found = list(data.batches(mapped, rows, size=2))
    assert [len(each) for each in found] == [2, 2, 1]
    assert not any(np.shares_memory(each, mapped) for each in found)
    assert np.array_equal(np.concatenate(found), mapped[rows])
    assert np.array_equal(np.concatenate(list(data.batches(mapped, None, size=3))), mapped)
