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
    group_of_face = [_numbers(rows[column]) for column in columns]
    starts = np.cumsum([0, *(len(names) for names, _ in group_of_face)])
    images = _ranks(rows["image_id"])
    members = [
        _incidence(*_each_image_once(of_face, numbers + start, images), (count, int(starts[-1])))
        for (_, numbers), start in zip(group_of_face, starts, strict=False)
    ]
    strata = pl.Series(_strata_names(rows, stratum))
    names, numbers = _numbers(strata)
    return Units(
        of_face=of_face,
        faces=np.bincount(of_face, minlength=count).astype(np.int64),
        groups=[(column, name) for column, (labels, _) in zip(columns, group_of_face, strict=True) for name in labels],
        members=sum(members, start=csr_array((count, int(starts[-1])), dtype=np.int64)),
        strata=_incidence(of_face, numbers, (count, len(names))),
    )


def seeded(seed: int, *names: str) -> int:
    """Hash of the arguments only: an order by it changes little when rows are added."""
    text = "\x1f".join([str(seed), *names]).encode("utf-8")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _in_seeds_order(rows: pl.DataFrame, component: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Components renumbered by a hash of their first face, independent of the rows' order."""
    first = rows.select(FACE).with_columns(component=pl.Series(component)).unique("component", keep="first").sort(FACE)
    digests = (seeded(seed, identity, face_id) for identity, face_id, _ in first.iter_rows())
    order = first.with_columns(digest=np.fromiter(digests, np.uint64, first.height)).sort("digest", *FACE)
    number = np.empty(order.height, np.int64)
    number[order["component"].to_numpy()] = np.arange(order.height)
    return number[component]


def _strata_names(rows: pl.DataFrame, stratum: Sequence[str]) -> pl.Series:
    if not stratum:
        return pl.Series([""] * rows.height)
    return rows.select(pl.concat_str(stratum, separator="\x1f")).to_series()


def _numbers(values: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    return values.unique().sort().to_list(), _ranks(values)


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
    return csr_array((np.ones(len(rows), np.int64), (rows, columns)), shape=shape)
