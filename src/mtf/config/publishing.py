"""Parameters of the release, of its gates and of the report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mtf.config.section import Alignment, Count, Label, Section, Share


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"{list(bounds)}: the smallest permitted value is above the largest")
    return bounds


def _whole(shares: dict[str, float]) -> dict[str, float]:
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"the shares add up to {sum(shares.values()):.4g}, not to 1")
    return shares


Shares = Annotated[tuple[Share, Share], AfterValidator(_ordered)]
Counts = Annotated[tuple[Count, Count], AfterValidator(_ordered)]
# An SPDX identifier, or a pattern of several: `*` stands for any characters.
Licensed = Annotated[str, Field(pattern=r"^[A-Za-z0-9.+*-]+$")]
# The members of `mtf.schemas.ConsentScope`.
Purpose = Literal["training", "evaluation", "publication", "biometric_identification", "derived_works"]

# The names in `mtf.duties.registry`.
Duty = Literal["ai_act_article_10", "training_content_summary", "data_provenance", "gdpr_article_14", "crowdwork_sheet"]


class Release(Section):
    """The release (MTF, section 4.2 and Figure 2).

    version: of the release (semver.org).
    previous: git tag or commit of the release before, for comparison; null compares with none. Names that move, such
        as branches, are refused when it is read.
    variants: folders of the release.
    size_px: side of the released crops, at most; 1024 in the paper.
    enlarge: if true, crops that are smaller get `size_px`, too; else they keep their own side.
    alignment: `none` for crops as the picture stands; `landmarks` for faces turned upright and scaled by their five
        landmarks, which `crop.detector` must find.
    jpeg_quality: of the released crops, 1 to 100.
    license: of the release, an SPDX identifier.
    date: day of the release (YYYY-MM-DD), for which consents must be valid; required unless `licenses.basis` is
        `license`.
    purposes: purposes of the release; each subject must have consented to all of them.
    duties: documents of `mtf duties` that the release contains, in its folder `duties`.
    withdrawals_url: address at which the newest withdrawal list is published; null if it is nowhere.
    withdrawals_key: private ssh key, or secret key of minisign, that signs the list; a path from the project's folder.
        Null leaves the list unsigned.
    """

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "0.1.0"
    previous: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w./~^-]*$")] | None = None
    variants: Annotated[list[Literal["multi_task", "single_task", "non_curated"]], Field(min_length=1)]
    size_px: Annotated[int, Field(ge=16, le=4096)] = 1024
    enlarge: bool = False
    alignment: Alignment = "none"
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 92
    license: str = "CC-BY-4.0"
    date: dt.date | None = None
    purposes: Annotated[list[Purpose], Field(min_length=1)] = ["training", "evaluation", "publication"]
    duties: list[Duty] = []
    withdrawals_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    withdrawals_key: Annotated[str, Field(min_length=1)] | None = None


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
    "consent_missing",
    "consent_scope",
    "consent_expired",
    "consent_revoked",
    "guardian_missing",
]


class Gates(Section):
    """Gates: conditions on the release as a whole. A gate that fails stops the release, unless `warn_only` names it.

    Pairs are the smallest and the largest permitted value, both included. Shares are 0 to 1.

    label_share: of each label; one pair for all, or a pair per task.
    pair_share: of each two labels of two tasks.
    intersection_share: of each combination of labels of all tasks.
    vanished: number of these combinations that `release.previous` had and this release lacks.
    min_images, median_images, max_images: images per identity; a null maximum sets no limit.
    identity_share: largest share of one identity.
    split_share: largest distance between a split's share of the images and its intended share.
    license_share: pair per license, or per pattern of licenses (`CC-BY-SA-*`).
    unstated_licenses: largest share of pictures whose source states no license; null permits none, unless the policy of
        `licenses` accepts them.
    agreement: smallest Krippendorff's alpha of the reviewers.
    funnel: largest change, against `release.previous`, of the share that a step leaves.
    drift: largest Kolmogorov-Smirnov distance of a measure's distribution to that of `release.previous`.
    warn_only: gates that only warn.

    Where `licenses.basis` asks for consent, the gates consent_missing, consent_scope, consent_expired, consent_revoked
    and guardian_missing permit no picture. They have no bound here, and never only warn.
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
        """Check the tasks of `label_share` against `labels` (task → labels). Raises ValueError."""
        named = self.label_share if isinstance(self.label_share, dict) else {}
        _check_names("gates.label_share", named, labels)


class Report(Section):
    """The page `build/report/index.html`.

    thumbnails: if false, the page has no picture of a person.
    target: task → label → share of the images that the label should have; a task that is left out aims at equal shares.
    """

    thumbnails: bool = True
    target: dict[str, Annotated[dict[Label, Share], AfterValidator(_whole)]] = {}

    def check_tasks(self, labels: dict[str, list[Label]]) -> None:
        """Check the tasks and labels of `target` against `labels` (task → labels). Raises ValueError."""
        _check_names("report.target", self.target, labels)
        for task, shares in self.target.items():
            _check_names(f"report.target.{task}", shares, labels[task])


def _check_names(key: str, names: Iterable[str], permitted: Iterable[str]) -> None:
    permitted_names = list(permitted)
    for name in names:
        if name not in permitted_names:
            raise ValueError(f"{key}: {name!r} is not permitted; permitted: {', '.join(permitted_names)}")
