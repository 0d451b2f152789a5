"""Parameters of the weights that the project uses: detector, embedding and initial weights of trainings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mtf.config.section import Section

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Models(Section):
    """Policy on weights, which `mtf audit models` applies.

    permitted: licenses of weights that may be used (SPDX or `LicenseRef-…`); null permits those that grant commercial
        use where every license of `licenses.permitted` does, and for initial weights of a training the other rights as
        well.
    restricted_data: for weights that learnt from data whose terms do not grant these rights, `warn` only says so and
        `refuse` fails the audit.
    licenses: sha256 of a weights file of your own → its license.
    """

    permitted: Annotated[list[str], Field(min_length=1)] | None = None
    restricted_data: Literal["warn", "refuse"] = "warn"
    licenses: dict[Sha256, str] = {}
