"""Renamed options of the command line."""

from __future__ import annotations

from typing import TypeVar

import typer

from mtf.core import renamed
from mtf.core.errors import BadInput

Value = TypeVar("Value")


def value_of(context: typer.Context, new: str, value: Value, *, old: str, old_value: Value | None) -> Value:
    """Value of the option `--new`, or of `--old` if given, with a line that names the new one.

    Raises BadInput if both are given.
    """
    if old_value is None:
        return value
    source = context.get_parameter_source(new)
    if source is not None and source.name == "COMMANDLINE":
        raise BadInput(f"--{old}: is now --{new}, which is given too; leave --{old} out")
    renamed.warn_renamed(f"--{old}", f"--{new}")
    return old_value
