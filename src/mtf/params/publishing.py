"""What is published, what must hold before it is, and the page that shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mtf.params.section import Count, Section, Share


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
    warn_only: list[Gate] = Field(["pair_share", "median_images", "agreement"])


class Report(Section):
    """The page `build/report/index.html`. Without `thumbnails` no picture of a person is in it."""

    thumbnails: bool = True
