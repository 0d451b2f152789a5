"""Where pictures come from, and how the crawl asks for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mtf.params.section import Count, Section


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
