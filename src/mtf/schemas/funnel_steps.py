"""Registry of the funnel's steps: one entry holds all that the rest of the program needs to know of a step.

The built-in entries are in `mtf.curation.steps`. Another package adds one with `register`, or as an entry point of the
group `mtf.funnel_steps`; nothing else has to change.
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
# Column with the label of the task that groups people by age (`Task.years`), whatever the task's column is called.
AGE_GROUP = "age_group"
NAME = re.compile(r"[a-z][a-z0-9_]*")
# Keys of the review screen that belong to no reason, the same at every step.
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
    """Filter of one step in a run of the funnel: gives each face a reason to drop it, or null to keep it."""

    @property
    def step(self) -> str: ...

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        """Add the columns `reason` (null keeps the face), `decided_by` and `detail` to `faces`; any order of rows."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FunnelStep:
    """One step of the funnel (MTF, section 3.2).

    name: in the ledger, the tables and the metrics; a-z, 0-9 and _.
    title: description of the faces that it keeps, for reports: "a whole human face".
    heading: short name on the review screen: "faces"; by default the name.
    question: that a reviewer answers; `{identity}` stands for the person's name.
    reasons: to drop a face at this step, the most usual one first; for an unreviewed step, those that its filter gives.
    keys: reason → its key on the review screen, one character; no two reasons of the funnel share one.
    hints: measure of the faces → weight, for triage before there are verdicts to learn from. High values speak for
        acceptance if the weight is positive, against it if it is negative.
    pages_by: column whose values are not mixed on a page, such as AGE_GROUP; None mixes all faces of the step.
    is_reviewed: True if reviewers judge faces at this step, False if only the filter does.
    is_seen_at_once: True if reviewers can answer it on a page of one person's faces, together with the steps before it.
    is_for_non_curated: True if the non-curated set (automatic crops, MTF's second set) takes this step, too.
    filter: `mtf.curation.funnel.Context` → the step's filter, or None if the context's mode skips the step. Without
        it, the panel's majority decides in the curated mode.
    after: name of the step that it follows; None for the last place.
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
    is_seen_at_once: bool = False
    is_for_non_curated: bool = False
    filter: Callable[[Any], StepFilter | None] | None = None
    after: str | None = None

    def question_about(self, identity: str) -> str:
        """Question about a face of the person called `identity`."""
        return self.question.replace("{identity}", identity)


_lock = threading.RLock()
_steps: list[FunnelStep] = []
_loaded = threading.Event()


def register(step: FunnelStep) -> None:
    """Add a step, before the review or the funnel begins.

    Raises ValueError if it is incomplete, or conflicts with a registered step.
    """
    _load()
    _add(step)


def unregister(name: str) -> None:
    """Remove a registered step. Raises ValueError if there is none of that name."""
    with _lock:
        _steps.remove(named(name))
        _forget_derived()


def registered() -> tuple[FunnelStep, ...]:
    """All steps, in the funnel's order."""
    _load()
    return tuple(_steps)


def named(name: str) -> FunnelStep:
    """Step of that name. Raises ValueError if none is registered."""
    if name not in _by_name():
        raise ValueError(f"no funnel step {str(name)!r}; registered: {', '.join(names())}")
    return _by_name()[name]


@cache
def names() -> tuple[str, ...]:
    """Names of all steps, in the funnel's order; the built-in ones are `mtf.schemas.Step`s."""
    return tuple(step.name for step in registered())


@cache
def reviewed() -> tuple[str, ...]:
    """Names of the steps at which reviewers judge faces, in the funnel's order."""
    return tuple(step.name for step in registered() if step.is_reviewed)


@cache
def review_reasons() -> dict[str, tuple[str, ...]]:
    """Reviewed step → the reasons that a reviewer can give there, in the order of the screen."""
    return {step.name: tuple(step.reasons) for step in registered() if step.is_reviewed}


@cache
def step_of_reason() -> dict[str, str]:
    """Reason of a reviewer → its step."""
    return {reason: step for step, reasons in review_reasons().items() for reason in reasons}


@cache
def reason_keys() -> dict[str, str]:
    """Reason of a reviewer → its key on the screen."""
    return {str(reason): step.keys[reason] for step in registered() if step.is_reviewed for reason in step.reasons}


@cache
def reasons() -> tuple[str, ...]:
    """All reasons to leave a face out: the built-in `mtf.schemas.Reason`s, then those of other packages' steps."""
    others = (reason for step in registered() for reason in step.reasons)
    return tuple(dict.fromkeys([*Reason, *others]))


def place_of(step: str) -> int:
    """Position of a step among the reviewed ones, from 0. Raises ValueError if it is none of them."""
    return reviewed().index(step)


def title_of(name: str) -> str:
    """Title of a step; for an unregistered one, as in older figures, its name in words."""
    step = _by_name().get(name)
    return step.title if step else name.replace("_", " ")


def heading_of(name: str) -> str:
    """Short name of a step on the screen."""
    return named(name).heading or name.replace("_", " ")


@cache
def _by_name() -> dict[str, FunnelStep]:
    return {step.name: step for step in registered()}


def _forget_derived() -> None:
    for derived in (names, reviewed, review_reasons, step_of_reason, reason_keys, reasons, _by_name):
        derived.cache_clear()


def _load() -> None:
    """Register the built-in steps and those of entry points, once."""
    with _lock:
        if _loaded.is_set():
            return
        _loaded.set()
        for step in import_module(BUILT_IN).STEPS:
            _add(step)
        for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
            step = point.load()
            if not isinstance(step, FunnelStep):
                raise TypeError(f"entry point {point.name} of {ENTRY_POINTS}: {point.value} is no FunnelStep")
            _add(step)


def _add(step: FunnelStep) -> None:
    with _lock:
        if wrong := _contradiction(step):
            raise ValueError(f"funnel step {str(step.name)!r}: {wrong}")
        registered_names = [other.name for other in _steps]
        _steps.insert(registered_names.index(step.after) + 1 if step.after else len(registered_names), step)
        _forget_derived()


def _contradiction(step: FunnelStep) -> str | None:
    """Reason why a step cannot be registered; None if it can."""
    registered_names = [other.name for other in _steps]
    if not NAME.fullmatch(step.name):
        return "its name must be of a-z, 0-9 and _, and begin with a letter"
    if step.name in registered_names:
        return "a step of that name is registered"
    if step.after and step.after not in registered_names:
        return f"it comes after {str(step.after)!r}; registered: {', '.join(registered_names)}"
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
