"""Pictures that lie pixel by pixel in memory, and half the bits: paths that a CPU can run as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from mtf.config import Params, Recipe
from mtf.training import classifier, data, loss_weighting, multitask
from mtf.training import recipe as recipes
from mtf.training import trainer as loop
from mtf.training.networks import registry

COUNT = 24


def examples() -> data.Examples:
    """Dark and light pictures."""
    targets = np.arange(COUNT) % 2
    noise = np.random.default_rng(1).integers(0, 120, (COUNT, 32, 32, 3))
    pictures = (noise + 130 * targets[:, None, None, None]).astype(np.uint8)
    return data.Examples(pictures, np.arange(COUNT), targets)


def modern(sample_params: Params, **changes: object) -> Recipe:
    return sample_params.train.recipes["modern"].model_copy(update={"max_epochs": 2, "warmup_epochs": 0} | changes)


@pytest.mark.train
@pytest.mark.parametrize("model", ["small_cnn", "mobilenet_v3_large"])
def test_the_modern_recipe_trains_a_network_that_lies_channels_last(
    tmp_path: Path, sample_params: Params, model: str
) -> None:
    recipe = modern(sample_params, learning_rate=0.01)
    assert recipe.channels_last
    assert recipe.mixed_precision
    fitted = loop.fit_classifier(
        registry.build(model, 2, seed=1), examples(), examples(), recipe=recipe, batch=8, labels=2, seed=1,
        curves=tmp_path / "curves",
    )  # fmt: skip
    first = next(layer for layer in fitted.network.modules() if isinstance(layer, torch.nn.Conv2d))
    assert first.weight.is_contiguous(memory_format=torch.channels_last)
    assert not first.weight.is_contiguous()
    assert np.isfinite(fitted.best_val_loss)


def test_channels_last_changes_where_numbers_lie_and_not_what_they_are(sample_params: Params) -> None:
    def scores(recipe: Recipe) -> torch.Tensor:
        module = classifier.Classifier(
            registry.build("small_cnn", 2, seed=1), recipe, loss=torch.nn.CrossEntropyLoss(), steps_per_epoch=1
        )
        with torch.inference_mode():
            return module.eval()(torch.from_numpy(examples().pictures))

    modern_scores = scores(modern(sample_params))
    torch.testing.assert_close(modern_scores, scores(modern(sample_params, channels_last=False)), atol=1e-5, rtol=1e-4)


def test_half_the_bits_are_for_accelerators_alone(sample_params: Params) -> None:
    recipe = modern(sample_params)
    assert loop.precision(recipe, on_accelerator=True) == "bf16-mixed"
    assert loop.precision(recipe, on_accelerator=False) == "32-true"
    assert loop.precision(Recipe(), on_accelerator=True) == "32-true"


class Seen(torch.nn.Module):
    """Remembers the type of what its layer gives."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = registry.build("small_cnn", 2, seed=1)
        self.types: set[torch.dtype] = set()

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        scores = self.inner(pictures)
        self.types.add(scores.dtype)
        return scores


@pytest.mark.train
def test_a_network_learns_with_half_the_bits_as_an_accelerator_would_use_them(sample_params: Params) -> None:
    network = Seen()
    recipe = modern(sample_params, augment=[], learning_rate=0.01)
    module = classifier.Classifier(network, recipe, loss=recipes.loss(recipe, np.array([12, 12])), steps_per_epoch=3)
    losses = trained_with_half_the_bits(module, examples())
    assert network.types == {torch.bfloat16}
    assert losses[-1] < losses[0]


@pytest.mark.train
def test_a_shared_network_learns_with_half_the_bits_too(sample_params: Params) -> None:
    both = examples().for_tasks([examples(), examples()])
    recipe = modern(sample_params, augment=[], learning_rate=0.01)
    module = multitask.MultiTaskModule(
        multitask.build("small_cnn", {"a": 2, "b": 2}, seed=1),
        loss_weighting.build("gradnorm", 2, width=576, seed=1),
        recipe,
        losses=[torch.nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()],
        steps_per_epoch=3,
    )
    losses = trained_with_half_the_bits(module, both)
    assert losses[-1] < losses[0]


def trained_with_half_the_bits(module: torch.nn.Module, pictures: data.Examples) -> list[float]:
    """The validation loss before and after a few epochs."""
    trainer = Trainer(
        max_epochs=6, accelerator="cpu", precision="bf16-mixed", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    loaders = data.loader(pictures, batch=8, shuffle_seed=1), data.loader(pictures, batch=8)
    before = trainer.validate(module, loaders[1], verbose=False)[0]["val_loss"]
    trainer.fit(module, *loaders)
    return [before, float(trainer.callback_metrics["val_loss"])]
