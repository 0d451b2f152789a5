"""Parameters of the crawl. Those of each source stand with it, in `mtf.sources`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PlainValidator, ValidationError
from pydantic_core import InitErrorDetails

from mtf.config.section import Count, Section
from mtf.sources import registry


def _source(value: Any) -> Any:
    """An entry of `crawl.sources` by the class that is registered for its `kind`.

    Raises ValueError for a kind that is not registered, and ValidationError with the kind at the head of each location,
    as pydantic's own tagged unions do.
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
else:  # a class that is registered may come from anywhere
    Source = Annotated[Any, PlainValidator(_source)]


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
