"""Confidence intervals of the rates of `group_rates.rates`, clustered by person.

The variance is the jackknife's over people: that of the rates without each person in turn (Efron and Tibshirani, An
introduction to the bootstrap, 1993, chapter 11). These rates follow from counts of each person.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata, t

from mtf.core import clustered_share
from mtf.evaluation.group_rates import BINS, DIGITS, ORDERED, RATES, Answers, Rates
from mtf.evaluation.jackknife import variance_and_freedom

MIN_PEOPLE_OF_LABEL = 5
"""If a label occurs with fewer people, the spread between them says too little, and no rate over labels has one."""
NAMES = (*RATES, *ORDERED)
OVER_LABELS = ("precision", "recall", "false_positive_rate", "false_negative_rate", "roc_auc")
LEVEL = 0.05
ENDS = ("low", "high")


def columns() -> tuple[str, ...]:
    """Names of the figures of `intervals`: `recall_low`, `recall_high`, …"""
    return tuple(f"{name}_{end}" for name in NAMES for end in ENDS)


def intervals(answers: Answers, people: np.ndarray, found: Mapping[str, float | None]) -> Rates:
    """Ends `NAME_low` and `NAME_high` of the 95 % interval of each rate; rates without an interval are left out.

    people: (n,), number of the person in each picture.
    found: the rates, by `group_rates.rates`.

    Shares have Wilson's interval with the number of independent cases that has the same variance, as accuracy has
    (`clustered_share.interval`). The interval of the mean absolute error is symmetric on the scale of its logarithm; an
    error of 0 has none. The quantile is Student's t, with the degrees of freedom of the jackknife's variance
    (`jackknife.variance_and_freedom`): few, if the rate hangs on few people. A mean over labels has no interval if a
    label occurs with fewer than MIN_PEOPLE_OF_LABEL people.

    The calibration error adds up distances: of few pictures it is too high on average, and its interval with it. Where
    a network is well calibrated, its interval is too wide, not too narrow.
    """
    ends: Rates = {}
    groups = _People(people)
    rarest = groups.of_rarest_label(answers.targets)
    for name, without in _without_each(answers, groups).items():
        value = found.get(name)
        if value is None:
            continue
        with np.errstate(divide="ignore"):
            variance, freedom = variance_and_freedom(np.log(without) if name == "mean_absolute_error" else without)
        if not np.isfinite(variance):
            continue
        if name == "calibration_error":
            half = float(t.ppf(1 - LEVEL / 2, freedom)) * float(np.sqrt(variance))
            low, high = max(value - half, 0.0), min(value + half, 1.0)
        elif name == "mean_absolute_error":
            half = float(t.ppf(1 - LEVEL / 2, freedom)) * float(np.sqrt(variance))
            low, high = value * np.exp(-half), value * np.exp(half)
        else:
            of_one = value * (1 - value)
            if variance > 0 and of_one > 0:
                cases = min(of_one / variance, _most_cases(name, answers.targets))
            else:  # all people agree
                cases = min(groups.of_equal_weight, rarest if name in OVER_LABELS else np.inf)
                freedom = max(cases - 1, 1)
            low, high = clustered_share.wilson(value, cases, float(t.ppf(1 - LEVEL / 2, freedom)))
        ends[f"{name}_low"], ends[f"{name}_high"] = round(low, DIGITS), round(high, DIGITS)
    return ends


def without_each_person(answers: Answers, people: np.ndarray) -> dict[str, np.ndarray]:
    """Rate → (people,), the rate without each person in turn, in the order of their numbers; not finite if undefined.

    people: (n,), number of the person in each picture.

    With fewer than MIN_PEOPLE_OF_LABEL people there is none, and if a label has fewer, none that is a mean over labels.
    """
    return _without_each(answers, _People(people))


def _without_each(answers: Answers, groups: _People) -> dict[str, np.ndarray]:
    if len(groups.pictures) < MIN_PEOPLE_OF_LABEL:
        return {}
    found = _of_pictures(answers, groups)
    if groups.of_rarest_label(answers.targets) >= MIN_PEOPLE_OF_LABEL:
        found |= _over_labels(answers, groups)
    return found


def _most_cases(name: str, targets: np.ndarray) -> float:
    """Most independent cases of a share: its pictures, or pairs of a picture and a label that it does not have."""
    if name == "roc_auc":
        return np.inf
    return len(targets) * (len(np.unique(targets)) - 1 if name == "false_positive_rate" else 1)


class _People:
    """People of a group, by the person in each picture.

    numbers: (n,), 0 to people - 1, number of the person in each picture.
    pictures: (people,), number of pictures of each.
    of_equal_weight: number of people with as many pictures each whose mean is as certain (Kish).
    """

    def __init__(self, people: np.ndarray) -> None:
        self.numbers = np.unique(people, return_inverse=True)[1]
        self.pictures = np.bincount(self.numbers)
        self.of_equal_weight = float(self.pictures.sum()) ** 2 / float((self.pictures**2).sum())

    def sums(self, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """(people,), sums of the values of each person's pictures, or of those `rows` alone, which have the values."""
        numbers = self.numbers if rows is None else self.numbers[rows]
        return np.bincount(numbers, values, len(self.pictures))

    def table(self, columns: np.ndarray, width: int, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """(people, width), sums of the values of each person in each column, 0 to width - 1."""
        numbers = self.numbers if rows is None else self.numbers[rows]
        cells = np.bincount(numbers * width + columns, values, len(self.pictures) * width)
        return cells.reshape(-1, width)

    def of_rarest_label(self, targets: np.ndarray) -> int:
        """Number of people who have the label that occurs with the fewest."""
        labels = np.unique(np.stack([targets, self.numbers]), axis=1)[0]
        return int(np.unique(labels, return_counts=True)[1].min())


def _without(sums: np.ndarray) -> np.ndarray:
    """(people, …), the total without each person, of the sums of each."""
    return sums.sum(axis=0) - sums


def _over_labels(answers: Answers, people: _People) -> dict[str, np.ndarray]:
    """Rate that is a mean over labels → (people,), the rate without each person."""
    targets, answered, width = answers.targets, answers.answered, answers.labels
    occurs, predicted = np.unique(targets), np.where(answers.answered, answers.predicted, 0)
    hits, positives, chosen = (
        _without(people.table(columns, width, values))[:, occurs]
        for columns, values in (
            (targets, answered & (predicted == targets)),
            (targets, np.ones(len(targets))),
            (predicted, answered),
        )
    )
    recall = (hits / positives).mean(axis=1)
    found = {"recall": recall, "false_negative_rate": 1 - recall}
    if len(occurs) > 1:
        negatives = _without(people.pictures)[:, None] - positives
        found["precision"] = (hits / np.maximum(chosen, 1)).mean(axis=1)
        found["false_positive_rate"] = ((chosen - hits) / negatives).mean(axis=1)
        if answers.probabilities is not None:
            found["roc_auc"] = _roc_auc(answers.probabilities, targets, people, np.flatnonzero(answered))
    return found


def _of_pictures(answers: Answers, people: _People) -> dict[str, np.ndarray]:
    """Other figure → (people,), the figure without each person."""
    found, steps, answered = {}, np.abs(answers.predicted - answers.targets), answers.answered
    if answers.confidence is not None:
        found["calibration_error"] = _calibration(answers.confidence, steps == 0, people)
    if answers.ordered:
        found["one_off"] = _without(people.sums(answered & (steps <= 1))) / _without(people.pictures)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors, cases = people.sums(np.where(answered, steps, 0)), people.sums(answered)
            found["mean_absolute_error"] = _without(errors) / _without(cases)
    return found


def _roc_auc(probabilities: np.ndarray, targets: np.ndarray, people: _People, rows: np.ndarray) -> np.ndarray:
    """Mean area under the curve without each person: pairs of a picture with a label and one without it, by rank."""
    areas = [np.full(len(people.pictures), np.nan)] if len(rows) == 0 else []
    for label in np.unique(targets[rows]):
        score, positive = probabilities[rows, label], targets[rows] == label
        ranks = rankdata(score)
        won = np.empty(len(score))
        won[positive] = ranks[positive] - rankdata(score[positive])
        won[~positive] = positive.sum() - (ranks[~positive] - rankdata(score[~positive]))
        pictures = people.table(positive.astype(int), 2, np.ones(len(rows)), rows)
        of_person = people.sums(won, rows) - _won_within(score, positive, people.numbers[rows], pictures)
        with np.errstate(divide="ignore", invalid="ignore"):
            areas.append((won[positive].sum() - of_person) / _without(pictures).prod(axis=1))
    return np.mean(areas, axis=0)


def _won_within(score: np.ndarray, positive: np.ndarray, people: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """(people,), pairs of pictures of one person in which the one with the label has the higher score; ties half."""
    found = np.zeros(len(pictures))
    for person in np.flatnonzero(pictures.all(axis=1)):
        own = people == person
        gaps = score[own & positive][:, None] - score[own & ~positive]
        found[person] = (gaps > 0).sum() + (gaps == 0).sum() / 2
    return found


def _calibration(confidence: np.ndarray, right: np.ndarray, people: _People) -> np.ndarray:
    rows = np.flatnonzero(~np.isnan(confidence))
    bins = np.minimum((confidence[rows] * BINS).astype(int), BINS - 1)
    distances = people.table(bins, BINS, confidence[rows].astype(float) - right[rows], rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(_without(distances)).sum(axis=1) / _without(people.sums(np.ones(len(rows)), rows))
