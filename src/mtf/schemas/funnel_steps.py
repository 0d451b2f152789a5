"""Registry of the funnel's steps: one entry per step, from which every other part of the program derives its own.

The entries of the package are in `mtf.curation.steps`. Another package adds one with `register`, or names it as an
entry point of the group `mtf.funnel_steps`; nothing else has to be changed for it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

import polars as pl

from mtf.schemas.enums import Reason

ENTRY_POINTS = "mtf.funnel_steps"
BUILT_IN = "mtf.curation.steps"
# The label of the task that groups people by their years (`Task.years`), whatever its column is called.
AGE_GROUP = "age_group"
NAME = re.compile(r"[a-z][a-z0-9_]*")
# The keys of the screen that are no reason's, the same at every step.
VERDICT_KEYS = {
    "a": "accept",
    "x": "reject",
    "k": "keep",
    "l": "label",
    "s": "skip",
    "u": "undo",
    "n": "next page",
    "p": "picture",
}


class StepFilter(Protocol):
    """One step of a funnel that is run: a reason to drop each face, or null to keep it."""

    @property
    def step(self) -> str: ...

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        """`faces`, in any order, with `reason` (null keeps), `decided_by` and `detail`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FunnelStep:
    """One step of the funnel (MTF, section 3.2).

    - `name`: in the ledger, the tables and the metrics; a-z, 0-9 and _.
    - `title`: the faces that it leaves, for reports: "a whole human face".
    - `heading`: the step's short name on the screen: "faces". By default the name.
    - `question`: the question a reviewer answers; `{identity}` stands for the person's name.
    - `reasons`: the reasons to drop a face here, the most usual one first. Of a step that is not reviewed, those that
      its filter gives.
    - `keys`: reason → its key on the screen, one character; no two reasons of the funnel share one.
    - `hints`: measure of the faces → weight, before there are verdicts to learn from: higher values speak for
      acceptance where it is positive, against it where it is negative.
    - `pages_by`: the column whose values are not mixed on a page, such as AGE_GROUP; None where all faces of the step
      may be.
    - `is_reviewed`: whether people judge faces at this step; else the filter alone does.
    - `is_for_non_curated`: whether the non-curated set (automatic crops, MTF's second set) takes this step, too.
    - `filter`: `mtf.curation.funnel.Context` → the filter that applies the step, or None where it is not taken in the
      context's mode. Left out, the panel's majority decides in the curated mode.
    - `after`: the step that it follows; None for the last place.
    """

    name: str
    title: str
    heading: str = ""
    question: str = ""
    reasons: Sequence[str] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, float] = field(default_factory=dict)
    pages_by: str | None = None
    is_reviewed: bool = True
    is_for_non_curated: bool = False
    filter: Callable[[Any], StepFilter | None] | None = None
    after: str | None = None

    def asked_of(self, identity: str) -> str:
        """The question about a face of the person called `identity`."""
        return self.question.replace("{identity}", identity)


_lock = threading.RLock()
_steps: list[FunnelStep] = []
_loaded = threading.Event()


def register(step: FunnelStep) -> None:
    """Add a step, before the review or the funnel begins.

    Raises ValueError where it contradicts itself or a step that is registered already.
    """
    _load()
    _add(step)


def unregister(name: str) -> None:
    """Remove a step that was registered. Raises ValueError where there is none of that name."""
    with _lock:
        _steps.remove(named(name))
        _forget_derived()


def registered() -> tuple[FunnelStep, ...]:
    """All steps, in the funnel's order."""
    _load()
    return tuple(_steps)


def named(name: str) -> FunnelStep:
    """The step of that name. Raises ValueError where none is registered."""
    if name not in _by_name():
        raise ValueError(f"no funnel step {str(name)!r}; registered: {', '.join(names())}")
    return _by_name()[name]


@cache
def names() -> tuple[str, ...]:
    """The names of all steps, in the funnel's order; those of the package are `mtf.schemas.Step`s."""
    return tuple(step.name for step in registered())


@cache
def reviewed() -> tuple[str, ...]:
    """The names of the steps at which people judge faces, in the funnel's order."""
    return tuple(step.name for step in registered() if step.is_reviewed)


@cache
def review_reasons() -> dict[str, tuple[str, ...]]:
    """Reviewed step → the reasons a person may give there, in the order in which they are offered."""
    return {step.name: tuple(step.reasons) for step in registered() if step.is_reviewed}


@cache
def step_of_reason() -> dict[str, str]:
    """Reason a person may give → the step it belongs to."""
    return {reason: step for step, reasons in review_reasons().items() for reason in reasons}


@cache
def reason_keys() -> dict[str, str]:
    """Reason a person may give → its key on the screen."""
    return {str(reason): step.keys[reason] for step in registered() if step.is_reviewed for reason in step.reasons}


@cache
def reasons() -> tuple[str, ...]:
    """All reasons for which a face may be left out: the package's `mtf.schemas.Reason`s, then other steps'."""
    others = (reason for step in registered() for reason in step.reasons)
    return tuple(dict.fromkeys([*Reason, *others]))


def place_of(step: str) -> int:
    """The place of a step among the reviewed ones. Raises ValueError where it is none of them."""
    return reviewed().index(step)


def title_of(name: str) -> str:
    """The title of a step; of one that is not registered here, such as in older figures, its name in words."""
    found = _by_name().get(name)
    return found.title if found else name.replace("_", " ")


def heading_of(name: str) -> str:
    """The short name of a step on the screen."""
    return named(name).heading or name.replace("_", " ")


@cache
def _by_name() -> dict[str, FunnelStep]:
    return {step.name: step for step in registered()}


def _forget_derived() -> None:
    for derived in (names, reviewed, review_reasons, step_of_reason, reason_keys, reasons, _by_name):
        derived.cache_clear()


def _load() -> None:
    """Read the package's steps and the entry points', once."""
    with _lock:
        if _loaded.is_set():
            return
        _loaded.set()
        for step in import_module(BUILT_IN).STEPS:
            _add(step)
        for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
            found = point.load()
            if not isinstance(found, FunnelStep):
                raise TypeError(f"entry point {point.name} of {ENTRY_POINTS}: {point.value} is no FunnelStep")
            _add(found)


def _add(step: FunnelStep) -> None:
    with _lock:
        if wrong := _contradiction(step):
            raise ValueError(f"funnel step {str(step.name)!r}: {wrong}")
        known = [other.name for other in _steps]
        _steps.insert(known.index(step.after) + 1 if step.after else len(known), step)
        _forget_derived()


def _contradiction(step: FunnelStep) -> str | None:
    """Why a step cannot be registered; None where it can."""
    known = [other.name for other in _steps]
    if not NAME.fullmatch(step.name):
        return "its name must be of a-z, 0-9 and _, and begin with a letter"
    if step.name in known:
        return "a step of that name is registered"
    if step.after and step.after not in known:
        return f"it comes after {str(step.after)!r}; registered: {', '.join(known)}"
    if not step.is_reviewed:
        return None if step.filter else "it is not reviewed and has no filter"
    return _review_contradiction(step)


def _review_contradiction(step: FunnelStep) -> str | None:
    if not step.question or not step.reasons:
        return "it is reviewed, and needs a question and at least one reason"
    if set(step.keys) != set(step.reasons):
        return f"each reason needs a key: {', '.join(step.reasons)}"
    others = [other for other in _steps if other.is_reviewed]
    if shared := set(step.reasons) & {reason for other in others for reason in other.reasons}:
        return f"another step has the reason {', '.join(sorted(shared))}"
    if wrong := next((reason for reason in step.reasons if not NAME.fullmatch(reason)), None):
        return f"the reason {wrong!r} must be of a-z, 0-9 and _, and begin with a letter"
    taken = [*VERDICT_KEYS, *(key for other in others for key in other.keys.values())]
    for key in step.keys.values():
        if len(key) != 1 or key.lower() != key or key in taken:
            return f"the key {key!r} is taken or no single small character; taken: {' '.join(sorted(taken))}"
        taken.append(key)
    return None
