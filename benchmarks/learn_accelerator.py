"""Training speed as a share of what the accelerator can do: images/s of the training loop, over those of its ceiling.

    python benchmarks/learn_accelerator.py        # convnext_base at 224 px in bf16, an epoch
    python benchmarks/learn_accelerator.py --cpu --model small_cnn --size-px 64 --images 512   # tries the code

- ceiling: forward, backward and optimizer step in the same precision and memory format, on one batch that already lies
  in the accelerator's memory;
- loop: an epoch of the stage `train`'s own code, from a memory-mapped file of pictures to the logged metrics, with the
  recipe's augmentation. The first of two epochs warms up and does not count.

Prints both, their ratio (target: 0.80 or more), and the mean utilisation where the accelerator tells it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Callback

from mtf.config import Recipe
from mtf.training import devices, trainer
from mtf.training import recipe as recipes
from mtf.training.data import Examples
from mtf.training.networks import registry

LABELS = 240
CEILING_STEPS = 30
WARM_UP_STEPS = 5
VAL_IMAGES = 64


def recipe_of(batch: int) -> Recipe:
    return Recipe(
        optimizer="adamw",
        learning_rate=1e-4,
        batch=batch,
        max_epochs=2,
        patience=2,
        augment=["flip", "shift", "colour", "erase"],
        mixed_precision=True,
        channels_last=True,
    )


def synchronise(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


def ceiling(model: str, *, size_px: int, batch: int, device: torch.device) -> float:
    """Images/s on a batch that already lies in the device's memory."""
    recipe = recipe_of(batch)
    layout = recipes.layout(recipe)
    network = registry.start(model, LABELS, input_px=size_px, seed=1).to(device, memory_format=layout).train()
    optimizer = recipes.optimizer(recipe, network.parameters())
    pictures = torch.rand(batch, 3, size_px, size_px, device=device).to(memory_format=layout)
    targets = torch.randint(LABELS, (batch,), device=device)
    started = 0.0
    for step in range(WARM_UP_STEPS + CEILING_STEPS):
        if step == WARM_UP_STEPS:
            synchronise(device)
            started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu"):
            loss = torch.nn.functional.cross_entropy(network(pictures), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    synchronise(device)
    return CEILING_STEPS * batch / (time.perf_counter() - started)


class EpochTimes(Callback):
    """Seconds of each epoch's training steps, without the validation."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._started = 0.0
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: object) -> None:
        synchronise(self._device)
        self._started = time.perf_counter()

    def on_validation_start(self, *_: object) -> None:
        synchronise(self._device)
        self.seconds.append(time.perf_counter() - self._started)


def loop(model: str, *, size_px: int, batch: int, images: int, device: torch.device) -> tuple[float, float | None]:
    """Images/s of the second epoch of a training, and the mean utilisation."""
    recipe, times = recipe_of(batch), EpochTimes(device)
    network = registry.start(model, LABELS, input_px=size_px, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        shape = (images + VAL_IMAGES, size_px, size_px, 3)
        pictures = np.memmap(Path(folder) / "pictures", np.uint8, "w+", shape=shape)
        random = np.random.default_rng(1)
        for row in range(len(pictures)):
            pictures[row] = random.integers(0, 256, shape[1:], np.uint8)
        targets = random.integers(0, LABELS, len(pictures))
        train, val = (
            Examples(pictures, rows, targets[rows])
            for rows in (np.arange(images), np.arange(images, images + VAL_IMAGES))
        )
        own = trainer._trainer
        trainer._trainer = lambda recipe, callbacks, found: own(recipe, [*callbacks, times], found)
        try:
            fitted = trainer.fit_classifier(
                network,
                train,
                val,
                recipe=recipe,
                batch=batch,
                labels=LABELS,
                seed=1,
                curves=Path(folder) / "curves",
                devices=devices.local_devices(1),
            )
        finally:
            trainer._trainer = own
    return images / times.seconds[-1], fitted.gpu_utilization


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="convnext_base")
    parser.add_argument("--size-px", type=int, default=224)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--cpu", action="store_true", help="without an accelerator: tries the code, measures nothing")
    options = parser.parse_args()
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None and not options.cpu:
        parser.error("no accelerator here; --cpu tries the code without one")
    device = found or torch.device("cpu")
    given = {"size_px": options.size_px, "batch": options.batch, "device": device}
    most = ceiling(options.model, **given)
    speed, utilisation = loop(options.model, images=options.images, **given)
    name = torch.cuda.get_device_name() if device.type == "cuda" else str(device)
    print(f"{options.model}, {options.size_px} px, batch {options.batch}, on {name}")
    print(f"ceiling {most:,.0f} images/s, loop {speed:,.0f} images/s, share {speed / most:.2f}")
    print(f"utilisation {'unknown' if utilisation is None else f'{utilisation:.0%}'}")


if __name__ == "__main__":
    main()
