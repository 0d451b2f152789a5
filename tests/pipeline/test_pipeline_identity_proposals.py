"""Identity proposals over all identities: who resembles another, and one person under two names."""

from __future__ import annotations

import numpy as np
import polars as pl

from mtf.pipeline import identity_proposals
from mtf.schemas import IMAGE

DIMENSIONS = 128
FACES = 8


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def rows_of(people: list[str]) -> pl.DataFrame:
    names = [name for name in people for _ in range(2 * FACES)]
    ids = [f"{number:032x}" for number in range(len(names))]
    nothing = pl.lit(None, pl.String)
    return pl.DataFrame({"identity": names, "face_id": ids, "image_id": [each * 2 for each in ids]}).with_columns(
        near_group=nothing, exact_group=nothing
    )


def vectors_of(directions: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """For each identity FACES of a direction, then as many strangers."""
    return np.concatenate(
        [
            part
            for direction in directions
            for part in (
                unit(direction + 0.6 * unit(random.normal(size=(FACES, DIMENSIONS)))),
                unit(random.normal(size=(FACES, DIMENSIONS))),
            )
        ]
    ).astype(np.float16)


NO_SOURCES = pl.DataFrame(schema=dict.fromkeys([*IMAGE, "host", "page", "engine"], pl.String))


def test_one_person_under_two_names_and_a_face_of_another_are_found() -> None:
    random = np.random.default_rng(1)
    ada, bob, cyd, dan, eve = (unit(random.normal(size=DIMENSIONS)) for _ in range(5))
    people = ["ada", "ada-again", "bob", "cyd", "dan", "eve"]
    vectors = vectors_of([ada, ada, bob, cyd, dan, eve], random)
    rows = rows_of(people)
    place = 2 * FACES * people.index("cyd") + FACES  # a stranger of cyd, who is bob
    vectors[place] = unit(bob + 0.4 * unit(random.normal(size=DIMENSIONS)))
    found = identity_proposals.propose(rows, vectors, NO_SOURCES)
    table = rows.with_columns(found.columns)
    assert found.same_person == [("ada", "ada-again")]
    assert table["resembles"][place] == "bob"
    assert table["likeness"][place] < 0
    right = table.with_row_index().filter(pl.col("index") % (2 * FACES) < FACES)
    assert (right["likeness"] > 0).mean() > 0.9
    assert table.filter(pl.col("identity").is_in(["bob", "dan", "eve"]))["resembles"].null_count() >= 46


def test_the_same_faces_give_the_same_proposals() -> None:
    directions = [unit(np.random.default_rng(seed).normal(size=DIMENSIONS)) for seed in range(3)]
    vectors = vectors_of(directions, np.random.default_rng(7))
    rows = rows_of(["ada", "bob", "cyd"])
    first, second = (identity_proposals.propose(rows, vectors, NO_SOURCES).columns for _ in range(2))
    assert all(one.equals(other) for one, other in zip(first, second, strict=True))


def test_a_single_identity_has_proposals_too() -> None:
    rows = rows_of(["ada"])
    vectors = vectors_of([unit(np.random.default_rng(2).normal(size=DIMENSIONS))], np.random.default_rng(3))
    found = identity_proposals.propose(rows, vectors, NO_SOURCES)
    assert found.same_person == []
    assert rows.with_columns(found.columns)["resembles"].null_count() == rows.height
