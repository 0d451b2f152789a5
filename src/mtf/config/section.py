"""Base class of the sections of params.yaml, and their common types of values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Label = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]+$")]

Alignment = Literal["none", "landmarks"]
"""Use of a face's landmarks: none, or the similarity transform of `mtf.faces.alignment`."""


class Section(BaseModel):
    """A section of params.yaml: unknown keys are refused, values keep their types, fields cannot be assigned.

    Numbers are finite.

    Write defaults as literals, `[]` and `{}` too (pydantic copies them): DVC reads them from the source, so that a
    changed default reruns the stages that read the section.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
