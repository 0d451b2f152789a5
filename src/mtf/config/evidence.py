"""Parameters of `mtf evidence`: the export of what sources said."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mtf.config.section import Section


class EvidenceExport(Section):
    """Export of the evidence (`mtf evidence export`).

    formats: `wacz`, which a browser replays, and `warc`.
    pictures: put the pictures' bytes into the files, too; else only what was said about them.
    key: PEM file with an ECDSA key on the curve P-384 that signs; null leaves the files unsigned. Keep it out of git.
    timestamp_url: address of an RFC 3161 authority; null asks nobody.
    timestamp_certificates: PEM file with the authority's root certificate; null accepts any authority.
    """

    formats: Annotated[list[Literal["wacz", "warc"]], Field(min_length=1)] = ["wacz"]
    pictures: bool = False
    key: str | None = None
    timestamp_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    timestamp_certificates: str | None = None
