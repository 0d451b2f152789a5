"""Recipes: rates, weights of a balanced loss, and the random changes of training."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from mtf import config as typed
from mtf.config import Params, Recipe
from mtf.core.errors import BadInput
from mtf.pipeline import evaluate, train
from mtf.training import augmentation, data
from mtf.training import recipe as recipes
from mtf.training import trainer as loop
from training_project import write_project


def rates(recipe: Recipe, *, steps_per_epoch: int) -> list[float]:
    """The rate of every step of the recipe, by the real optimizer and schedule."""
    optimizer = recipes.optimizer(recipe, [torch.nn.Parameter(torch.zeros(1))])
    factor = recipes.learning_rate_factor(recipe, steps_per_epoch=steps_per_epoch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    found = []
    for _ in range(recipe.max_epochs * steps_per_epoch):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


def test_a_recipe_whose_name_dvc_would_take_apart_is_refused(sample_params: Params) -> None:
    raw = sample_params.model_dump(mode="json")
    raw["train"]["recipes"]["mtf-v1_2"] = {}
    typed.parse(raw)
    raw["train"]["recipes"]["mtf.v2"] = {}
    with pytest.raises(BadInput, match=r"recipes: 'mtf\.v2' is not a name; permitted: letters, digits, `_` and `-`"):
        typed.parse(raw)


def test_the_papers_recipe_divides_the_rate_by_ten_every_twenty_epochs(sample_params: Params) -> None:
    recipe = sample_params.train.recipes["mtf"]
    per_epoch = rates(recipe, steps_per_epoch=3)[::3]
    expected = np.repeat([1e-3, 1e-4, 1e-5, 1e-6, 1e-7], 20)
    np.testing.assert_allclose(per_epoch, expected)
    assert isinstance(recipes.optimizer(recipe, [torch.nn.Parameter(torch.zeros(1))]), torch.optim.Adam)
    assert (recipe.max_epochs, recipe.patience, recipe.stop_on) == (100, 5, "train_loss")


def test_the_papers_batches_are_128_and_32_for_the_two_large_networks(sample_params: Params) -> None:
    recipe = sample_params.train.recipes["mtf"]
    names = ("mobilenet_v3_large", "alexnet", "resnet50", "vgg16", "convnext_base")
    assert [recipes.batch_of(recipe, name) for name in names] == [128, 128, 128, 32, 32]


def test_a_cosine_rises_through_its_warm_up_and_falls_towards_nothing() -> None:
    recipe = Recipe(learning_rate=1.0, schedule="cosine", warmup_epochs=2, max_epochs=10)
    found = rates(recipe, steps_per_epoch=5)
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10)
    assert found[10] == pytest.approx(1.0)
    assert found[30] == pytest.approx(0.5)  # half of the forty steps after the warm-up
    assert all(later < earlier for earlier, later in itertools.pairwise(found[10:]))
    assert found[-1] < 0.01


def test_balanced_weights_equal_scikit_learns_and_pass_over_absent_labels() -> None:
    targets = np.array([0] * 7 + [1] * 2 + [3])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=targets)
    weights = recipes.balanced_weights(np.bincount(targets, minlength=5)).numpy()
    np.testing.assert_allclose(weights[[0, 1, 3]], expected, rtol=1e-6)
    assert weights[2] == weights[4] == 0


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", augmentation.AUGMENTATIONS)
def test_a_change_keeps_shape_and_range_and_differs_from_picture_to_picture(name: str, pictures: torch.Tensor) -> None:
    torch.manual_seed(2)
    same = pictures[:1].expand(64, -1, -1, -1)
    changed = augmentation.AUGMENTATIONS[name](same)
    assert changed.shape == same.shape
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-6
    assert len({picture.numpy().tobytes() for picture in changed}) >= 2


def test_flipping_gives_each_picture_or_its_mirror_image(pictures: torch.Tensor) -> None:
    torch.manual_seed(3)
    changed = augmentation.flip(pictures)
    flipped = [picture.equal(original.flip(-1)) for picture, original in zip(changed, pictures, strict=True)]
    kept = [picture.equal(original) for picture, original in zip(changed, pictures, strict=True)]
    assert all(one != other for one, other in zip(flipped, kept, strict=True))
    assert 15 < sum(flipped) < 49


def test_input_is_scaled_and_centred_as_torchvision_does_it() -> None:
    from torchvision.transforms import v2

    stored = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    steps = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(*augmentation.NORMALISATIONS["imagenet"])])
    expected = steps(stored.permute(0, 3, 1, 2))
    torch.testing.assert_close(augmentation.normalised(augmentation.as_input(stored), "imagenet"), expected)


@pytest.mark.train
def test_the_modern_recipe_trains_and_its_averaged_weights_are_the_ones_kept(
    tmp_path: Path, sample_params: Params
) -> None:
    modern = sample_params.train.recipes["modern"].model_dump(mode="json")
    changed = modern | {"max_epochs": 12, "batch": 16, "learning_rate": 0.01}
    workspace, params = write_project(tmp_path, sample_params, tasks=["gender"], recipe="m", recipes={"m": changed})
    train.run(workspace, params, model="small_cnn", task="gender")
    evaluate.run(workspace, params)
    measured = json.loads(workspace.metrics("evaluate").read_text())
    assert measured["gender"]["small_cnn"]["accuracy"] >= 0.85


class Brightness(torch.nn.Module):
    """Scores that follow from a picture's mean: nothing moves them on black pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Linear(3, 2, bias=False)
        torch.nn.init.constant_(self.last.weight[0], -1.0)
        torch.nn.init.constant_(self.last.weight[1], 1.0)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.last(pictures.mean(dim=(2, 3)))


@pytest.mark.train
@pytest.mark.parametrize(("stop_on", "epochs"), [("train_loss", 6), ("val_loss", 12)])
def test_patience_counts_the_epochs_in_which_the_loss_that_is_watched_got_no_better(
    tmp_path: Path, stop_on: str, epochs: int
) -> None:
    """MTF stops when the training loss has not improved for five epochs (section 5.2). On black pictures it never
    does, while weight decay makes the loss on white ones fall: after the first epoch, five go by.
    """
    black, white = (np.full((8, 4, 4, 3), value, np.uint8) for value in (0, 255))
    training = data.Examples(black, np.arange(8), np.arange(8) % 2)
    validation = data.Examples(white, np.arange(8), np.zeros(8, np.int64))
    recipe = Recipe(
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=0.5,
        batch=8,
        max_epochs=12,
        patience=5,
        stop_on=stop_on,
        normalise="none",
    )
    fitted = loop.fit_classifier(
        Brightness(), training, validation, recipe=recipe, batch=8, labels=2, seed=1, curves=tmp_path / "curves"
    )
    assert fitted.epochs == epochs
    # Whatever stops it, what is kept is the epoch of least validation loss: here the last.
    assert fitted.best_epoch == epochs
