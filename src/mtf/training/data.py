"""Faces with their labels as torch data sets, and the batches that training takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler, SequentialSampler

from mtf.config import IDENTITY, WITH, Task
from mtf.core.errors import BadInput, listed

Batch = tuple[torch.Tensor, torch.Tensor]


def labels_of(task: Task, splits: pl.DataFrame) -> list[str]:
    """Labels that a network for `task` predicts, in the order of params.yaml; identities in alphabetical order."""
    if task.column == IDENTITY:
        return splits[IDENTITY].unique().sort().to_list()
    return list(task.labels)


def with_combined_columns(faces: pl.DataFrame, tasks: Mapping[str, Task]) -> pl.DataFrame:
    """Table `faces` with one more column for each task that combines others, its labels joined by ` × `."""
    combined = {task.column: task.columns for task in tasks.values() if task.combines}
    return faces.with_columns(
        pl.concat_str(columns, separator=WITH).alias(column) for column, columns in combined.items()
    )


def labels_without_training_images(labels: list[str], trained_on: pl.Series) -> list[str]:
    """Labels without a training image, which a network can never predict correctly."""
    present = set(trained_on.unique())
    return [label for label in labels if label not in present]


@dataclass(frozen=True)
class Examples:
    """Labelled pictures of one part of the data set.

    - `pictures`: (n, size, size, 3) uint8 RGB, of all parts;
    - `rows`: (m,) int64, indices into `pictures`;
    - `targets`: label numbers, (m,), or (m, tasks) for several tasks.
    """

    pictures: np.ndarray
    rows: np.ndarray
    targets: np.ndarray

    @classmethod
    def of_split(
        cls, pictures: np.ndarray, splits: pl.DataFrame, split: str, *, column: str, labels: list[str]
    ) -> Examples:
        """Examples of one split; `pictures` are in the order of `splits`.

        Raises BadInput if the split has no images, or a label that is not among `labels`.
        """
        part = splits.with_row_index("row").filter(pl.col("split") == split)
        if part.is_empty():
            raise BadInput(f"split: no {split} images; see split.min_{split} in params.yaml")
        return cls.of_rows(pictures, part, column=column, labels=labels)

    @classmethod
    def of_rows(cls, pictures: np.ndarray, faces: pl.DataFrame, *, column: str, labels: list[str]) -> Examples:
        """Examples of `faces`, whose column `row` is the index of each among `pictures`.

        Raises BadInput for a label that is not among `labels`.
        """
        numbers = {label: number for number, label in enumerate(labels)}
        if unknown := sorted(set(faces[column]) - set(labels)):
            raise BadInput(f"splits.parquet column {column}: {listed(unknown)} not among the labels {listed(labels)}")
        targets = faces[column].replace_strict(numbers, return_dtype=pl.Int64)
        return cls(pictures, faces["row"].to_numpy().astype(np.int64), targets.to_numpy(writable=True))

    @classmethod
    def of_tasks(
        cls,
        pictures: np.ndarray,
        splits: pl.DataFrame,
        split: str,
        *,
        tasks: Mapping[str, Task],
        labels: Mapping[str, list[str]],
    ) -> Examples:
        """Examples of one split for several tasks: those of `labels` (task → labels). Raises as `of_split`."""
        parts = [
            cls.of_split(pictures, splits, split, column=tasks[task].column, labels=names)
            for task, names in labels.items()
        ]
        return parts[0].for_tasks(parts)

    def for_tasks(self, others: Sequence[Examples]) -> Examples:
        """The same rows with the targets of several tasks as columns."""
        return Examples(self.pictures, self.rows, np.stack([other.targets for other in others], axis=1))

    def __len__(self) -> int:
        return len(self.rows)

    def counts(self, labels: int) -> np.ndarray:
        """Number of examples per label, shape (labels,)."""
        return np.bincount(self.targets, minlength=labels)


def batches(pictures: np.ndarray, rows: np.ndarray | None, *, size: int) -> Iterator[np.ndarray]:
    """Copies of `pictures` (n, …) in batches of `size`: those of `rows` (m,) in their order, or all.

    Of a memory-mapped file only one batch at a time is in memory.
    """
    for start in range(0, len(pictures) if rows is None else len(rows), size):
        place = slice(start, start + size)
        yield np.array(pictures[place if rows is None else rows[place]])


class FaceDataset(Dataset[Batch]):
    """torch data set of `Examples`: a batch is pictures (n, size, size, 3) uint8 and targets (n,) int64."""

    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Batch:
        pictures, targets = self.__getitems__([index])
        return pictures[0], targets[0]

    def __getitems__(self, indices: list[int]) -> Batch:
        """A whole batch in one copy, without a list of single pictures to stack."""
        pictures = self._examples.pictures[self._examples.rows[indices]]
        return torch.from_numpy(pictures), torch.from_numpy(self._examples.targets[indices])


class MinTwoBatchSampler(BatchSampler):
    """Batch sampler that adds a last batch of a single row to the batch before it.

    Batch normalisation has no variance over one example. Dropping the row instead would keep a few faces of a small
    data set out of every epoch.
    """

    def __iter__(self) -> Iterator[list[int]]:
        held: list[int] = []
        for batch in super().__iter__():
            if held and self._joins(batch):
                held = [*held, *batch]
                continue
            if held:
                yield held
            held = batch
        if held:
            yield held

    def __len__(self) -> int:
        rows = len(self.sampler)  # ty: ignore[invalid-argument-type]
        joined = rows > self.batch_size > 1 and rows % self.batch_size == 1
        return super().__len__() - joined

    def _joins(self, batch: list[int]) -> bool:
        return len(batch) == 1 < self.batch_size


def loader(
    examples: Examples, *, batch: int, shuffle_seed: int | None = None, sampler: Sampler[int] | None = None
) -> DataLoader[Batch]:
    """Loader of batches in order, or, for training, shuffled anew in each epoch from `shuffle_seed`.

    `sampler` gives the rows and their order if several devices share the examples. No worker processes: gathering
    bytes that are in memory costs less than sending them between processes.

    Raises BadInput for a single example to train on.
    """
    if shuffle_seed is not None and len(examples) < min(batch, 2):
        raise BadInput(f"split: {len(examples)} train image; at least two are needed to learn from")
    faces = FaceDataset(examples)
    generator = None if shuffle_seed is None else torch.Generator().manual_seed(shuffle_seed)
    if sampler is None:
        sampler = SequentialSampler(faces) if generator is None else RandomSampler(faces, generator=generator)
    return DataLoader(
        faces,
        batch_sampler=MinTwoBatchSampler(sampler, batch, drop_last=False),
        generator=generator,
        collate_fn=_already_a_batch,
        pin_memory=torch.cuda.is_available(),
    )


def _already_a_batch(batch: Any) -> Batch:
    """Collate function that does nothing: `FaceDataset.__getitems__` returns a batch."""
    return batch
