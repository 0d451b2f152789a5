"""Normalisation and augmentation of pictures on the training device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

# Mean and standard deviation per channel, for pictures from 0 to 1, that published weights were trained with.
NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "facenet": ((127.5 / 255,) * 3, (128 / 255,) * 3),
    "none": ((0.0,) * 3, (1.0,) * 3),
}


def as_input(pictures: torch.Tensor) -> torch.Tensor:
    """Float pictures: (n, size, size, 3) uint8 → (n, 3, size, size) float32, 0 to 1."""
    return pictures.permute(0, 3, 1, 2).float().div_(255)


def normalised(pictures: torch.Tensor, name: str) -> torch.Tensor:
    """Pictures (n, 3, size, size), 0 to 1, minus the mean and divided by the standard std of `name`."""
    mean, std = (pictures.new_tensor(figures).view(1, 3, 1, 1) for figures in NORMALISATIONS[name])
    return (pictures - mean) / std


def flip(pictures: torch.Tensor) -> torch.Tensor:
    """Random horizontal flip of each picture with probability 0.5."""
    chosen = _uniform(pictures, 0, 1) < 0.5
    return torch.where(chosen, pictures.flip(-1), pictures)


def shift(pictures: torch.Tensor) -> torch.Tensor:
    """Random translation by up to 8 % of the side, scaling by up to 10 % and rotation by up to 10°; edges mirrored."""
    count = len(pictures)
    angle, scale = _uniform(pictures, -0.17, 0.17).view(count), _uniform(pictures, 0.9, 1.1).view(count)
    across, down = _uniform(pictures, -0.16, 0.16).view(count), _uniform(pictures, -0.16, 0.16).view(count)
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    moves = torch.stack([cosine, -sine, across, sine, cosine, down], dim=1).view(count, 2, 3)
    grid = functional.affine_grid(moves, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def colour(pictures: torch.Tensor) -> torch.Tensor:
    """Random change of brightness and contrast by up to 20 % each."""
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    contrasted = (pictures - mean) * _uniform(pictures, 0.8, 1.2) + mean
    return (contrasted * _uniform(pictures, 0.8, 1.2)).clamp(0, 1)


def erase(pictures: torch.Tensor) -> torch.Tensor:
    """Random erasing, with probability 0.25, of a square of 10 to 30 % of the side, which becomes grey."""
    size = pictures.shape[-1]
    side = _uniform(pictures, 0.1, 0.3) * (_uniform(pictures, 0, 1) < 0.25)
    top, left = _uniform(pictures, 0, 1) * (1 - side), _uniform(pictures, 0, 1) * (1 - side)
    place = (torch.arange(size, device=pictures.device) + 0.5) / size
    down, across = place.view(1, 1, size, 1), place.view(1, 1, 1, size)
    inside = (down > top) & (down < top + side) & (across > left) & (across < left + side)
    return torch.where(inside, 0.5, pictures)


def _uniform(pictures: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """One random number per picture, shape (n, 1, 1, 1)."""
    return torch.empty(len(pictures), 1, 1, 1, device=pictures.device).uniform_(low, high)


AUGMENTATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "flip": flip,
    "shift": shift,
    "colour": colour,
    "erase": erase,
}


def augmented(pictures: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
    """Pictures (n, 3, size, size), 0 to 1, after the named augmentations in order."""
    for name in names:
        pictures = AUGMENTATIONS[name](pictures)
    return pictures
