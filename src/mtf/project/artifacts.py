"""DVC artifacts of the models: one entry of dvc.yaml for each network that params.yaml names.

DVC knows no matrix for artifacts, so these are written (`mtf deps --write`) and checked (`mtf doctor`):

- the first model of params.yaml has the artifacts `TASK`, and the first weighting `multitask`. Their paths use `${…}`,
  so that they follow an experiment with another model;
- every further network has `MODEL/TASK` or `multitask/WEIGHTING`.

An artifact that somebody added by hand stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import PATHS_IN_PROJECT
from mtf.project import templates, yaml_text

ARTIFACTS = "artifacts"
_MODELS = PATHS_IN_PROJECT.stage("models").as_posix()
_CARDS = (PATHS_IN_PROJECT.stage("evaluate") / "cards").as_posix()
_MULTITASK = PATHS_IN_PROJECT.stage("multitask").as_posix()
_FIRST_MODEL = "${train.models[0]}"
_FIRST_WEIGHTING = "${multitask.weightings[0]}"


@dataclass(frozen=True)
class Difference:
    """Artifacts that dvc.yaml lacks, and those of networks that params.yaml no longer names."""

    missing: tuple[str, ...]
    superfluous: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of artifacts that differ."""
        return len(self.missing) + len(self.superfluous)

    def lines(self) -> Iterator[str]:
        """Messages, one per artifact."""
        yield from (f"{templates.PIPELINE}: no artifact {name}, for a model of params.yaml" for name in self.missing)
        yield from (
            f"{templates.PIPELINE}: artifact {name} is of a model that params.yaml does not name"
            for name in self.superfluous
        )


def of_models(settings: Params) -> dict[str, CommentedMap]:
    """Name of an artifact → its entry in dvc.yaml, for every network of params.yaml.

    Raises BadInput if two networks come to one name.
    """
    _, *others = settings.train.models
    entries = [(name, _trained(_FIRST_MODEL, name)) for name in settings.train.tasks]
    entries += [(f"{model}/{name}", _trained(model, name)) for model in others for name in settings.train.tasks]
    if settings.multitask is not None:
        _, *more = settings.multitask.weightings
        entries.append(("multitask", _shared(_FIRST_WEIGHTING)))
        entries += [(f"multitask/{weighting}", _shared(weighting)) for weighting in more]
    found: dict[str, CommentedMap] = {}
    for text, entry in entries:
        name = _permitted(text)
        if name in found:
            raise BadInput(f"train.tasks: {text!r} and another network come to the artifact {name!r}; rename the task")
        found[name] = entry
    return found


def difference(root: Path, settings: Params) -> Difference:
    """Artifacts that dvc.yaml of the project in the folder `root` lacks, and those that it has too many."""
    return _difference(_read(root), settings)


def write(root: Path, settings: Params) -> Difference:
    """Write the missing artifacts to dvc.yaml, and remove those of dropped networks. Returns the difference before."""
    pipeline = _read(root)
    found = _difference(pipeline, settings)
    if found.count:
        complete(pipeline, settings)
        atomic_files.write_text(root / templates.PIPELINE, yaml_text.dumped(yaml_text.round_trip(), pipeline))
    return found


def complete(pipeline: CommentedMap, settings: Params) -> None:
    """Bring the artifacts of a loaded dvc.yaml into line with the parameters."""
    found, wanted = _difference(pipeline, settings), of_models(settings)
    artifacts = pipeline.setdefault(ARTIFACTS, CommentedMap())
    for name in found.superfluous:
        del artifacts[name]
    for name in found.missing:
        artifacts[name] = wanted[name]


def _difference(pipeline: Mapping[str, Any], settings: Params) -> Difference:
    wanted, there = of_models(settings), pipeline.get(ARTIFACTS) or {}
    return Difference(
        tuple(name for name in wanted if name not in there),
        tuple(name for name, entry in there.items() if name not in wanted and _is_written_here(name, entry)),
    )


def _is_written_here(name: str, entry: Any) -> bool:
    """True for an artifact whose path is the one that its name would have here."""
    model, _, last = name.rpartition("/")
    rules = {
        _model_path(model, last) if model else _model_path(_FIRST_MODEL, last),
        _shared_path(last if model else _FIRST_WEIGHTING),
    }
    return isinstance(entry, Mapping) and entry.get("path") in rules


def _trained(model: str, task: str) -> CommentedMap:
    return _entry(
        path=_model_path(model, task),
        desc=f"{model}, trained on {task}",
        labels=["face", task, model],
        card=f"{_CARDS}/{model}/{task}.md",
    )


def _shared(weighting: str) -> CommentedMap:
    return _entry(
        path=_shared_path(weighting),
        desc=f"One network for several tasks, its losses weighed by {weighting}",
        labels=["face", "multitask", "${multitask.backbone}"],
        card=f"{_MULTITASK}/{weighting}/card.md",
    )


def _model_path(model: str, task: str) -> str:
    return f"{_MODELS}/{model}/{task}/model.pt"


def _shared_path(weighting: str) -> str:
    return f"{_MULTITASK}/{weighting}/model.pt"


def _entry(*, path: str, desc: str, labels: list[str], card: str) -> CommentedMap:
    # `${…}` inside a flow style needs quotes.
    tags = CommentedSeq([DoubleQuotedScalarString(each) if "$" in each else each for each in labels])
    meta = CommentedMap({"card": DoubleQuotedScalarString(card) if "$" in card else card})
    tags.fa.set_flow_style()
    meta.fa.set_flow_style()
    return CommentedMap({"path": path, "type": "model", "desc": desc, "labels": tags, "meta": meta})


def _permitted(name: str) -> str:
    """Name with the characters that DVC permits: letters, digits, `-`, `_` and `/`."""
    return re.sub(r"[^A-Za-z0-9/_-]+", "-", name).strip("-_/")


def _read(root: Path) -> CommentedMap:
    try:
        pipeline = yaml_text.round_trip().load((root / templates.PIPELINE).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{templates.PIPELINE}: {error.strerror}") from None
    if not isinstance(pipeline, CommentedMap):
        raise BadInput(f"{templates.PIPELINE}: it has no stages")
    return pipeline
