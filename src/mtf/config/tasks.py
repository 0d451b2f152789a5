"""Project and tasks: who builds the data set, and the columns and labels that models predict."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, product
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from mtf.config.section import Label, Section

IDENTITY = "identity"
# Joins the names of columns, and of labels, that are combined. No column's name can contain it.
WITH = " × "


class Project(Section):
    """The project that builds the data set.

    name: a-z, 0-9, - and _, for files and identifiers.
    title: of the data set.
    contact: `mailto:` or web address, for the crawler's User-Agent and the data set's card.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=60)]
    title: Annotated[str, Field(min_length=1)]
    contact: Annotated[str, Field(pattern=r"^(mailto:[^\s@]+@[^\s@]+|https?://\S+)$")]


class Task(Section):
    """A task: a column of the tables and its permitted labels, which a model predicts for a face.

    column: of the tables; `identity` is face recognition, whose labels come from the roster.
    labels: permitted values, at least two.
    per_identity: if true, all faces of a person have the same label.
    years: label → first and last age, both included, to derive the label from an age: `{Young: [18, 49], Old: [50,
        120]}` (MTF, section 3.1).
    combines: names of tasks to predict together, without any other field: `{combines: [race, gender]}` (MTF, Tables 2
        and 3). `completed` adds the combination's column (`race × gender`, in no table) and labels (`Amber × Males`);
        `mtf.training.data.with_combined_columns` adds the column to faces.
    """

    column: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = ""
    labels: list[Label] = []
    per_identity: bool = True
    years: dict[Label, tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(le=150)]]] = {}
    combines: list[str] = []

    @property
    def columns(self) -> list[str]:
        """Columns of the tables that the task needs: its own, or those of its parts."""
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
            raise ValueError("years: the first age of a label must not be above its last")
        for (label, ages), (other, others) in combinations(self.years.items(), 2):
            if (first := max(ages[0], others[0])) <= min(ages[1], others[1]):
                raise ValueError(
                    f"years: {label} {list(ages)} and {other} {list(others)} both have the age {first}; permitted: "
                    "years that do not overlap"
                )

    def completed(self, tasks: Mapping[str, Task]) -> Task:
        """A combination with its column and its labels, derived from its parts; any other task unchanged.

        Raises ValueError for a part that cannot be combined, with the tasks that can.
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
        """Serialise a combination by its parts alone, as in `params.yaml`."""
        return {"combines": self.combines} if self.combines else written(self)

    def label_of_age(self, age: int) -> str | None:
        """Label whose years include `age`; None if there is none."""
        return next((label for label, (first, last) in self.years.items() if first <= age <= last), None)


def columns_of(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """Column → task, for every column of the tables that has a task, in the order of params.yaml."""
    return {task.column: task for task in tasks.values() if not task.combines}


def attributes_of(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """`columns_of` without the identity: the attributes of a person in the roster."""
    return {column: task for column, task in columns_of(tasks).items() if column != IDENTITY}
