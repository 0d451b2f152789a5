"""`params.yaml`, typed. An unknown key, a wrong type or a value out of range stops in one line that names it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from mtf.errors import BadInput, shortened

IDENTITY = "identity"

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Label = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]+$")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Project(Section):
    """Who builds this data set. `contact` goes into the crawler's User-Agent and the data set's card."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=60)]
    title: Annotated[str, Field(min_length=1)]
    contact: Annotated[str, Field(pattern=r"^(mailto:[^\s@]+@[^\s@]+|https?://\S+)$")]


class Task(Section):
    """What a model may be asked about a face: a column and its permitted labels.

    The column `identity` (face recognition) takes its labels from the roster. `years` derives a label from an age:
    `{Young: [18, 49], Old: [50, 120]}`, both ends included (MTF, section 3.1).
    """

    column: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    labels: list[Label] = []
    per_identity: bool = True
    years: dict[Label, tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(le=150)]]] = {}

    @model_validator(mode="after")
    def _labels_agree(self) -> Task:
        if self.column == IDENTITY:
            if self.labels:
                raise ValueError("labels of the column identity come from the roster; leave them out")
        elif len(self.labels) < 2:
            raise ValueError("at least two labels are needed")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ")
        if unknown := set(self.years) - set(self.labels):
            raise ValueError(f"years names {sorted(unknown)}; permitted: {self.labels}")
        if any(first > last for first, last in self.years.values()):
            raise ValueError("years must run from the lower to the higher")
        return self

    def label_of_age(self, age: int) -> str | None:
        """The label whose years hold `age`; None where no group does."""
        return next((label for label, (first, last) in self.years.items() if first <= age <= last), None)


class SearchSource(Section):
    """A search engine, read by icrawler's feeder and parser. `licenses` are its own filter names."""

    kind: Literal["bing", "google"]
    licenses: Annotated[list[str | None], Field(min_length=1)] = ["commercial,modify"]
    people: Literal["face", "portrait"] | None = None
    max_results: Annotated[int, Field(ge=1, le=1000)] = 1000

    @model_validator(mode="after")
    def _filter_is_known(self) -> SearchSource:
        permitted = SEARCH_LICENSES[self.kind]
        for name in self.licenses:
            if name is not None and name not in permitted:
                raise ValueError(f"licenses: {name!r} is not a filter of {self.kind}; permitted: {list(permitted)}")
        return self


class FolderSource(Section):
    """Pictures that are here already: a folder or tar whose files the roster's column `files` names.

    `license` is what the owner of the folder states for all of it (SPDX or `LicenseRef-…`); null states nothing.
    """

    kind: Literal["folder"]
    path: Annotated[str, Field(min_length=1)]
    license: str | None = None
    creator: str | None = None


# icrawler 0.6.10: builtin/bing.py and builtin/google.py, `get_filter`.
SEARCH_LICENSES: dict[str, tuple[str, ...]] = {
    "bing": (
        "creativecommons",
        "publicdomain",
        "noncommercial",
        "commercial",
        "noncommercial,modify",
        "commercial,modify",
    ),
    "google": ("noncommercial", "commercial", "noncommercial,modify", "commercial,modify"),
}

# Openverse's API: its own names, as `license` and `license_type` take them.
OPENVERSE_LICENSES = (
    "by",
    "by-nc",
    "by-nc-nd",
    "by-nc-sa",
    "by-nd",
    "by-sa",
    "cc0",
    "nc-sampling+",
    "pdm",
    "sampling+",
)
OPENVERSE_LICENSE_TYPES = ("all", "all-cc", "commercial", "modification")
FLICKR_LICENSES = range(17)


def _variable_name(name: str | None) -> str | None:
    # The message does not repeat the value: it may be the secret itself, put here by mistake.
    if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", name):
        raise ValueError(
            "the name of an environment variable (A to Z, 0 to 9 and _) that holds it; never the key itself"
        )
    return name


VariableName = Annotated[str, AfterValidator(_variable_name)]


class OpenverseSource(Section):
    """Openverse's API. An empty list of filters leaves that filter out; pictures must pass both.

    `token_variable` names the environment variable that holds a bearer token; null asks without one, for which
    `page_size` is at most 20.
    """

    kind: Literal["openverse"]
    licenses: list[str] = []
    license_types: list[str] = ["commercial", "modification"]
    page_size: Annotated[int, Field(ge=1, le=500)] = 20
    max_results: Annotated[int, Field(ge=1, le=10_000)] = 240
    token_variable: VariableName | None = None

    @model_validator(mode="after")
    def _filters_are_known(self) -> OpenverseSource:
        _check_filters("licenses", self.licenses, OPENVERSE_LICENSES, "openverse")
        _check_filters("license_types", self.license_types, OPENVERSE_LICENSE_TYPES, "openverse")
        if self.token_variable is None and self.page_size > 20:
            raise ValueError(
                f"page_size: {self.page_size} is not permitted without a token_variable; permitted: 1 to 20"
            )
        return self


class CommonsSource(Section):
    """Wikimedia Commons' API: a search for the roster's `query`, or the category of that name. It has no filter of
    licenses; the policy of `licenses` judges what each file's record states.
    """

    kind: Literal["commons"]
    by: Literal["search", "category"] = "search"
    max_results: Annotated[int, Field(ge=1, le=10_000)] = 500


class FlickrSource(Section):
    """Flickr's API through icrawler. `licenses` are Flickr's numbers: 4, 5, 9 to 12 are BY, BY-SA, CC0, the public
    domain mark, BY 4.0 and BY-SA 4.0. `key_variable` names the environment variable that holds the API key.
    """

    kind: Literal["flickr"]
    licenses: Annotated[list[int], Field(min_length=1)] = [4, 5, 9, 10, 11, 12]
    max_results: Annotated[int, Field(ge=1, le=4000)] = 500
    key_variable: VariableName = "FLICKR_API_KEY"

    @model_validator(mode="after")
    def _filters_are_known(self) -> FlickrSource:
        _check_filters("licenses", self.licenses, FLICKR_LICENSES, "flickr")
        return self


def _check_filters(key: str, names: Sequence[str | int], permitted: Sequence[str | int], kind: str) -> None:
    for name in names:
        if name not in permitted:
            raise ValueError(f"{key}: {name!r} is not a filter of {kind}; permitted: {list(permitted)}")


SOURCES: dict[str, type[Section]] = {
    "bing": SearchSource,
    "google": SearchSource,
    "folder": FolderSource,
    "openverse": OpenverseSource,
    "commons": CommonsSource,
    "flickr": FlickrSource,
}

Source = Annotated[
    SearchSource | FolderSource | OpenverseSource | CommonsSource | FlickrSource, Field(discriminator="kind")
]


class Crawl(Section):
    """`web` names a recorded web, served on loopback in place of the live one (the sample); null is the live web."""

    sources: Annotated[list[Source], Field(min_length=1)]
    web: str | None = None
    concurrency: Annotated[int, Field(ge=1, le=512)] = 64
    per_host_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    per_host_delay_s: Annotated[float, Field(ge=0, le=60)] = 0.5
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    max_bytes: Annotated[int, Field(ge=1024)] = 30_000_000
    max_pixels: Annotated[int, Field(ge=4096)] = 60_000_000
    min_side_px: Count = 64


class Licenses(Section):
    """Which pictures may be used. A claim is what a search engine says; evidence is what the source itself states.

    The default is the paper's: modify, share, use commercially (MTF, section 3.1).
    """

    permitted: Annotated[list[str], Field(min_length=1)]
    accept_claim: bool = False
    accept_unstated: bool = False
    on_contradiction: Literal["refuse", "accept_evidence"] = "refuse"
    binding_opt_outs: list[Literal["robots.txt", "x-robots-tag", "meta-robots", "tdmrep", "iptc-data-mining"]]
    max_evidence_age_days: Annotated[int, Field(ge=1)] | None = None


class Crop(Section):
    """Haar cascades (MTF, section 3.2). Shares are of the picture's shorter side or of the box."""

    cascade: Literal["frontalface_default", "frontalface_alt", "frontalface_alt2", "profileface"] = (
        "frontalface_default"
    )
    scale_factor: Annotated[float, Field(gt=1.0, le=2.0)] = 1.17
    min_neighbors: Annotated[int, Field(ge=0, le=50)] = 2
    min_face_share: Annotated[float, Field(gt=0, lt=1)] = 0.13
    detection_side_px: Annotated[int, Field(ge=64, le=4096)] = 192
    margin_share: Annotated[float, Field(ge=0, le=2)] = 0.2
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 95


class Screen(Section):
    """Hints for people, never verdicts."""

    hash_distance: Annotated[int, Field(ge=0, le=20)] = 4
    embedding: Literal["appearance", "sface"] = "appearance"
    embedding_weights: str | None = None
    embedding_distance: Annotated[float, Field(ge=0, le=2)] = 0.04


class Curate(Section):
    """The funnel (MTF, section 3.2). `flavour` is what goes on to the split: people's work or the machine's alone."""

    flavour: Literal["curated", "non_curated"] = "curated"
    reviewers: Annotated[int, Field(ge=1, le=15)] = 3
    box_iou: Annotated[float, Field(gt=0, le=1)] = 0.5
    min_images_per_identity: Count = 5


class Split(Section):
    """MTF, section 4.1: 70 % train; of the rest 20 % val and 80 % test; at least 3 / 1 / 1 images per label."""

    train_share: Annotated[float, Field(gt=0, lt=1)] = 0.7
    val_share_of_rest: Annotated[float, Field(gt=0, lt=1)] = 0.2
    min_train: Annotated[int, Field(ge=0)] = 3
    min_val: Annotated[int, Field(ge=0)] = 1
    min_test: Annotated[int, Field(ge=0)] = 1


class Recipe(Section):
    """How a network is trained, as data. Epochs are counted from 1; rates are per step, shares are 0 to 1.

    `step_at` names the epochs after which the rate is multiplied by `gamma` (schedule `step`). `batches` gives
    single models a batch of their own. `stop_on` is what `patience` watches; the checkpoint that is kept is
    always the one of least validation loss. `mixed_precision` takes effect on an accelerator only. `frozen_share`
    is of a multi-task backbone's layers, counted from the picture, that keep the weights they came with.
    """

    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Literal["constant", "step", "cosine"] = "constant"
    step_at: list[Count] = []
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    batch: Count = 32
    batches: dict[str, Count] = {}
    max_epochs: Count = 100
    patience: Count = 5
    stop_on: Literal["train_loss", "val_loss"] = "val_loss"
    label_smoothing: Share = 0.0
    class_balanced: bool = False
    augment: list[Literal["flip", "shift", "colour", "erase"]] = []
    normalise: Literal["imagenet", "facenet", "none"] = "imagenet"
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    mixed_precision: bool = False
    channels_last: bool = False
    frozen_share: Annotated[float, Field(ge=0, lt=1)] = 0.0


# Names of networks; with `-pretrained` they start from published weights, else from scratch (MTF, Table 4).
NETWORKS = ("small_cnn", "mobilenet_v3_large", "alexnet", "resnet50", "vgg16", "convnext_base")
PRETRAINED = "-pretrained"
MODELS = (*NETWORKS, *(f"{name}{PRETRAINED}" for name in NETWORKS[1:]))


class Train(Section):
    """One network per task and model; `models` and `tasks` span the matrix of dvc.yaml.

    `weights` gives a pretrained model a local file of weights in place of torchvision's download.
    """

    models: Annotated[list[str], Field(min_length=1)]
    tasks: Annotated[list[str], Field(min_length=1)]
    input_px: Annotated[int, Field(ge=16, le=1024)] = 64
    weights: dict[str, str] = {}
    recipe: str
    recipes: Annotated[dict[str, Recipe], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_known(self) -> Train:
        for name in (*self.models, *self.weights):
            if name not in MODELS:
                raise ValueError(f"{name!r} is not a model; permitted: {', '.join(MODELS)}")
        if scratch := [name for name in self.weights if not name.endswith(PRETRAINED)]:
            raise ValueError(f"weights: {scratch[0]!r} starts from scratch; permitted: models ending in {PRETRAINED}")
        if self.recipe not in self.recipes:
            raise ValueError(f"recipe: {self.recipe!r} is not a recipe; permitted: {', '.join(self.recipes)}")
        return self


class MultiTask(Section):
    """One network for several tasks at once (Das et al.); `weightings` spans the matrix of dvc.yaml.

    `weights` is a local file for the backbone; null starts from scratch.
    """

    tasks: Annotated[list[str], Field(min_length=1)]
    backbone: Literal["facenet", "small_cnn", "mobilenet_v3_large", "alexnet", "resnet50", "vgg16", "convnext_base"]
    weights: str | None = None
    weightings: Annotated[
        list[Literal["equal", "dynamic", "dynamic_hard", "uncertainty", "dwa", "gradnorm"]], Field(min_length=1)
    ]
    recipe: str


class Release(Section):
    """MTF, section 4.2 and Figure 2. `size_px` is 1024 in the paper; `version` is the release's (semver.org).

    `previous` is the git revision of the release before, with which this one is compared; null compares with none.
    """

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "0.1.0"
    previous: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w./~^-]*$")] | None = None
    variants: Annotated[list[Literal["multi_task", "single_task", "non_curated"]], Field(min_length=1)]
    size_px: Annotated[int, Field(ge=16, le=4096)] = 1024
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 92
    license: str = "CC-BY-4.0"


# Names of the expectations of `mtf validate`.
Gate = Literal[
    "label_share",
    "pair_share",
    "least_images",
    "median_images",
    "identity_share",
    "split_share",
    "unstated_licenses",
    "agreement",
    "funnel",
    "drift",
]


class Gates(Section):
    """What a release must hold as a whole; a gate that does not stops it, but for those of `warn_only`.

    Pairs are the least and the greatest permitted value. `agreement` is Krippendorff's alpha. `funnel` is the change
    of the share that a step leaves, `drift` the Kolmogorov-Smirnov distance between the distributions of a measure,
    both 0 to 1 and against `release.previous`. `unstated_licenses` is the share of pictures whose
    source states no license; null asks for none, but where the policy of `licenses` accepts them.
    """

    label_share: tuple[Share, Share] = (0.005, 0.98)
    pair_share: tuple[Share, Share] = (0.0, 0.95)
    least_images: Count = 1
    median_images: tuple[Count, Count] = (1, 10_000)
    identity_share: Share = 0.25
    split_share: Share = 0.1
    unstated_licenses: Share | None = None
    agreement: Annotated[float, Field(ge=-1, le=1)] = 0.6
    funnel: Share = 0.2
    drift: Share = 0.2
    warn_only: list[Gate] = ["pair_share", "median_images", "agreement"]


class Report(Section):
    """The page `build/report/index.html`. Without `thumbnails` no picture of a person is in it."""

    thumbnails: bool = True


class Compute(Section):
    """`workers: 0` uses every core. `address` is a Ray cluster's."""

    engine: Literal["local", "ray"] = "local"
    workers: Annotated[int, Field(ge=0, le=4096)] = 0
    address: str | None = None


class Params(Section):
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    project: Project
    tasks: Annotated[dict[str, Task], Field(min_length=1)]
    crawl: Crawl
    licenses: Licenses
    crop: Crop
    screen: Screen
    curate: Curate
    split: Split
    train: Train
    multitask: MultiTask | None = None
    release: Release
    gates: Gates = Gates()
    report: Report = Report()
    compute: Compute

    @model_validator(mode="after")
    def _tasks_are_known(self) -> Params:
        for name in self.train.tasks:
            if name not in self.tasks:
                raise ValueError(f"train.tasks: {name!r} is not a task; permitted: {list(self.tasks)}")
        if self.multitask is not None:
            self._multitask_is_known(self.multitask)
        return self

    def _multitask_is_known(self, multitask: MultiTask) -> None:
        for name in multitask.tasks:
            if name not in self.tasks:
                raise ValueError(f"multitask.tasks: {name!r} is not a task; permitted: {list(self.tasks)}")
        if multitask.recipe not in self.train.recipes:
            known = ", ".join(self.train.recipes)
            raise ValueError(f"multitask.recipe: {multitask.recipe!r} is not a recipe; permitted: {known}")

    @cached_property
    def attributes(self) -> dict[str, Task]:
        """Column → task, for every label column but the identity, in the order of params.yaml."""
        return {task.column: task for task in self.tasks.values() if task.column != IDENTITY}


def load(path: Path) -> Params:
    """Read and check `path`.

    Raises BadInput: one line with the file, the key, the value and what is permitted.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadInput(f"{path.name}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path.name}: a mapping of sections is wanted, not {shortened(raw)}")
    return parse(raw, name=path.name)


def parse(raw: dict[str, Any], *, name: str = "params.yaml") -> Params:
    """`load` for a mapping that has been read already (from a git revision, say)."""
    try:
        # JSON mode: lists become tuples where a pair is wanted, while strings do not become numbers.
        return Params.model_validate_json(_as_json(raw))
    except ValidationError as error:
        raise BadInput(f"{name}: {_one_line(error)}") from None


def _as_json(raw: dict[str, Any]) -> str:
    return json.dumps(raw, default=str)


def _one_line(error: ValidationError) -> str:
    """The first problem, and how many more there are."""
    first, *others = error.errors()
    key = ".".join(str(part) for part in first["loc"] if part not in SOURCES) or "(top level)"
    if first["type"] == "extra_forbidden":
        text = f"{key}: unknown key; permitted: {', '.join(_siblings(first['loc'][:-1]))}"
    elif first["type"] == "missing":
        text = f"{key}: missing"
    elif first["type"] == "value_error":
        text = f"{key}: {first['msg'].removeprefix('Value error, ')}"
    else:
        message = first["msg"]
        text = f"{key}: {shortened(first['input'])} is not permitted: {message[0].lower()}{message[1:]}"
    return text + (f" (and {len(others)} more)" if others else "")


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    """The keys permitted beside a key that is not."""
    model: type[BaseModel] = Params
    for part in location:
        if part in SOURCES:
            model = SOURCES[str(part)]
        elif isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            if part == "tasks" and model is Params:
                model = Task
            elif part == "recipes":
                model = Recipe
            elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
                model = annotation
    return list(model.model_fields)
