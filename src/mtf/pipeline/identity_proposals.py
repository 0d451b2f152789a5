"""Identity proposals of the stage screen: clusters, likeness and resemblance of all faces (faces/identity_clusters)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from mtf import schemas
from mtf.core.project_paths import ProjectPaths
from mtf.faces import identity_clusters
from mtf.faces.identity_clusters import Cohort, Proposal
from mtf.schemas import IMAGE

# Two identities look like one person if more than this share of each one's faces is like the other.
ALIKE_SHARE = 0.5


class Proposals(NamedTuple):
    """Columns of the table screening, and the people who look like one person under two names.

    columns: cluster, likeness, resembles.
    same_person: pairs of identities whose proposed people are alike.
    """

    columns: list[pl.Series]
    same_person: list[tuple[str, str]]


def propose(rows: pl.DataFrame, embeddings: np.ndarray, sources: pl.DataFrame, *, seed: int = 0) -> Proposals:
    """Proposals for all faces; no face is decided.

    rows: faces sorted by identity, with exact_group and near_group.
    embeddings: (faces, dimensions), in their order; may be a memory map.
    sources: IMAGE, host, page, engine.
    """
    identities = rows["identity"].unique(maintain_order=True).to_list()
    persons = rows["identity"].rle_id().cast(pl.Int64).to_numpy()
    cohort = Cohort(embeddings, persons, seed=seed)
    numbered = _numbered_sources(rows, sources)
    shots = _shots(rows)
    found: list[Proposal] = []
    for person in range(len(identities)):
        own = _range_of(persons, person)
        faces, others = cohort.measured(embeddings[own], person), cohort.others(person)
        by_source = [source[own] for source in numbered]
        elsewhere = cohort.persons_of_others(person)
        found.append(identity_clusters.propose(faces, others, shots=shots[own], sources=by_source, persons=elsewhere))
    resembles, same = _resemblance(embeddings, persons, cohort, found)
    likeness = np.concatenate([each.likeness for each in found])
    names = [identities[place] if place >= 0 else None for place in resembles.tolist()]
    columns = [
        pl.Series("cluster", np.concatenate([each.cluster for each in found]), dtype=pl.Int32),
        pl.Series("likeness", likeness, dtype=pl.Float32).fill_nan(None),
        pl.Series("resembles", names, dtype=pl.String),
    ]
    return Proposals(columns, [(identities[low], identities[high]) for low, high in same])


def _range_of(persons: np.ndarray, person: int) -> np.ndarray:
    low, high = np.searchsorted(persons, [person, person + 1])
    return np.arange(low, high)


def _shots(rows: pl.DataFrame) -> np.ndarray:
    """Number per face, equal for repeated shots of an identity."""
    group = pl.coalesce("near_group", "exact_group", "face_id")
    return rows.select(pl.struct("identity", group).rank("dense")).to_series().cast(pl.Int64).to_numpy()


def image_sources(workspace: ProjectPaths) -> pl.DataFrame:
    """Sources of each image: host, page, engine; empty without the table images."""
    path = workspace.table("crawl", "images")
    schema = dict.fromkeys([*IMAGE, "host", "page", "engine"], pl.String)
    if not path.is_file():
        return pl.DataFrame(schema=schema)
    images = schemas.read(schemas.IMAGES, path).select(*IMAGE, page=pl.coalesce("page_url", "url"), engine="source")
    hosts = pl.Series("host", [_host(page) for page in images["page"]], dtype=pl.String)
    return images.with_columns(hosts).select(*schema)


def _host(address: str | None) -> str | None:
    try:
        return urlsplit(address or "").hostname
    except ValueError:
        return None


def _numbered_sources(rows: pl.DataFrame, sources: pl.DataFrame) -> list[np.ndarray]:
    """Numbers (faces) of each face's host, page and engine; an unknown one is a source of its own kind."""
    joined = rows.select(IMAGE).join(sources, on=IMAGE, how="left", maintain_order="left")
    return [joined[name].fill_null("").rank("dense").cast(pl.Int64).to_numpy() for name in ("host", "page", "engine")]


def _resemblance(
    embeddings: np.ndarray, persons: np.ndarray, cohort: Cohort, found: list[Proposal]
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Number per face of the other identity that it is more like than its own (-1 for none), and pairs of identities
    whose proposed people are alike, each like the other.
    """
    cores = [(person, each.core) for person, each in enumerate(found) if each.core is not None]
    best = np.full(len(persons), -1)
    shares: dict[tuple[int, int], float] = {}
    for person, proposal in enumerate(found):
        own = _range_of(persons, person)
        faces = cohort.measured(embeddings[own], person)
        likeness = np.nan_to_num(proposal.likeness, nan=0.0)
        highest = np.maximum(likeness, 0.0)
        for other, core in cores:
            if other == person:
                continue
            scores = core.likeness(faces)
            better = scores > highest
            best[own[better]], highest[better] = other, scores[better]
            if proposal.core is not None and (share := float((scores[likeness > 0] > 0).mean())) > ALIKE_SHARE:
                shares[person, other] = share
    return best, sorted(pair for pair in shares if pair[0] < pair[1] and pair[::-1] in shares)
