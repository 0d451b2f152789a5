"""Who builds the data set, and what may be asked about its faces."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from mtf.params.section import Label, Section

IDENTITY = "identity"


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
    labels: list[Label] = Field([])
    per_identity: bool = True
    years: dict[Label, tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(le=150)]]] = Field({})

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
