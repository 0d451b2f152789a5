"""Decisions and faces that are made up, for the tests of the review room."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from mtf.annotation.decision import Decision, Verdict
from mtf.schemas import Reason, Step

BEGIN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
BOX = (100, 100, 80, 80)


def image_id(name: str = "picture") -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def face_id(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def decision(verdict: Verdict = Verdict.ACCEPT, *, step: Step = Step.FACE, minute: int = 0, **fields: Any) -> Decision:
    given = {
        "image_id": image_id(),
        "box": BOX,
        "identity": "ada",
        "step": step,
        "verdict": verdict,
        "reviewer": "rita",
        "time": BEGIN + timedelta(minutes=minute),
        "program": "0.1.0",
    }
    return Decision(**(given | fields))


def reject(reason: Reason, **fields: Any) -> Decision:
    return decision(Verdict.REJECT, reason=reason, **fields)


def faces(*boxes: tuple[int, int, int, int], identity: str = "ada", image: str = "picture") -> pl.DataFrame:
    """Faces `face 0`, `face 1`, … of one picture."""
    return pl.DataFrame(
        {
            "identity": [identity] * len(boxes),
            "face_id": [face_id(f"face {number}") for number in range(len(boxes))],
            "image_id": [image_id(image)] * len(boxes),
            **{side: [box[place] for box in boxes] for place, side in enumerate(("x", "y", "width", "height"))},
        },
        schema_overrides={"x": pl.Int32, "y": pl.Int32, "width": pl.Int32, "height": pl.Int32},
    )
