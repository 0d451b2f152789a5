"""Identity clusters: which faces found for a person show the same person, and which are strangers. A proposal only.

- Similarities are standardised by each face's nearest faces of other identities (adaptive symmetric normalisation:
  Matejka et al., "Analysis of Score Normalization in Multilingual Speaker Recognition", Interspeech 2017). Zero is then
  as similar as those are. So each face is measured against faces like it, and no group is held to a threshold of
  another. A patch of wall, which resembles many other patches, resembles none more than those.
- Faces are clustered by average linkage over these similarities, after repeated shots were collapsed into one.
- The cluster with the most sources is proposed as the person. A face's likeness is its mean similarity to it, and the
  boundary lies between the person's own faces and those of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Faces of other identities that a face is compared with, and how many of the nearest it is measured by.
COHORT_FACES = 1000
NEAREST = 50
# Clusters are cut at this standardised similarity: further from the nearest others than chance leads.
LINKED = 2.0
# Shots of one person that are clustered at once; the rest joins by likeness. Bounds the memory to a few dozen MiB.
MAX_SHOTS = 2000
# A cluster of fewer shots proposes nobody.
MIN_SHOTS = 2
# Share of other people's faces that the boundary may let through.
FALSE_MATCH_SHARE = 0.005

# Distance of the quartiles of a normal distribution with a standard deviation of one.
NORMAL_IQR = 1.349
# An identity with more than this share of the faces beyond a core's own is the same person under another name.
DOUBLE_SHARE = 0.6
MIN_DOUBLE = 3

Vectors = NDArray[np.floating]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """Embeddings with the similarities to their nearest faces of other identities.

    vectors: (faces, dimensions), float32, of unit length.
    middle, spread: (faces), median and spread (quartiles) of the similarities to the NEAREST of the cohort.
    """

    vectors: Vectors
    middle: Vectors
    spread: Vectors

    @classmethod
    def of(cls, vectors: Vectors, similar: Vectors) -> Measured:
        """Measure faces by their similarities (faces, others) to faces of other identities, -inf where left out.

        Without two others each, the similarities stay as they are.
        """
        count = min(NEAREST, int((similar > -np.inf).sum(axis=1).min(initial=NEAREST)))
        if count < 2:
            return cls(vectors, np.zeros(len(vectors), np.float32), np.ones(len(vectors), np.float32))
        top = -np.partition(-similar, count - 1, axis=1)[:, :count]
        # Quartiles: the same person under another name may be among the others.
        low, middle, high = np.quantile(top, [0.25, 0.5, 0.75], axis=1).astype(np.float32)
        return cls(vectors, middle, np.maximum((high - low) / NORMAL_IQR, 1e-3))

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Measured:
        return Measured(self.vectors[rows], self.middle[rows], self.spread[rows])

    def similarities(self, to: Measured) -> NDArray[np.float32]:
        """Standardised similarities (faces, faces of `to`)."""
        similar = self.vectors @ to.vectors.T
        own = (similar - self.middle[:, None]) / self.spread[:, None]
        return (own + (similar - to.middle[None, :]) / to.spread[None, :]) / 2


class Cohort:
    """Faces of many identities that a face is measured against; those of its own identity are left out.

    embeddings: (faces, dimensions), of unit length; may be a memory map.
    persons: (faces), number of each face's identity.
    """

    def __init__(self, embeddings: Vectors, persons: Rows, *, seed: int = 0) -> None:
        picked = np.random.default_rng(seed).permutation(len(persons))[:COHORT_FACES]
        self._persons = persons[picked]
        vectors = np.asarray(embeddings[picked], np.float32)
        similar = vectors @ vectors.T
        similar[self._persons[:, None] == self._persons[None, :]] = -np.inf
        self._faces = Measured.of(vectors, similar)

    def others(self, person: int) -> Measured:
        """Faces of other identities than `person`."""
        return self._faces[self._persons != person]

    def persons_of_others(self, person: int) -> Rows:
        """Identity of each face that `others` returns."""
        return self._persons[self._persons != person]

    def measured(self, embeddings: Vectors, person: int) -> Measured:
        """Faces (faces, dimensions) of the identity `person`, measured."""
        vectors = np.asarray(embeddings, np.float32)
        return Measured.of(vectors, vectors @ self.others(person).vectors.T)


def clusters(faces: Measured, shots: Rows) -> Rows:
    """Cluster number (faces) of one identity's faces, the largest one first.

    shots: (faces), equal for repeated shots, which count as one.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    _, first, shot = np.unique(shots, return_index=True, return_inverse=True)
    some = first[:MAX_SHOTS]
    if len(some) < 2:
        return np.zeros(len(shots), np.int64)
    apart = -faces[some].similarities(faces[some])
    apart = (apart + apart.T) / 2
    offset = float(apart.min())
    np.fill_diagonal(apart, offset)
    tree = linkage(squareform(apart - offset, checks=False), "average")
    label = np.full(len(first), -1, np.int64)
    label[: len(some)] = fcluster(tree, -LINKED - offset, "distance")
    label[len(some) :] = label.max() + 1 + np.arange(len(first) - len(some))
    sizes = np.bincount(label)
    rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return rank[label][shot]


@dataclass(frozen=True)
class Core:
    """Faces of one person, summed up: the mean standardised similarity to all of them takes two products.

    mean: (dimensions), mean of their vectors.
    scaled: (dimensions), mean of their vectors by their spreads.
    offset: mean of their middles by their spreads.
    boundary: similarity between the person's own faces and those of others.
    """

    mean: Vectors
    scaled: Vectors
    offset: float
    boundary: float = 0.0

    @classmethod
    def of(cls, faces: Measured, *, boundary: float = 0.0) -> Core:
        """Core of at least one face."""
        scaled = (faces.vectors / faces.spread[:, None]).mean(axis=0)
        return cls(faces.vectors.mean(axis=0), scaled, float((faces.middle / faces.spread).mean()), boundary)

    def likeness(self, faces: Measured) -> NDArray[np.float64]:
        """Mean standardised similarity (faces) to the core, less the boundary: positive on the person's side."""
        own = (faces.vectors @ self.mean - faces.middle) / faces.spread
        return ((own + faces.vectors @ self.scaled - self.offset) / 2 - self.boundary).astype(np.float64)


def core_of(
    faces: Measured,
    core: NDArray[np.bool_],
    others: Measured,
    *,
    persons: Rows | None = None,
    rejected: NDArray[np.bool_] | None = None,
) -> tuple[Core, NDArray[np.float64]]:
    """Core of a person and the likeness (faces) of all faces found for the person; `core` marks at least one of them.

    A face of the core is compared with the others of it. The boundary is learnt from the person's own core, from the
    faces of `others`, which are of other identities (`persons`), and from those that were `rejected`.
    """
    whole = Core.of(faces[core])
    scores = whole.likeness(faces)
    scores[core] = _without_self(faces[core], scores[core])
    own = scores[core] if core.sum() > 1 else scores[:0]
    impostors = _without_double(whole.likeness(others), persons, own)
    if rejected is not None:
        impostors = np.concatenate([impostors, scores[rejected]])
    at = boundary(own, impostors)
    return Core(whole.mean, whole.scaled, whole.offset, at), scores - at


def _without_double(
    impostors: NDArray[np.float64], persons: Rows | None, core: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores of impostors without those of an identity that is the same person under another name."""
    if persons is None or not len(core):
        return impostors
    beyond = impostors > np.quantile(core, 0.1)
    if beyond.sum() < MIN_DOUBLE:
        return impostors
    numbers, counts = np.unique(persons[beyond], return_counts=True)
    double = numbers[counts.argmax()]
    if counts.max() <= DOUBLE_SHARE * beyond.sum():
        return impostors
    return impostors[~(beyond & (persons == double))]


def _without_self(core: Measured, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean similarity of each face of a core to the others of it, from that to all of it; a single one stays."""
    count = len(scores)
    if count < 2:
        return scores
    itself = (np.einsum("ij,ij->i", core.vectors, core.vectors) - core.middle) / core.spread
    return (scores * count - itself) / (count - 1)


def boundary(core: NDArray[np.floating], impostors: NDArray[np.floating]) -> float:
    """Score between those of a person's own faces and those of impostors; LINKED without impostors.

    It lets at most FALSE_MATCH_SHARE of the impostors through, and lies halfway to the tenth of the core that is least
    alike if that is higher.
    """
    if not len(impostors):
        return LINKED
    most = float(np.quantile(impostors, 1 - FALSE_MATCH_SHARE))
    if not len(core):
        return most
    return max(most, (most + float(np.quantile(core, 0.1))) / 2)


def most_sources(labels: Rows, shots: Rows, sources: Sequence[Rows]) -> int | None:
    """Cluster that agrees over the most sources, then over the most shots; None if none has MIN_SHOTS.

    labels: (faces), as `clusters` returns them.
    shots: (faces), equal for repeated shots.
    sources: arrays (faces) that number each face's hosts, pages, engines; the counts of distinct values are added.
    """
    best, highest = None, (0, 0)
    for label in np.unique(labels):
        members = labels == label
        count = len(np.unique(shots[members]))
        if count < MIN_SHOTS:
            continue
        agreeing = sum(len(np.unique(source[members])) for source in sources)
        if (agreeing, count) > highest:
            best, highest = int(label), (agreeing, count)
    return best


@dataclass(frozen=True)
class Proposal:
    """Proposal for one identity.

    cluster: (faces), cluster numbers.
    likeness: (faces), positive for the person, negative for strangers; NaN if no cluster has MIN_SHOTS.
    core: the proposed person; None without one.
    """

    cluster: Rows
    likeness: NDArray[np.float64]
    core: Core | None


def propose(
    faces: Measured, others: Measured, *, shots: Rows, sources: Sequence[Rows], persons: Rows | None = None
) -> Proposal:
    """Propose which of the faces found for an identity show the person (`most_sources`).

    others: faces of other identities, measured.
    persons: (others), number of each one's identity.
    """
    labels = clusters(faces, shots)
    chosen = most_sources(labels, shots, sources)
    if chosen is None:
        return Proposal(labels, np.full(len(labels), np.nan), None)
    core, scores = core_of(faces, labels == chosen, others, persons=persons)
    # Once more from all faces on the person's side: another age or pose may be a cluster of its own.
    if (scores > 0).sum() >= MIN_SHOTS:
        core, scores = core_of(faces, scores > 0, others, persons=persons)
    return Proposal(labels, scores, core)
