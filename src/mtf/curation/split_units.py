"""Units of the split (faces that must stay together), and the groups that every split needs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mtf.curation.duplicates import components
from mtf.schemas import FACE

UNIT_COLUMNS = ["image_id", "duplicate_group"]


@dataclass(frozen=True)
class Units:
    """Units of the split: connected components of shared source image and shared duplicate group, in the seed's order.

    of_face: unit of each face, with faces sorted by identity and face_id.
    faces: number of faces per unit.
    groups: (column, label) pairs, such as ("identity", "ada").
    members: units × groups, number of images with a face of the group.
    strata: units × strata, number of faces.
    """

    of_face: NDArray[np.int64]
    faces: NDArray[np.int64]
    groups: list[tuple[str, str]]
    members: csr_array
    strata: csr_array


def units(rows: pl.DataFrame, *, columns: Sequence[str], stratum: Sequence[str], seed: int) -> Units:
    """Units of `rows`, sorted by identity and face_id; each label in `columns` is a group."""
    of_face = _in_seeds_order(rows, components(rows, UNIT_COLUMNS), seed)
    count = int(of_face.max()) + 1
    groups = [(column, name) for column in columns for name in _sorted(rows[column])]
    members = csr_array((count, len(groups)), dtype=np.int32)
    images, start = _ranks(rows["image_id"]), 0
    # One column after another: their numbers together would take most of the memory.
    for column in columns:
        members += _incidence(*_each_image_once(of_face, _ranks(rows[column]) + start, images), members.shape)
        start += rows[column].n_unique()
    strata = pl.Series(_strata_names(rows, stratum))
    return Units(
        of_face=of_face,
        faces=np.bincount(of_face, minlength=count).astype(np.int64),
        groups=groups,
        members=members,
        strata=_incidence(of_face, _ranks(strata), (count, strata.n_unique())),
    )


def seeded(seed: int, *names: str) -> int:
    """Hash of the arguments only: an order by it changes little when rows are added."""
    text = "\x1f".join([str(seed), *names]).encode("utf-8")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _in_seeds_order(rows: pl.DataFrame, component: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Components renumbered by a hash of their first face, independent of the rows' order."""
    _, first = np.unique(component, return_index=True)
    digests = (seeded(seed, identity, face_id) for identity, face_id in rows.select(FACE)[first].iter_rows())
    order = np.lexsort((first, np.fromiter(digests, np.uint64, len(first))))
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[component]


def _strata_names(rows: pl.DataFrame, stratum: Sequence[str]) -> pl.Series:
    if not stratum:
        return pl.Series([""] * rows.height)
    return rows.select(pl.concat_str(stratum, separator="\x1f")).to_series()


def _sorted(values: pl.Series) -> list[str]:
    return values.unique().sort().to_list()


def _ranks(values: pl.Series) -> NDArray[np.int64]:
    """Place of each value among the different values, from 0."""
    return (values.rank("dense").cast(pl.Int64) - 1).to_numpy()


def _each_image_once(
    units: NDArray[np.int64], groups: NDArray[np.int64], images: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Units and groups of the faces, with each group counted once per image; all faces of an image are in one unit."""
    _, once = np.unique(groups * (int(images.max(initial=0)) + 1) + images, return_index=True)
    return units[once], groups[once]


def _incidence(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> csr_array:
    return csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=shape)
