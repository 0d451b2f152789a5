"""Verification: are two pictures of the same person? Error rates at fixed thresholds, by group and across groups.

Terms are those of ISO/IEC 19795-1 and 19795-10. A pair of pictures of one person is genuine, of two people an impostor
pair. FMR is the share of impostor pairs that match, FNMR the share of genuine pairs that do not. Two pictures match if
the cosine similarity of their vectors reaches the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mtf.evaluation import pair_intervals

# Similarities are counted in bins of this width; thresholds lie at the edges of bins.
BINS = 20_000
# Pictures whose similarities to all others are held at once.
BLOCK = 1_000
# A threshold for an FMR needs this many times 1 / FMR pairs of different people.
PAIRS_FOR_ONE_FALSE_MATCH = 10

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Vectors:
    """Vectors of the pictures of some people.

    vectors: (n, d) float32, each of length one.
    people: (n,), number of the person in each picture, 0 to k - 1, ascending.
    """

    vectors: np.ndarray
    people: np.ndarray

    def __post_init__(self) -> None:
        if (np.diff(self.people) < 0).any():
            raise ValueError("pictures are not in the order of their people")

    @property
    def pictures(self) -> np.ndarray:
        """(k,), number of pictures of each person."""
        return np.bincount(self.people)

    def similarities(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Pictures in blocks, and their cosine similarities to all pictures: (block, n) float32."""
        for start in range(0, len(self.vectors), BLOCK):
            rows = slice(start, min(start + BLOCK, len(self.vectors)))
            yield rows, self.vectors[rows] @ self.vectors.T

    def of(self, people: np.ndarray) -> Vectors:
        """Pictures of the people with these numbers (ascending). The people get new numbers, from 0."""
        rows = np.isin(self.people, people)
        return Vectors(self.vectors[rows], np.searchsorted(people, self.people[rows]))


@dataclass(frozen=True)
class Distribution:
    """Numbers of pairs by similarity: (BINS,) each, from similarity -1 to 1."""

    genuine: np.ndarray
    impostor: np.ndarray

    @classmethod
    def of(cls, faces: Vectors) -> Distribution:
        """Count all pairs of different pictures, each once."""
        genuine, every = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
        for rows, similarities in faces.similarities():
            bins = bin_of(similarities)
            later = np.arange(len(faces.people))[None, :] > np.arange(rows.start, rows.stop)[:, None]
            same = later & (faces.people[rows][:, None] == faces.people[None, :])
            every += np.bincount(bins[later], minlength=BINS)
            genuine += np.bincount(bins[same], minlength=BINS)
        return cls(genuine, every - genuine)

    def threshold(self, fmr: float) -> float:
        """Lowest similarity at the edge of a bin from which at most a share `fmr` of the impostor pairs lies."""
        above = np.cumsum(self.impostor[::-1])[::-1]
        edge = int(np.searchsorted(-above, -fmr * above[0]))
        return edge_of(edge)

    def error_rates(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """FMR and FNMR at the similarities `at` (t,), which lie at edges: (t,) each; NaN without a pair."""
        edges = np.rint((np.asarray(at) + 1) / 2 * BINS).astype(int)
        with np.errstate(invalid="ignore", divide="ignore"):
            impostor = np.append(np.cumsum(self.impostor[::-1])[::-1], 0)[edges] / self.impostor.sum()
            genuine = np.append(np.cumsum(self.genuine[::-1])[::-1], 0)[edges] / self.genuine.sum()
        return impostor, 1 - genuine


@dataclass(frozen=True)
class Matches:
    """Pairs of pictures by the people in them, at one threshold.

    matches: (k, k), number of pairs that match, of a picture of one person and one of the other; on the diagonal, of
        two different pictures of one person, each pair once.
    pairs: (k, k), number of pairs.
    """

    matches: np.ndarray
    pairs: np.ndarray

    def fnmr(self, people: np.ndarray) -> float | None:
        """FNMR of the people with these numbers; None without a genuine pair."""
        missed, pairs = self.genuine(people)
        return float(missed.sum() / pairs.sum()) if pairs.sum() else None

    def fnmr_interval(self, people: np.ndarray, *, min_people: int) -> Interval:
        """Interval of 95 % of `fnmr`, by person (`pair_intervals`); None if fewer than `min_people` have a pair."""
        return pair_intervals.of_genuine_pairs(*self.genuine(people), min_people=min_people)

    def genuine(self, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Genuine pairs that do not match, and all genuine pairs, of each of these people: (people,) each."""
        pairs = np.diag(self.pairs)[people]
        return pairs - np.diag(self.matches)[people], pairs

    def numbers_of_pairs(self, people: np.ndarray) -> tuple[int, int]:
        """Numbers of genuine and of impostor pairs within these people."""
        _, pairs = self.impostor(people, None)
        return int(self.genuine(people)[1].sum()), int(pairs.sum()) // 2

    def fmr(self, first: np.ndarray, second: np.ndarray | None = None) -> float | None:
        """FMR of pairs of a person of `first` and another person of `second`, or of `first`; None without a pair."""
        matches, pairs = self.impostor(first, second)
        return float(matches.sum() / pairs.sum()) if pairs.sum() else None

    def fmr_interval(self, first: np.ndarray, second: np.ndarray | None = None, *, min_people: int) -> Interval:
        """Interval of 95 % of `fmr`, by person (`pair_intervals`); None with fewer than `min_people` in a group."""
        if min(len(first), len(first if second is None else second)) < max(min_people, 2):
            return None
        return pair_intervals.interval(*self.impostor(first, second), within=second is None)

    def impostor(self, first: np.ndarray, second: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Pairs that match, and all pairs, of each person of `first` and each other of `second`, or of `first`."""
        found = []
        for table in (self.matches, self.pairs):
            part = table[np.ix_(first, first if second is None else second)].astype(np.float64)
            if second is None:
                np.fill_diagonal(part, 0)
            found.append(part)
        return found[0], found[1]


def matches_at(faces: Vectors, thresholds: Sequence[float]) -> list[Matches]:
    """Pairs by person at each threshold; a threshold lies at the edge of a bin (`Distribution.threshold`)."""
    pictures = faces.pictures
    starts = np.cumsum([0, *pictures])[:-1]
    edges = [round((threshold + 1) / 2 * BINS) for threshold in thresholds]
    counts = [np.zeros((len(pictures), len(pictures)), np.int64) for _ in edges]
    for rows, similarities in faces.similarities():
        bins = bin_of(similarities)
        for edge, count in zip(edges, counts, strict=True):
            by_column = np.add.reduceat((bins >= edge).astype(np.int32), starts, axis=1)
            np.add.at(count, faces.people[rows], by_column)
    pairs = np.outer(pictures, pictures)
    np.fill_diagonal(pairs, pictures * (pictures - 1) // 2)
    for count in counts:
        own = np.diag(count)
        # A picture matches itself, and each pair of a person was counted from both sides.
        np.fill_diagonal(count, np.where(pictures > 0, (own - pictures) // 2, 0))
    return [Matches(count, pairs) for count in counts]


def bin_of(similarities: np.ndarray) -> np.ndarray:
    """Bin of each similarity; a picture's similarity to itself is in the last."""
    return np.clip(((similarities.astype(np.float64) + 1) / 2 * BINS + 1e-6).astype(np.int64), 0, BINS - 1)


def edge_of(number: int) -> float:
    """Similarity at the lower edge of a bin."""
    return 2 * number / BINS - 1


def reachable(fmr: float, people: int) -> bool:
    """True if so many people have pairs enough for a threshold at this FMR; each two people count as one pair."""
    return people * (people - 1) / 2 * fmr >= PAIRS_FOR_ONE_FALSE_MATCH
