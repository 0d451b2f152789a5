"""Parameters of the crawl. Each source's own parameters are fields of its class in `mtf.sources`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, ValidationError
from pydantic_core import InitErrorDetails

from mtf.config.section import Count, Section
from mtf.sources import registry


def _source(value: Any) -> Any:
    """Validate an entry of `crawl.sources` by the class that is registered for its `kind`.

    Raises ValueError for an unregistered kind, and ValidationError whose locations begin with the kind, as those of
    pydantic's tagged unions do.
    """
    if not isinstance(value, dict):
        if isinstance(value, Section):
            return value
        raise ValueError(f"a mapping with the key kind is wanted, not {value!r}")
    kind = value.get("kind")
    source = registry.find(kind) if isinstance(kind, str) else None
    if source is None:
        raise ValueError(f"kind: {registry.unknown(kind)}" if "kind" in value else "kind: missing")
    try:
        # JSON mode, as for the rest of params.yaml: lists become tuples where a pair is wanted.
        return source.model_validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        located = [_located(kind, each) for each in error.errors()]
        raise ValidationError.from_exception_data(error.title, located, "json") from None


def _located(kind: str, error: Any) -> InitErrorDetails:
    return InitErrorDetails(
        type=error["type"], loc=(kind, *error["loc"]), input=error["input"], ctx=error.get("ctx", {})
    )


if TYPE_CHECKING:
    from mtf.sources.base import Source
else:  # a registered class may come from another package
    Source = Annotated[Any, PlainValidator(_source)]


class HostManners(Section):
    """Limits of requests to one host. Null takes the value for all hosts.

    concurrency: requests at a time.
    delay_s: least time between two requests.
    megabits_per_s: bandwidth of all answers together, over 10 seconds; null sets no limit.
    retry_after_s: longest wait that the host can demand by one Retry-After.
    retry_budget_s: longest sum of such waits in one run.
    """

    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    delay_s: Annotated[float, Field(ge=0, le=60)] | None = None
    megabits_per_s: Annotated[float, Field(gt=0, le=100_000)] | None = None
    retry_after_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    retry_budget_s: Annotated[float, Field(ge=0, le=86_400)] | None = None


def _with_known_hosts(value: Any) -> Any:
    """The hosts of params.yaml, and the known ones that it does not name."""
    known = Crawl.model_fields["hosts"].default
    return known | value if isinstance(value, dict) else value


HostName = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]


class Crawl(Section):
    """The crawl (MTF, section 3.1).

    sources: searched in this order.
    web: folder of a recorded web that is served on loopback in place of the live one; null for the live web. A folder
        outside the project changes as the live web does: nothing is crawled again because of it.
    concurrency: requests at a time, in all.
    per_host_concurrency: requests at a time to one host.
    per_host_delay_s: least time between two requests to one host.
    timeout_s: time for one whole answer.
    hosts: limits by host, such as `upload.wikimedia.org`, or `*.example.org` for all hosts below it together. They add
        to the known hosts, or replace them; null removes one.
    retry_after_s: longest wait that a host can demand by one Retry-After.
    retry_budget_s: longest sum of such waits in one run; then the host is left alone until the next one.
    attempts: runs in which a retriable failure is requested.
    max_bytes: largest file.
    max_pixels: largest picture, width × height.
    min_side_px: smallest shorter side of a picture.
    """

    sources: Annotated[list[Source], Field(min_length=1)]
    web: str | None = None
    concurrency: Annotated[int, Field(ge=1, le=512)] = 64
    per_host_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    per_host_delay_s: Annotated[float, Field(ge=0, le=60)] = 0.5
    hosts: Annotated[
        dict[HostName, HostManners | None], BeforeValidator(_with_known_hosts), Field(validate_default=True)
    ] = {
        "upload.wikimedia.org": {"concurrency": 2, "delay_s": 0.0, "megabits_per_s": 25.0},
        "commons.wikimedia.org": {"concurrency": 1},
        "api.openverse.org": {"concurrency": 1},
        "api.flickr.com": {"concurrency": 1, "delay_s": 1.0},
    }  # ty: ignore[invalid-assignment]  (validated when it is used)
    retry_after_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    retry_budget_s: Annotated[float, Field(ge=0, le=86_400)] = 1800.0
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    max_bytes: Annotated[int, Field(ge=1024)] = 30_000_000
    max_pixels: Annotated[int, Field(ge=4096)] = 60_000_000
    min_side_px: Count = 64
