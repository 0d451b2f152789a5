"""Confidence intervals of the rates of `group_rates.rates`, clustered by person.

Each rate is linearised: to first order, it changes by the sum of what each picture adds to it. The variance is that of
these sums between people (Binder, On the variances of asymptotically normal estimators from complex surveys, 1983; for
the area under the ROC curve: Obuchowski, Nonparametric analysis of clustered ROC curve data, 1997).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata, t

from mtf.evaluation.group_rates import BINS, DIGITS, ORDERED, RATES, Answers, Rates

MIN_PEOPLE_OF_LABEL = 5
"""If a label occurs with fewer people, the spread between them says too little, and no rate over labels has one."""
NAMES = (*RATES, *ORDERED)
OVER_LABELS = ("precision", "recall", "false_positive_rate", "false_negative_rate", "roc_auc")
NO_SHARES = ("calibration_error", "mean_absolute_error")
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
    (`clustered_share.interval`); other figures have one that is symmetric. The quantile is Student's t, its degrees of
    freedom one less than the people who count: all of them, or, for a mean over labels, those with the rarest label. If
    these are fewer than MIN_PEOPLE_OF_LABEL, the mean has no interval.

    The calibration error adds up distances: of few pictures it is too high on average, and its interval with it. Where
    a network is well calibrated, its interval is too wide, not too narrow.
    """
    rows, numbers = np.asarray(answers.targets), np.unique(people, return_inverse=True)[1]
    rarest = _people_of_rarest_label(rows, numbers)
    ends: Rates = {}
    every = _of_pictures(answers) | (_over_labels(answers) if rarest >= MIN_PEOPLE_OF_LABEL else {})
    for name, changes in every.items():
        value, clusters = found.get(name), rarest if name in OVER_LABELS else int(numbers.max()) + 1
        if value is None or clusters < MIN_PEOPLE_OF_LABEL:
            continue
        sums = np.bincount(numbers, changes)
        variance = len(sums) / (len(sums) - 1) * float((sums**2).sum())
        quantile = float(t.ppf(1 - LEVEL / 2, clusters - 1))
        if name in NO_SHARES:
            half = quantile * float(np.sqrt(variance))
            low, high = max(value - half, 0.0), value + half
        else:
            of_one = value * (1 - value)
            cases = min(of_one / variance, _most_cases(name, rows)) if variance > 0 and of_one > 0 else clusters
            low, high = wilson(value, cases, quantile)
        if name == "calibration_error":
            high = min(high, 1.0)
        ends[f"{name}_low"], ends[f"{name}_high"] = round(low, DIGITS), round(high, DIGITS)
    return ends


def _most_cases(name: str, targets: np.ndarray) -> float:
    """Most independent cases of a share: its pictures, or pairs of a picture and a label that it does not have."""
    if name == "roc_auc":
        return np.inf
    return len(targets) * (len(np.unique(targets)) - 1 if name == "false_positive_rate" else 1)


def _people_of_rarest_label(targets: np.ndarray, people: np.ndarray) -> int:
    """Number of people who have the label that occurs with the fewest."""
    labels = np.unique(np.stack([targets, people]), axis=1)[0]
    return int(np.unique(labels, return_counts=True)[1].min())


def _over_labels(answers: Answers) -> dict[str, np.ndarray]:
    """Rate that is a mean over labels → (n,), what each picture adds to it; they sum to 0."""
    targets, occurs = answers.targets, np.unique(answers.targets)
    right = answers.answered & (targets == answers.predicted)
    positives = np.bincount(targets, minlength=answers.labels).astype(float)
    recalls = np.bincount(targets[right], minlength=answers.labels) / np.maximum(positives, 1)
    recall = (right - recalls[targets]) / (positives[targets] * len(occurs))
    found = {"recall": recall, "false_negative_rate": -recall}
    if len(occurs) > 1:
        found |= {"precision": _precision(answers, right, occurs), "false_positive_rate": _false_positives(answers)}
        if answers.probabilities is not None:
            found["roc_auc"] = _roc_auc(answers.probabilities, targets, answers.answered)
    return found


def _of_pictures(answers: Answers) -> dict[str, np.ndarray]:
    """Other figure → (n,), what each picture adds to it; they sum to 0."""
    found, steps = {}, np.abs(answers.predicted - answers.targets)
    if answers.confidence is not None:
        found["calibration_error"] = _calibration(answers.confidence, answers.answered, steps == 0)
    if answers.ordered:
        near = answers.answered & (steps <= 1)
        found["one_off"] = (near - near.mean()) / len(steps)
        if answers.answered.any():
            error = steps[answers.answered].mean()
            found["mean_absolute_error"] = np.where(answers.answered, steps - error, 0) / answers.answered.sum()
    return found


def _precision(answers: Answers, right: np.ndarray, occurs: np.ndarray) -> np.ndarray:
    counted = answers.answered & np.isin(answers.predicted, occurs)
    chosen = np.bincount(answers.predicted[counted], minlength=answers.labels)
    hits = np.bincount(answers.predicted[counted & right], minlength=answers.labels)
    of_label = np.where(counted, answers.predicted, 0)
    size = np.maximum(chosen, 1)[of_label]
    return np.where(counted, (right - hits[of_label] / size) / (size * len(occurs)), 0)


def _false_positives(answers: Answers) -> np.ndarray:
    targets, predicted, occurs = answers.targets, answers.predicted, np.unique(answers.targets)
    negatives = len(targets) - np.bincount(targets, minlength=answers.labels)
    wrong = answers.answered & (targets != predicted) & np.isin(predicted, occurs)
    of_label = np.where(wrong, predicted, 0)
    rates = np.bincount(predicted[wrong], minlength=answers.labels) / np.maximum(negatives, 1)
    expected = np.where(np.isin(np.arange(answers.labels), occurs), rates / np.maximum(negatives, 1), 0)
    # A picture counts as a negative of every label but its own.
    return (np.where(wrong, 1 / np.maximum(negatives, 1)[of_label], 0) - expected.sum() + expected[targets]) / len(
        occurs
    )


def _roc_auc(probabilities: np.ndarray, every_target: np.ndarray, answered: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(answered)
    found, targets = np.zeros(len(every_target)), every_target[rows]
    occurs = np.unique(targets)
    if len(occurs) < 2:
        return found
    for label in occurs:
        score, positive = probabilities[rows, label], targets == label
        ranks = rankdata(score)
        above = (ranks[positive] - rankdata(score[positive])) / (~positive).sum()
        below = 1 - (ranks[~positive] - rankdata(score[~positive])) / positive.sum()
        area = above.mean()
        found[rows[positive]] += (above - area) / (positive.sum() * len(occurs))
        found[rows[~positive]] += (below - area) / ((~positive).sum() * len(occurs))
    return found


def _calibration(every_confidence: np.ndarray, answered: np.ndarray, right: np.ndarray) -> np.ndarray:
    rows = answered & ~np.isnan(every_confidence)
    found = np.zeros(len(rows))
    if not rows.any():
        return found
    confidence = every_confidence[rows].astype(float)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    distance = confidence - right[rows]
    signs = np.sign(np.bincount(bins, distance, minlength=BINS))
    signed = signs[bins] * distance
    found[rows] = (signed - signed.mean()) / rows.sum()
    return found


def wilson(share: float, cases: float, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a share of so many independent cases, which need not be a whole number."""
    square = quantile**2
    centre = (share + square / (2 * cases)) / (1 + square / cases)
    half = quantile / (1 + square / cases) * float(np.sqrt(share * (1 - share) / cases + square / (4 * cases**2)))
    return max(centre - half, 0.0), min(centre + half, 1.0)
