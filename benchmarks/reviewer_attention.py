"""Test of attention: how soon a reviewer who overlooks a tenth of the exceptions is named, and how often another is.

    .venv/bin/python benchmarks/reviewer_attention.py [--runs 4000]

A reviewer answers likely pages of PAGE_FACES faces. On each are some real exceptions and the gold questions that
`review.gold_share` plants; each exception is overlooked with the probability `overlooked`, each time anew. A page takes
one key, and one more for every exception that is picked out. A real exception counts if two others reject it who err on
2 and 5 % of the faces: both others of the panel, or one of them and the classifier.

Two ways to count 200 decisions: keys, by which a page is decided, and verdicts, one for each real face. The evidence is
gold alone, as for the first reviewer of a project, or gold and real exceptions. The test is `annotation.attention`; the
rival is the exact binomial test at the same level, looked at once at the end, or after each page.

No test can do better than the bound. Given n exceptions, the likelihood-ratio test of their number of misses is the
most powerful one (Neyman and Pearson, "On the Problem of the Most Efficient Tests of Statistical Hypotheses",
Philosophical Transactions of the Royal Society A 231, 1933), and a sequential test that looks at the same n exceptions
is a test of them. The bound is shown against a reviewer who overlooks HONEST of the exceptions, and against one who
never overlooks any.

Exit status 1 if, at the default share and in 200 keys, power or false alarm miss their targets on any page.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from mtf.annotation import attention
from mtf.config import Review

PAGE_FACES = 40
DECISIONS = 200
OTHERS_AGREE = 0.98 * 0.95
MIN_POWER = 0.95
GOLD_SHARES = (0.02, 0.04, 0.05)
REAL_EXCEPTIONS = (0, 1, 2, 4)
# Enough to name nearly everybody who overlooks a tenth.
LONG_PAGES = 400


class Answers(NamedTuple):
    """Answers of a reviewer, page by page.

    found: exceptions met, true for each overlooked one.
    gold: the gold ones among them.
    exceptions, golds, keys: numbers of exceptions, of gold and of keys, each up to the end of each page.
    """

    found: list[bool]
    gold: list[bool]
    exceptions: list[int]
    golds: list[int]
    keys: list[int]

    def first(self, pages: int) -> tuple[list[bool], list[bool], list[int]]:
        """Exceptions, gold ones, and their numbers after each page, of so many pages."""
        return self.found[: self.exceptions[pages - 1]], self.gold[: self.golds[pages - 1]], self.exceptions[:pages]


def answered(overlooked: float, real: int, gold_share: float, pages: int, random: np.random.Generator) -> Answers:
    answers = Answers([], [], [], [], [])
    keys = 0
    for page in range(1, pages + 1):
        planted = max(int(gold_share / (1 - gold_share) * PAGE_FACES * page + 0.5) - len(answers.gold), 1)
        missed_gold = (random.random(planted) < overlooked).tolist()
        missed_real = random.random(real) < overlooked
        known = random.random(real) < OTHERS_AGREE
        answers.gold.extend(missed_gold)
        answers.found.extend([*missed_gold, *missed_real[known].tolist()])
        keys += 1 + planted - sum(missed_gold) + real - int(missed_real.sum())
        answers.exceptions.append(len(answers.found))
        answers.golds.append(len(answers.gold))
        answers.keys.append(keys)
    return answers


def exact(missed: int, exceptions: int) -> bool:
    """True if an exact binomial test at the same level names a reviewer."""
    return bool(binom.sf(missed - 1, exceptions, attention.HONEST) <= attention.FALSE_ALARM)


def pages_of(answers: Answers, *, by_keys: bool) -> int:
    """Number of pages of DECISIONS decisions; the last one is finished."""
    if by_keys:
        return int(np.searchsorted(answers.keys, DECISIONS)) + 1
    return -(-DECISIONS // PAGE_FACES)


def rates(overlooked: float, real: int, gold_share: float, *, by_keys: bool, runs: int) -> dict[str, float]:
    """Shares of the runs in which each test named the reviewer, and mean numbers of exceptions and of gold."""
    random = np.random.default_rng([int(1000 * overlooked), real, int(1000 * gold_share)])
    sums = dict.fromkeys(("named", "by gold", "exact once", "exact after each page", "exceptions", "gold"), 0.0)
    for _ in range(runs):
        answers = answered(overlooked, real, gold_share, DECISIONS, random)
        found, gold, ends = answers.first(pages_of(answers, by_keys=by_keys))
        sums["named"] += attention.tested(found).is_named
        sums["by gold"] += attention.tested(gold).is_named
        sums["exact once"] += exact(sum(found), len(found))
        missed = np.cumsum(found)
        sums["exact after each page"] += any(exact(int(missed[end - 1]), end) for end in ends if end)
        sums["exceptions"] += len(found)
        sums["gold"] += len(gold)
    return {name: total / runs for name, total in sums.items()}


def bound(exceptions: int, honest: float) -> float:
    """Power of the most powerful test at level FALSE_ALARM on so many exceptions, against `honest`."""
    alarm, power = 0.0, 0.0
    for missed in range(exceptions, -1, -1):
        more = float(binom.pmf(missed, exceptions, honest))
        share = 1.0 if alarm + more <= attention.FALSE_ALARM else (attention.FALSE_ALARM - alarm) / more
        alarm += share * more
        power += share * float(binom.pmf(missed, exceptions, attention.CARELESS))
        if share < 1:
            break
    return power


def exceptions_needed(honest: float) -> int:
    """Smallest number of exceptions from which on the bound stays at MIN_POWER."""
    return next(
        count for count in range(1, 1000) if all(bound(more, honest) >= MIN_POWER for more in range(count, count + 30))
    )


def show_bounds() -> None:
    """Print what any test can reach in DECISIONS verdicts on single faces, and what it takes."""
    faces = DECISIONS // PAGE_FACES
    print(f"most powerful test, false alarm {attention.FALSE_ALARM:.0%}, in {DECISIONS} verdicts on faces")
    for share in GOLD_SHARES:
        gold = int(share * DECISIONS)
        for what, count in (("gold", gold), ("gold and 4 real exceptions a page", gold + 4 * faces)):
            powers = [bound(count, honest) for honest in (attention.HONEST, 0.0)]
            print(
                f"  {share:.0%} {what}: {count} exceptions, power {powers[0]:.3f}; "
                f"{powers[1]:.3f} against one who never overlooks any"
            )
    for honest in (attention.HONEST, 0.0):
        print(f"  power {MIN_POWER} against one who overlooks {honest:.0%}: {exceptions_needed(honest)} exceptions")


def show_needed(gold_share: float, runs: int) -> None:
    """Print the numbers of keys and verdicts after which MIN_POWER of the careless reviewers were named."""
    print(f"until {MIN_POWER:.0%} of those who overlook {attention.CARELESS:.0%} are named, gold {gold_share:.0%}")
    for real in REAL_EXCEPTIONS:
        random = np.random.default_rng([real, int(1000 * gold_share)])
        pages, keys = [], []
        for _ in range(runs):
            answers = answered(attention.CARELESS, real, gold_share, LONG_PAGES, random)
            after = attention.tested(answers.found).named_after
            page = LONG_PAGES if after is None else int(np.searchsorted(answers.exceptions, after)) + 1
            pages.append(page)
            keys.append(answers.keys[page - 1])
        most = np.quantile(pages, MIN_POWER, method="higher")
        print(
            f"  {real} real exceptions a page: {most} pages, {most * PAGE_FACES} verdicts on faces, "
            f"{np.quantile(keys, MIN_POWER):.0f} keys; half of them after {np.median(pages) * PAGE_FACES:.0f} verdicts",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=4000)
    asked = parser.parse_args()
    default = Review().gold_share
    met = True
    show_bounds()
    show_needed(default, asked.runs)
    for by_keys in (True, False):
        print(f"{DECISIONS} decisions, counted in {'keys' if by_keys else 'verdicts on faces'}")
        for gold_share in GOLD_SHARES:
            for real in REAL_EXCEPTIONS:
                rate = {
                    share: rates(share, real, gold_share, by_keys=by_keys, runs=asked.runs)
                    for share in (attention.CARELESS, attention.HONEST)
                }
                power, alarm = rate[attention.CARELESS], rate[attention.HONEST]
                print(
                    f"  gold {gold_share:.0%}, {real} real exceptions a page: {power['exceptions']:.0f} exceptions, "
                    f"{power['gold']:.0f} of them gold; "
                    + "; ".join(
                        f"{name} {power[name]:.3f} / {alarm[name]:.3f}"
                        for name in ("named", "by gold", "exact once", "exact after each page")
                    ),
                    flush=True,
                )
                if by_keys and gold_share == default:
                    met &= power["named"] >= MIN_POWER and alarm["named"] <= attention.FALSE_ALARM
    print("power / false alarm")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
