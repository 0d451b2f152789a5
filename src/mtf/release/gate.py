"""No picture leaves whose license, opt-out or takedown does not let it, and none under a license it forbids."""

from __future__ import annotations

import polars as pl

from mtf.errors import GateFailed, listed

KEYS = ["identity", "image_id"]
SHOWN = 5


def refuse(published: pl.DataFrame, judged: pl.DataFrame) -> None:
    """Raise GateFailed, naming the first pictures, unless every picture of `published` is permitted.

    `published` has identity and image_id; `judged` has these and `reason`, null where the picture is permitted.
    A picture that was never judged has no evidence and is refused too.
    """
    verdicts = (
        published.select(KEYS)
        .unique()
        .join(judged.with_columns(judged=True), on=KEYS, how="left", validate="1:1")
        .with_columns(reason=pl.when(pl.col("judged")).then("reason").otherwise(pl.lit("no_evidence")))
        .filter(pl.col("reason").is_not_null())
        .sort(KEYS)
    )
    if verdicts.is_empty():
        return
    counts = ", ".join(f"{n} {reason}" for reason, n in verdicts["reason"].value_counts().sort("reason").iter_rows())
    first = listed((f"{identity}/{image_id[:12]} ({reason})" for identity, image_id, reason in _rows(verdicts)), SHOWN)
    raise GateFailed(f"release: {verdicts.height} pictures may not be published ({counts}): {first}")


def refuse_license(conflicts: dict[str, str], license: str, *, permitted: list[str]) -> None:
    """Raise GateFailed where pictures' licenses (`conflicts`: license → why) do not let the release bear `license`."""
    if conflicts:
        choice = f"permitted: {listed(permitted)}" if permitted else "no one license fits all of its pictures"
        raise GateFailed(f"params.yaml: release.license: {license}: {listed(conflicts.values(), SHOWN)}; {choice}")


def _rows(verdicts: pl.DataFrame) -> list[tuple[str, str, str]]:
    return verdicts.select(*KEYS, "reason").rows()
