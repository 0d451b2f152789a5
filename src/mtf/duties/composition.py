"""Sentences on what the data set is made of: people, faces, labels, splits, the funnel, reviewers and models."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import polars as pl

from mtf.annotation.ledger import JOINT_REVIEWER
from mtf.config.publishing import Shares
from mtf.core.counts import number
from mtf.duties.origin import counted, period_of
from mtf.duties.tables import View
from mtf.faces.detectors import describe
from mtf.schemas import SPLITS, funnel_steps

_MAX_GAPS = 20
_RACIAL = ("race", "ethnicity", "ethnic_origin")
# Agreement of reviewers is given to so many decimals.
_DECIMALS = 3


def data_set(view: View) -> str:
    faces = view.splits
    images, people = faces["image_id"].n_unique(), faces["identity"].n_unique()
    return (
        f"The data set has {number(faces.height, 'face')} from {number(images, 'picture')} of "
        f"{number(people, 'person', 'people')}."
    )


def splits(view: View) -> str:
    counts = ", ".join(f"{split} {view.splits.filter(pl.col('split') == split).height:,}" for split in SPLITS)
    return f"Faces by split: {counts}. No picture and no group of duplicates lies in two splits."


def size_class(view: View) -> str:
    """Size of the training data in the classes of the AI Office's template, for images."""
    images = view.splits.filter(pl.col("split") == "train")["image_id"].n_unique()
    bounds = ((1_000_000, "less than 1 million images"), (1_000_000_000, "1 million to 1 billion images"))
    named = next((name for bound, name in bounds if images < bound), "more than 1 billion images")
    return f"Image: {named}; {number(images, 'picture')} in the training split."


def tasks(view: View) -> str:
    named = ", ".join(
        name if not task.labels else f"{name} ({', '.join(task.labels)})" for name, task in view.params.tasks.items()
    )
    return f"Models learn these tasks: {named}."


def labels_from_roster(view: View) -> str:
    columns = ", ".join(view.params.attributes) or "no attribute"
    return f"Labels ({columns}) are the roster's, for {number(view.roster.height, 'person', 'people')}."


def label_shares(view: View) -> Iterator[str]:
    faces = view.splits
    for column, task in view.params.attributes.items():
        shares = ", ".join(
            f"{label} {100 * faces.filter(pl.col(column) == label).height / max(1, faces.height):.1f} %"
            for label in task.labels
        )
        yield f"{column}: {shares}"


def shares(view: View) -> str | None:
    parts = [*label_shares(view)]
    return f"Share of the faces by label: {'; '.join(parts)}." if parts else None


def gaps(view: View) -> str | None:
    """Combinations of labels without a face."""
    columns = list(view.params.attributes)
    if not columns:
        return None
    held = set(view.splits.select(columns).unique().iter_rows())
    every = product(*(view.params.attributes[column].labels for column in columns))
    missing = [" × ".join(labels) for labels in every if labels not in held]
    if not missing:
        return "Each combination of labels has a face."
    more = f", and {len(missing) - _MAX_GAPS:,} more" if len(missing) > _MAX_GAPS else ""
    return f"No face has these combinations of labels: {', '.join(missing[:_MAX_GAPS])}{more}."


def missing_people(view: View) -> str:
    missing = set(view.roster["identity"]) - set(view.splits["identity"])
    people = number(len(missing), "person", "people")
    return f"{people} of the roster's {view.roster.height:,} have no face in the data set."


def images_per_person(view: View) -> str | None:
    counts = view.splits.group_by("identity").agg(images=pl.col("image_id").n_unique())["images"]
    if counts.is_empty():
        return None
    return (
        f"Pictures of one person: {counts.min()} to {counts.max()}, median {counts.median():g}; at least "
        f"{view.params.curate.min_images_per_identity} are asked for."
    )


def detector(view: View) -> str:
    crop = view.params.crop
    return f"Faces are found by {describe(crop)}, and cut with a margin of {crop.margin_share:g}."


def detected(view: View) -> str:
    return f"{number(view.faces.height, 'face')} were found in {number(view.faces['image_id'].n_unique(), 'picture')}."


def funnel(view: View) -> str:
    steps = view.curated["steps"]
    left = ", ".join(f"{figures['faces']:,} after “{funnel_steps.title_of(step)}”" for step, figures in steps.items())
    return f"Of {view.curated['cropped']['faces']:,} faces, these were left: {left}."


def exclusions(view: View) -> str:
    return f"Reasons to leave faces out: {counted(view.exclusions['reason']) or 'none'}."


def review_mode(view: View) -> str:
    curate = view.params.curate
    if curate.mode != "curated":
        return f"No person has reviewed the faces (curate.mode {curate.mode})."
    return f"{curate.reviewers} reviewers judge each face; without a majority it is held back."


def decisions(view: View) -> str:
    given = view.decisions
    reviewers = given.filter(pl.col("reviewer") != JOINT_REVIEWER)["reviewer"].n_unique()
    if given.is_empty():
        return "No decision of a reviewer is on record."
    days = period_of(given["time"])
    return f"{number(reviewers, 'reviewer')} gave {number(given.height, 'decision')}, from {days[0]} to {days[1]}."


def decisions_each(view: View) -> str | None:
    """Decisions by reviewer, by name only if the card says so (`name_reviewers: yes`)."""
    given = view.decisions.filter(pl.col("reviewer") != JOINT_REVIEWER)
    if given.is_empty():
        return None
    counts = given["reviewer"].value_counts(sort=True)["count"]
    if (view.card.duties.get("name_reviewers") or "").strip().lower() in ("yes", "true"):
        return f"Decisions by reviewer: {counted(given['reviewer'])}."
    return (
        f"One reviewer gave {counts.min():,} to {counts.max():,} decisions, median {counts.median():g}. The reviewers "
        "are not named here."
    )


def review_steps(view: View) -> str:
    asked = [step for step in funnel_steps.reviewed() if step in set(view.decisions["step"])]
    questions = " ".join(f"{funnel_steps.named(step).question_about('this person')}" for step in asked)
    return f"The reviewers were asked: {questions}" if asked else "The reviewers were asked nothing yet."


def verdicts(view: View) -> str | None:
    given = view.decisions
    joint = int(given["joint"].fill_null(value=False).sum())
    if given.is_empty():
        return None
    return f"Verdicts: {counted(given['verdict'])}; {number(joint, 'decision')} in a joint session."


def agreement(view: View) -> str | None:
    if view.params.curate.mode != "curated":
        return "No person has reviewed the faces, so that there is no agreement to measure."
    parts = []
    for step, figures in view.curated["agreement"].items():
        named = ", ".join(
            f"{name} {figures[name]:.{_DECIMALS}f}" for name in ("raw", "kappa", "alpha") if name in figures
        )
        if named:
            parts.append(f"{funnel_steps.title_of(step)}: {named} ({number(int(figures.get('faces', 0)), 'face')})")
    measured = "Agreement of the reviewers (raw, Fleiss' kappa, Krippendorff's alpha)"
    return f"{measured}: {'; '.join(parts)}." if parts else None


def consensus(view: View) -> str | None:
    """Sentences on the model of the reviewers: who decided, what it expects to be wrong, and how often each unnamed
    reviewer errs; None without a model.
    """
    found = view.curated.get("consensus")
    if not found:
        return None
    wrong = sum(each["expected_wrong"] for each in found["confidence"].values())
    verdicts = sum(each["verdicts"] for each in found["confidence"].values())
    shares = [f"{100 * one['right']:.1f} %" for one in found["reviewers"] if one["right"] is not None]
    decided = number(found["decided_by"]["model"], "verdict")
    return (
        f"A model of the reviewers (Dawid and Skene, with a classifier as one more annotator) decided {decided} on "
        f"which the panel was split. Of {number(verdicts, 'verdict')} it expects {wrong:.1f} to be wrong. "
        f"Expected share of right votes by reviewer: {', '.join(shares)}. "
        f"By reviewer, faces that stay and were rejected, and faces that go and were kept: "
        f"{', '.join(map(_confusion, found['reviewers']))}."
    )


def _confusion(reviewer: dict[str, Any]) -> str:
    """Both errors of a reviewer over all steps, each step by its number of faces."""
    steps = [each for each in reviewer["steps"].values() if each["faces"]]
    faces = sum(each["faces"] for each in steps)
    if not faces:
        return "unknown"
    errors = (
        sum(each["faces"] * each[name] for each in steps) / faces for name in ("wrongly_rejected", "wrongly_kept")
    )
    return " and ".join(f"{100 * error:.1f} %" for error in errors)


def held_back(view: View) -> str:
    figures = view.curated["held_back"]
    return f"Held back: {figures['undecided']:,} faces without a majority, {figures['conflict']:,} in conflict."


def gates(view: View) -> str:
    bounds = view.params.gates
    conditions = {
        "label_share": f"a label's share of the faces is outside {_bounds(bounds.label_share)}",
        "intersection_share": f"a combination of all labels is outside {_bounds(bounds.intersection_share)}",
        "agreement": f"the reviewers' agreement is below {bounds.agreement:g}",
    }
    warned = [text for name, text in conditions.items() if name in bounds.warn_only]
    refused = [text for name, text in conditions.items() if name not in bounds.warn_only]
    parts = (("A release is refused if", refused), ("Whoever makes a release is warned if", warned))
    return " ".join(f"{begin} {', or if '.join(texts)}." for begin, texts in parts if texts)


def _bounds(shares: Shares | dict[str, Shares]) -> str:
    if isinstance(shares, dict):
        return ", ".join(f"{_bounds(pair)} for {task}" for task, pair in shares.items())
    return f"{100 * shares[0]:g} to {100 * shares[1]:g} %"


def models(view: View) -> str:
    train = view.params.train
    return f"Models that are trained on it: {', '.join(train.models)}, each for {', '.join(train.tasks)}."


def pretrained(view: View) -> str:
    names = [name for name in view.params.train.models if name.endswith("-pretrained")]
    return f"Models that begin from published weights: {', '.join(names) or 'none'}."


def release(view: View) -> str:
    params = view.params
    return f"{params.project.title}, version {params.release.version}, under {params.release.license}."


def purposes(view: View) -> str:
    return f"Purposes of the release: {', '.join(view.params.release.purposes).replace('_', ' ')}."


def categories(view: View) -> str:
    labels = ", ".join(view.params.attributes) or "no label"
    people = view.roster.height
    return (
        f"Held of {number(people, 'person', 'people')}: name, {labels}, and for each picture its file, address, title, "
        "license and author, what its source said, the place of the face, measures of its looks (a perceptual hash and "
        f"the embedding {view.params.screen.embedding}), and the decisions of reviewers."
    )


def consent_categories(view: View) -> str | None:
    """Consent data held of a person; None if there is none."""
    if view.consent.is_empty():
        return None
    return "Held of each consent: its form, purposes and dates, who signed, the age on that day, and where it is kept."


def biometric(view: View) -> str:
    identifies = [name for name, task in view.params.tasks.items() if task.column == "identity"]
    if not identifies:
        return "No model is trained to recognise a person."
    return (
        f"Models are trained to recognise the people ({', '.join(identifies)}): the faces are biometric data under "
        "article 9(1) of the GDPR."
    )


def racial(view: View) -> str | None:
    """Sentence on labels that reveal racial or ethnic origin, by the names of their columns."""
    found = [name for name in view.params.attributes if name in _RACIAL]
    if not found:
        return None
    return (
        f"The label {', '.join(found)} reveals racial or ethnic origin: a special category of data under article 9(1) "
        "of the GDPR."
    )
