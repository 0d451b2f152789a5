"""Who builds the data set, and what may be asked about its faces."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from mtf.config.section import Label, Section

IDENTITY = "identity"
# Joins the names of columns, and of labels, that are looked at together. No column's name can hold it.
WITH = " × "


class Project(Section):
    """Who builds this data set. `contact` goes into the crawler's User-Agent and the data set's card."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=60)]
    title: Annotated[str, Field(min_length=1)]
    contact: Annotated[str, Field(pattern=r"^(mailto:[^\s@]+@[^\s@]+|https?://\S+)$")]


class Task(Section):
    """What a model may be asked about a face: a column and its permitted labels.

    The column `identity` (face recognition) takes its labels from the roster. `years` derives a label from an age:
    `{Young: [18, 49], Old: [50, 120]}`, both ends included (MTF, section 3.1).

    `combines` asks about several attributes at once, as MTF's Tables 2 and 3 count them: `{combines: [race, gender]}`
    names tasks, and stands alone. `completed` gives such a task its column, which no table has (`race × gender`), and
    its labels (`Amber × Males`); `mtf.training.data.with_combined_columns` gives faces theirs.
    """

    column: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = ""
    labels: list[Label] = []
    per_identity: bool = True
    years: dict[Label, tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(le=150)]]] = {}
    combines: list[str] = []

    @property
    def columns(self) -> list[str]:
        """The columns of the tables that the task asks about: its own, or those of its parts."""
        return self.column.split(WITH)

    @model_validator(mode="after")
    def _is_whole(self) -> Task:
        if self.combines:
            self._check_combination()
        else:
            self._check_labels()
        return self

    def _check_combination(self) -> None:
        if others := self.model_fields_set - {"combines"}:
            raise ValueError(f"{', '.join(sorted(others))}: follows from the parts; leave it out beside combines")
        if len(set(self.combines)) < max(2, len(self.combines)):
            raise ValueError(f"combines {self.combines}: at least two tasks are needed, each once")

    def _check_labels(self) -> None:
        if not self.column:
            raise ValueError("column: missing (or combines, with the names of two tasks or more)")
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

    def completed(self, tasks: Mapping[str, Task]) -> Task:
        """A combination with the column and the labels that follow from its parts; any other task as it is.

        Raises ValueError, naming the tasks that may be combined, for a part that is none of them.
        """
        single = {name: task for name, task in tasks.items() if task.labels and not task.combines}
        for name in self.combines:
            if name not in single:
                raise ValueError(f"combines: {name!r} is no task of labels; permitted: {list(single)}")
        if not self.combines:
            return self
        parts = [single[name] for name in self.combines]
        columns = [part.column for part in parts]
        if len(set(columns)) < len(columns):
            raise ValueError(f"combines {self.combines}: two of them ask about one column ({', '.join(columns)})")
        labels = [WITH.join(combination) for combination in product(*(part.labels for part in parts))]
        return self.model_copy(update={"column": WITH.join(columns), "labels": labels})

    @model_serializer(mode="wrap")
    def _as_written(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What follows from a combination's parts is not written: `params.yaml` has it once."""
        return {"combines": self.combines} if self.combines else written(self)

    def label_of_age(self, age: int) -> str | None:
        """The label whose years hold `age`; None where no group does."""
        return next((label for label, (first, last) in self.years.items() if first <= age <= last), None)


def columns_of(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """Column → task, for every column of the tables that a task asks about, in the order of params.yaml."""
    return {task.column: task for task in tasks.values() if not task.combines}


def attributes_of(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """`columns_of` without the identity: what the roster says of each person."""
    return {column: task for column, task in columns_of(tasks).items() if column != IDENTITY}
