"""Checks of minimums that the people and the pictures at hand cannot meet, whatever the reviewers decide.

At hand are the pictures that the roster names, if all sources are folders; else those with a face in the last crop;
else the people alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from statistics import median
from urllib.parse import unquote

import polars as pl

from mtf import config
from mtf.config import IDENTITY, WITH
from mtf.core.errors import listed
from mtf.core.project_paths import ProjectPaths
from mtf.project.finding import Finding, State
from mtf.sources.folder import Folder, FolderFiles

MINIMUMS = "minimums"


def examine(workspace: ProjectPaths, people: pl.DataFrame, settings: config.Params) -> Iterator[Finding]:
    """All findings on a roster (`people`) and the pictures at hand."""
    counts = pictures_at_hand(workspace, people, settings)
    staying = people
    if counts is not None:
        yield from _few_pictures(counts, settings)
        staying = people.filter(
            pl.Series([counts[name] >= settings.curate.min_images_per_identity for name in people[IDENTITY]])
        )
        yield from _labels_of_few_pictures(staying, counts, settings)
        yield from _median(staying, counts, settings)
    yield from _labels_of_nobody(people, settings)
    yield from _combinations_of_nobody(people, settings)
    yield from _shares_that_exclude_each_other(settings)
    yield from _share_of_one_person(staying, settings)


def pictures_at_hand(workspace: ProjectPaths, people: pl.DataFrame, settings: config.Params) -> dict[str, int] | None:
    """Identity → number of pictures that can be in the data set at most; None if nothing is known yet."""
    folders = [source for source in settings.crawl.sources if isinstance(source, Folder)]
    if len(folders) == len(settings.crawl.sources) and all((workspace.root / each.path).exists() for each in folders):
        return _in_folders(workspace, people, folders)
    faces = workspace.table("crop", "faces")
    if not faces.is_file():
        return None
    cropped = pl.read_parquet(faces, columns=[IDENTITY, "image_id"])
    counted = dict(cropped.group_by(IDENTITY).agg(pl.col("image_id").n_unique()).iter_rows())
    return {name: counted.get(name, 0) for name in people[IDENTITY]}


def _in_folders(workspace: ProjectPaths, people: pl.DataFrame, folders: list[Folder]) -> dict[str, int]:
    opened = [FolderFiles(source, workspace.root) for source in folders]
    there = [{name for name, _ in files.listing()} for files in opened]
    counts = {}
    for identity, cell in people.select(IDENTITY, "files").iter_rows():
        counts[identity] = sum(
            len({unquote(each.url.removeprefix(files.prefix)) for each in files.find(cell)} & names)
            for files, names in zip(opened, there, strict=True)
        )
    return counts


def _few_pictures(counts: Mapping[str, int], settings: config.Params) -> Iterator[Finding]:
    least = settings.curate.min_images_per_identity
    few = [f"{identity} {count}" for identity, count in counts.items() if count < least]
    if few:
        detail = (
            f"{len(few)} of {len(counts)} people have fewer pictures than curate.min_images_per_identity {least}, "
            f"and would be left out: {listed(few)}"
        )
        yield Finding("pictures", "wrong" if len(few) == len(counts) else "lacking", detail)


def _labels_of_few_pictures(
    staying: pl.DataFrame, counts: Mapping[str, int], settings: config.Params
) -> Iterator[Finding]:
    """Labels with fewer pictures than the split needs of each."""
    split = settings.split
    needed = split.min_train + split.min_val + split.min_test
    for column, task in _of_people(settings).items():
        for label in task.labels:
            found = sum(counts[name] for name in staying.filter(pl.col(column) == label)[IDENTITY])
            if 0 < found < needed:
                detail = (
                    f"{column} {label}: {found} pictures of people who stay, and the split needs {needed} of each "
                    f"label (split.min_train {split.min_train}, min_val {split.min_val}, min_test {split.min_test})"
                )
                yield Finding(MINIMUMS, "wrong", detail)


def _median(staying: pl.DataFrame, counts: Mapping[str, int], settings: config.Params) -> Iterator[Finding]:
    least = settings.gates.median_images[0]
    most = median([counts[name] for name in staying[IDENTITY]]) if staying.height else None
    if most is not None and most < least:
        detail = f"gates.median_images asks for {least} pictures of a person, and the median is {most:g} at most"
        yield Finding(MINIMUMS, _state("median_images", settings), detail)


def _labels_of_nobody(people: pl.DataFrame, settings: config.Params) -> Iterator[Finding]:
    """Labels of tasks that nobody on the roster has: gates on their share cannot hold."""
    for column, task in _of_people(settings).items():
        nobody = [label for label in task.labels if label not in set(people[column])]
        if not nobody:
            continue
        least = _label_share(settings, column)[0]
        detail = f"nobody has the {column} {listed(nobody)}"
        state: State = _state("label_share", settings) if least > 0 else "lacking"
        if state == "wrong":
            detail += f", and gates.label_share asks for {least:g} of each label; add people, or remove the label"
        yield Finding("roster", state, detail)


def _combinations_of_nobody(people: pl.DataFrame, settings: config.Params) -> Iterator[Finding]:
    """Combinations of labels that nobody has, where a gate asks for some share of each."""
    columns = list(_of_people(settings))
    whole = len(columns) == len(settings.attributes) > 2
    for gate, (least, _), parts in (
        ("pair_share", settings.gates.pair_share, [*combinations(columns, 2)]),
        ("intersection_share", settings.gates.intersection_share, [tuple(columns)] if whole else []),
    ):
        if least <= 0:
            continue
        nobody = [
            WITH.join(labels)
            for part in parts
            for labels in product(*(settings.attributes[column].labels for column in part))
            if labels not in set(people.select(part).iter_rows())
        ]
        if nobody:
            detail = (
                f"nobody is {listed(nobody, 3)}, and gates.{gate} asks for {least:g} of each; add people, or ask for 0"
            )
            yield Finding(MINIMUMS, _state(gate, settings), detail)


def _shares_that_exclude_each_other(settings: config.Params) -> Iterator[Finding]:
    """Shares of labels that cannot add up to 1."""
    for column, task in settings.attributes.items():
        (least, most), count = _label_share(settings, column), len(task.labels)
        if least * count > 1 or most * count < 1:
            detail = f"gates.label_share: {count} labels of {column} with {least:g} to {most:g} each cannot add up to 1"
            yield Finding(MINIMUMS, _state("label_share", settings), detail)


def _share_of_one_person(staying: pl.DataFrame, settings: config.Params) -> Iterator[Finding]:
    most = settings.gates.identity_share
    if staying.height and 1 / staying.height > most:
        detail = (
            f"gates.identity_share permits {most:g} of the pictures for one person, and of {staying.height} people "
            f"one has {1 / staying.height:.2g} at least; add people, or raise it"
        )
        yield Finding(MINIMUMS, _state("identity_share", settings), detail)


def _of_people(settings: config.Params) -> dict[str, config.Task]:
    """Columns with one label per person, which the roster knows before any picture is there."""
    return {column: task for column, task in settings.attributes.items() if task.per_identity}


def _label_share(settings: config.Params, column: str) -> tuple[float, float]:
    """Shares that `gates.label_share` permits for a label of the column."""
    bounds = settings.gates.label_share
    if isinstance(bounds, dict):
        names = [name for name, task in settings.tasks.items() if task.column == column]
        return next((bounds[name] for name in names if name in bounds), (0.0, 1.0))
    return bounds


def _state(gate: str, settings: config.Params) -> State:
    return "lacking" if gate in settings.gates.warn_only else "wrong"
