"""Parameters of `mtf watch`. They say when sources are asked again, not what answers mean: no stage reads them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mtf.config.section import Section

Days = Annotated[int, Field(ge=0, le=3650)]


class Watch(Section):
    """Dates from which `mtf watch` crawls something again (docs/watch.md).

    recheck_days: days after which a picture's page, file and signals are asked for again; 0 asks at each run.
    recheck_max_days: all pictures of an identity are asked for on one day in so many, so that an opt-out is heard
        within a month. Between, a picture whose sources were found unchanged is asked for again after twice as many
        days as the time before. If licenses.max_evidence_age_days is less, it counts.
    search_days: days after which new pictures of an identity are searched for, on its own day if that is the same.
    until: stage up to which `mtf watch` brings the project up to date.
    """

    recheck_days: Days = 7
    recheck_max_days: Days = 28
    search_days: Days = 28
    until: Annotated[str, Field(pattern=r"^[a-z_]+$", max_length=40)] = "split"
