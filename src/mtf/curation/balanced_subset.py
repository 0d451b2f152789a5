"""Balanced subset of the curated faces: no combination of labels has more than a multiple of the rarest one.

`split.balance` of params.yaml asks for it; the stage split then divides the subset, and training, evaluation and
release have that alone. `mtf balance` shows the balance of the data set and writes `split.balance`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from mtf.config import Balance, Split
from mtf.core.errors import BadInput
from mtf.schemas import FACE


def of_split(faces: pl.DataFrame, split: Split, *, seed: int) -> pl.DataFrame:
    """Faces that `split` divides: the balanced subset, in which a person has enough faces for all three parts, or all.

    Raises as `balanced`.
    """
    if split.balance is None:
        return faces
    return balanced(faces, split.balance, min_images=split.min_train + split.min_val + split.min_test, seed=seed)


def balanced(faces: pl.DataFrame, balance: Balance, *, min_images: int, seed: int) -> pl.DataFrame:
    """Faces of the subset, in their order.

    The largest cell keeps at most 1 / `balance.ratio` times as many faces as the smallest that has any. A cell that has
    too many loses them from the people with most faces first, drawn from `seed`, so that most people stay; where it
    must, it loses whole people, so that nobody is left with fewer than `min_images`.

    - `faces`: table with identity, face_id and the columns `balance.over`.

    Raises BadInput for a column that the table lacks.
    """
    if unknown := [name for name in balance.over if name not in faces.columns]:
        raise BadInput(f"split.balance.over: {unknown[0]!r} is no label column of the data set")
    cells = faces.sort(FACE).partition_by(balance.over, maintain_order=True)
    most = permitted([cell.height for cell in cells], ratio=balance.ratio)
    random = np.random.default_rng(seed)
    kept = [_reduced(cell, most, min_images=min_images, random=random) for cell in cells]
    return faces.join(pl.concat(kept).select(FACE), on=FACE, how="semi", maintain_order="left")


def permitted(counts: Sequence[int], *, ratio: float) -> int:
    """Most faces of a cell, so that the smallest non-empty one has at least `ratio` (0 to 1) times as many."""
    return math.floor(round(min(count for count in counts if count) / ratio, 9))


def left_out(faces: pl.DataFrame, kept: pl.DataFrame, over: Sequence[str]) -> dict[str, int]:
    """Cell, its labels joined by ` × ` → number of faces that the subset leaves out, where it is not 0."""
    gone = faces.join(kept.select(FACE), on=FACE, how="anti")
    counted = gone.group_by(over).len("n").sort(over)
    return {" × ".join(map(str, row[:-1])): row[-1] for row in counted.iter_rows()}


def _reduced(cell: pl.DataFrame, most: int, *, min_images: int, random: np.random.Generator) -> pl.DataFrame:
    """At most `most` faces of a cell."""
    if cell.height <= most:
        return cell
    mixed = cell[random.permutation(cell.height)]
    people = {name: mixed.filter(identity=name).height for name in cell["identity"].unique().sort()}
    shares = _shares(people, most)
    # Each round leaves out one person, the one with fewest faces, until the others have enough.
    while len(shares) > 1 and any(n < min(min_images, people[name]) for name, n in shares.items()):
        smallest = min(shares, key=lambda name: (people[name], name))
        shares = _shares({name: people[name] for name in shares if name != smallest}, most)
    return pl.concat([mixed.filter(identity=name).head(n) for name, n in shares.items()])


def _shares(people: Mapping[str, int], most: int) -> dict[str, int]:
    """Faces that each person keeps, `most` in all: those with most faces give first (water-filling)."""
    if sum(people.values()) <= most:
        return dict(people)
    shares, left = {}, most
    for place, name in enumerate(sorted(people, key=lambda name: (people[name], name))):
        shares[name] = min(people[name], left // (len(people) - place))
        left -= shares[name]
    return shares
