"""Figures of a verification test: thresholds from some people, errors of others, by group and across groups."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mtf.config import WITH
from mtf.core import clustered_share
from mtf.core.errors import BadInput
from mtf.evaluation import fairness, group_tests
from mtf.evaluation.differentials import differentials, discrepancy
from mtf.evaluation.group_tables import pair_key
from mtf.evaluation.verification import Distribution, Matches, Vectors, matches_at, reachable

DIGITS = 6
FMRS = (0.1, 0.01, 0.001, 0.0001)
CURVE_POINTS = 200
ALL = "all"


@dataclass(frozen=True)
class Subjects:
    """People of a verification test, in the order of their numbers in the vectors.

    names: (k,), identity of each.
    labels: attribute → label of each, as the roster has it; an empty label belongs to no group.
    failures, pictures: (k,), pictures of each without a vector, and all their pictures.
    """

    names: Sequence[str]
    labels: Mapping[str, Sequence[str | None]]
    failures: np.ndarray
    pictures: np.ndarray

    def groups(self, attributes: Sequence[str]) -> dict[str, np.ndarray]:
        """Name of each group of these attributes (`Blue × Males`) → numbers of its people."""
        found: dict[str, list[int]] = {}
        for number, values in enumerate(zip(*(self.labels[name] for name in attributes), strict=True)):
            if all(values):
                found.setdefault(WITH.join(map(str, values)), []).append(number)
        return {name: np.array(people) for name, people in sorted(found.items())}


@dataclass(frozen=True)
class Settings:
    """Settings of a test.

    fmrs: FMR, 0 to 1, for which thresholds are set.
    min_people: a group of fewer people has no figures.
    seed: of the permutations.
    """

    fmrs: Sequence[float] = FMRS
    min_people: int = clustered_share.MIN_CLUSTERS
    seed: int = 0


def measure(
    faces: Vectors, subjects: Subjects, everybody: Subjects, settings: Settings
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Figures, and the points of the DET curves (`group`, `fmr`, `fnmr`).

    faces, subjects: pictures with a vector, and the people in them.
    everybody: also the people without a vector; failures to acquire are measured on them.

    Half of the people, chosen by a digest of their identity, set the threshold for each FMR; nothing else is measured
    on them. The other half is measured:

    - `overall`: for each FMR, `threshold`, `fmr`, `fnmr`, their intervals, and the measured numbers of pairs;
    - `groupings`: attribute, or several (`race × gender`) → `groups` (people, failure to acquire, and for each FMR the
      rates within the group), `across` (pair of groups, `A, B` → for each FMR, `fmr`, its interval, and
      `impostor_pairs`, of a person of each), `differentials`, and `worst_fnmr`: the group whose FNMR is above that of
      all by more than chance, if there is one (`group_tests.lower_and_higher`).

    Rates are shares from 0 to 1; intervals are of 95 %, by person. Groups of fewer than `min_people` people have
    `more_people`, the number that is missing, in place of rates. Raises BadInput if there are too few people for any
    of the thresholds.
    """
    calibration, test = halves(subjects.names)
    fmrs = [fmr for fmr in sorted(settings.fmrs, reverse=True) if reachable(fmr, len(calibration))]
    if not fmrs:
        raise BadInput(
            f"verify: {len(subjects.names)} people with a vector are too few for a threshold at an FMR of "
            f"{max(settings.fmrs):g}; half of the people set it, and need 10 pairs of two for each false match"
        )
    distribution = Distribution.of(faces.of(calibration))
    thresholds = [distribution.threshold(fmr) for fmr in fmrs]
    tested = faces.of(test)
    found = dict(zip(fmrs, matches_at(tested, thresholds), strict=True))
    numbers = {int(person): number for number, person in enumerate(test)}
    groupings, curves = {}, [_curve(ALL, tested)]
    for attributes in fairness.groupings(list(subjects.labels)):
        groups = {
            name: np.array([numbers[person] for person in people if person in numbers], np.int64)
            for name, people in subjects.groups(attributes).items()
        }
        acquired = {
            name: _share(everybody.failures[people], everybody.pictures[people], settings)
            for name, people in everybody.groups(attributes).items()
        }
        groupings[WITH.join(attributes)] = _grouping(groups, acquired, found, settings)
        if len(attributes) == 1:
            large = {name: people for name, people in groups.items() if len(people) >= settings.min_people}
            curves += [_curve(f"{attributes[0]}: {name}", tested.of(people)) for name, people in large.items()]
    figures = {
        "people": {"calibration": len(calibration), "test": len(test)},
        "pictures": {"calibration": len(faces.vectors) - len(tested.vectors), "test": len(tested.vectors)},
        "failure_to_acquire": _share(everybody.failures, everybody.pictures, settings),
        "overall": {
            f"{fmr:g}": {"threshold": round(threshold, DIGITS)} | _rates(found[fmr], np.arange(len(test)), settings)
            for fmr, threshold in zip(fmrs, thresholds, strict=True)
        },
        "groupings": groupings,
    }
    if left_out := [fmr for fmr in settings.fmrs if fmr not in fmrs]:
        figures["too_few_people_for"] = left_out
    return figures, pl.concat(curves)


def halves(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the people of two halves, ascending; a person stays in a half for most changes of the others."""
    order = sorted(range(len(names)), key=lambda number: order_of(names[number]))
    middle = len(names) // 2
    return np.array(sorted(order[:middle]), np.int64), np.array(sorted(order[middle:]), np.int64)


def order_of(name: str) -> bytes:
    """Digest of an identity, by which people are put in an order that has nothing to do with them."""
    return hashlib.sha256(name.encode()).digest()


def _grouping(
    groups: Mapping[str, np.ndarray],
    acquired: Mapping[str, dict[str, Any]],
    found: Mapping[float, Matches],
    settings: Settings,
) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, people in groups.items():
        rows[name] = {"people": len(people)}
        if len(people) < settings.min_people:
            rows[name]["more_people"] = settings.min_people - len(people)
            continue
        rows[name]["failure_to_acquire"] = acquired[name]
        rows[name]["at"] = {f"{fmr:g}": _rates(matches, people, settings) for fmr, matches in found.items()}
    large = {name: people for name, people in groups.items() if len(people) >= settings.min_people}
    across = {
        pair_key(first, second): {
            f"{fmr:g}": _rates_across(matches, large[first], large[second], settings) for fmr, matches in found.items()
        }
        for first, second in itertools.combinations(large, 2)
    }
    measures = {}
    for fmr, matches in found.items():
        rates = {kind: {name: rows[name]["at"][f"{fmr:g}"][kind] for name in large} for kind in ("fmr", "fnmr")}
        of_each = {kind: differentials(by_group) for kind, by_group in rates.items()}
        measures[f"{fmr:g}"] = of_each | discrepancy(rates["fmr"], rates["fnmr"]) | _worst(matches, large, settings)
    return {"groups": rows, "across": across} | ({"differentials": measures} if len(large) > 1 else {})


def _worst(matches: Matches, groups: Mapping[str, np.ndarray], settings: Settings) -> dict[str, Any]:
    """Group whose FNMR is above that of all by more than chance, and the p-value of the group with the highest FNMR."""
    counts = {}
    for name, people in groups.items():
        missed, pairs = matches.genuine(people)
        counts[name] = (missed[pairs > 0], pairs[pairs > 0])
    tested = {name: high for name, (_, high) in group_tests.lower_and_higher(counts, seed=settings.seed).items()}
    if not tested:
        return {}
    name = min(tested, key=lambda each: tested[each])
    return {"worst_fnmr": name if tested[name] <= fairness.LEVEL else None, "worst_fnmr_p": _round(tested[name])}


def _rates(matches: Matches, people: np.ndarray, settings: Settings) -> dict[str, Any]:
    fnmr = matches.fnmr_interval(people, min_people=settings.min_people)
    fmr = matches.fmr_interval(people, min_people=settings.min_people)
    genuine, impostor = matches.numbers_of_pairs(people)
    return {
        "fmr": _round(matches.fmr(people)),
        **_ends("fmr", fmr),
        "fnmr": _round(matches.fnmr(people)),
        **_ends("fnmr", fnmr),
        "genuine_pairs": genuine,
        "impostor_pairs": impostor,
    }


def _rates_across(matches: Matches, first: np.ndarray, second: np.ndarray, settings: Settings) -> dict[str, Any]:
    ends = matches.fmr_interval(first, second, min_people=settings.min_people)
    pairs = int(matches.pairs[np.ix_(first, second)].sum())
    return {"fmr": _round(matches.fmr(first, second)), **_ends("fmr", ends), "impostor_pairs": pairs}


def _share(failures: np.ndarray, pictures: np.ndarray, settings: Settings) -> dict[str, Any]:
    if not pictures.sum():
        return {}
    interval = clustered_share.interval(failures, pictures, min_clusters=settings.min_people)
    return {
        "share": _round(float(failures.sum() / pictures.sum())),
        "pictures": int(pictures.sum()),
        **({} if interval is None else {"low": _round(interval[0]), "high": _round(interval[1])}),
    }


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, float | None]:
    return {} if interval is None else {f"{name}_low": _round(interval[0]), f"{name}_high": _round(interval[1])}


def _curve(group: str, faces: Vectors) -> pl.DataFrame:
    """Points of the DET curve of these people: FMR and FNMR at thresholds spread evenly over the FMRs' logarithms."""
    distribution = Distribution.of(faces)
    pairs = int(distribution.impostor.sum())
    if not pairs or not distribution.genuine.sum():
        return pl.DataFrame(schema={"group": pl.String, "fmr": pl.Float64, "fnmr": pl.Float64})
    wanted = np.geomspace(1 / pairs, 1, CURVE_POINTS)
    thresholds = np.unique([distribution.threshold(fmr) for fmr in wanted])
    fmr, fnmr = distribution.error_rates(thresholds)
    points = pl.DataFrame({"fmr": fmr.round(DIGITS + 2), "fnmr": fnmr.round(DIGITS)}).unique(maintain_order=True)
    return points.select(pl.lit(group).alias("group"), "fmr", "fnmr")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
