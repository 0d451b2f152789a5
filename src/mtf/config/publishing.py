"""What is published, what must hold before it is, and the page that shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mtf.config.section import Count, Label, Section, Share


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"{list(bounds)}: the least permitted value is above the greatest")
    return bounds


def _whole(shares: dict[str, float]) -> dict[str, float]:
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"the shares add up to {sum(shares.values()):.4g}, not to 1")
    return shares


Shares = Annotated[tuple[Share, Share], AfterValidator(_ordered)]
Counts = Annotated[tuple[Count, Count], AfterValidator(_ordered)]
# An SPDX identifier, or several: `*` stands for any characters.
Licensed = Annotated[str, Field(pattern=r"^[A-Za-z0-9.+*-]+$")]


class Release(Section):
    """MTF, section 4.2 and Figure 2. `size_px` is 1024 in the paper; `version` is the release's (semver.org).

    `previous` is the git tag or commit of the release before, with which this one is compared; null compares with
    none. Names that move, as branches do, are refused where it is read.
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
    "intersection_share",
    "vanished",
    "min_images",
    "median_images",
    "max_images",
    "identity_share",
    "split_share",
    "license_share",
    "unstated_licenses",
    "agreement",
    "funnel",
    "drift",
]


class Gates(Section):
    """What a release must hold as a whole; a gate that does not stops it, but for those of `warn_only`.

    Pairs are the least and the greatest permitted value, both included. `label_share` is one pair for every label, or
    a pair per task; `pair_share` is of each two labels of two tasks, `intersection_share` of each combination of
    labels of all tasks. `vanished` is how many of these combinations the release before had and this one lacks.
    `license_share` has a pair per license, or per several (`CC-BY-SA-*`). `unstated_licenses` is the share of pictures
    whose source states no license; null asks for none, but where the policy of `licenses` accepts them. `agreement`
    is Krippendorff's alpha. `funnel` is the change of the share that a step leaves, `drift` the Kolmogorov-Smirnov
    distance between the distributions of a measure, both 0 to 1 and, as `vanished`, against `release.previous`.
    """

    label_share: Shares | dict[str, Shares] = (0.005, 0.98)
    pair_share: Shares = (0.0, 0.95)
    intersection_share: Shares = (0.0, 1.0)
    vanished: Annotated[int, Field(ge=0)] = 0
    min_images: Count = 1
    median_images: Counts = (1, 10_000)
    max_images: Count | None = None
    identity_share: Share = 0.25
    split_share: Share = 0.1
    license_share: dict[Licensed, Shares] = {}
    unstated_licenses: Share | None = None
    agreement: Annotated[float, Field(ge=-1, le=1)] = 0.6
    funnel: Share = 0.2
    drift: Share = 0.2
    warn_only: list[Gate] = ["pair_share", "intersection_share", "median_images", "agreement"]

    def check_tasks(self, labels: dict[str, list[Label]]) -> None:
        """`labels` by task. Raises ValueError for a name of `label_share` that is none of them."""
        named = self.label_share if isinstance(self.label_share, dict) else {}
        _check_names("gates.label_share", named, labels)


class Report(Section):
    """The page `build/report/index.html`. Without `thumbnails` no picture of a person is in it.

    `target` has, by task, the share of the images that each label should have; a task that it leaves out should have
    equal shares.
    """

    thumbnails: bool = True
    target: dict[str, Annotated[dict[Label, Share], AfterValidator(_whole)]] = {}

    def check_tasks(self, labels: dict[str, list[Label]]) -> None:
        """`labels` by task. Raises ValueError for a task that is none of them, and for labels that are not its own."""
        _check_names("report.target", self.target, labels)
        for task, shares in self.target.items():
            _check_names(f"report.target.{task}", shares, labels[task])


def _check_names(key: str, names: Iterable[str], permitted: Iterable[str]) -> None:
    known = list(permitted)
    for name in names:
        if name not in known:
            raise ValueError(f"{key}: {name!r} is not permitted; permitted: {', '.join(known)}")
