"""Made-up evidence, one picture a row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from mtf import schemas

CHECKED_AT = datetime(2026, 3, 1, tzinfo=UTC)


def image_id(number: int) -> str:
    return hashlib.sha256(f"picture {number}".encode()).hexdigest()


def evidence_rows(*rows: dict[str, Any]) -> pl.DataFrame:
    """`tables.EVIDENCE` with what `rows` say; the rest is a picture under CC BY 4.0 that can be credited."""
    usual = {
        "identity": "person-a",
        "page_url": "https://photos.example.org/view/1",
        "stated": "stated",
        "license": "CC-BY-4.0",
        "license_url": "https://creativecommons.org/licenses/by/4.0/",
        "method": "page: rel=license",
        "creator": "N. N.",
        "title": "A portrait",
        "http_status": 200,
        "checked_at": CHECKED_AT,
    }
    numbered = [
        {"image_id": image_id(number), "url": f"https://media.example.org/{number}.jpg"} | usual | row
        for number, row in enumerate(rows)
    ]
    return schemas.check(schemas.EVIDENCE, schemas.frame(schemas.EVIDENCE, numbered), where="evidence")


@pytest.fixture
def evidence_of() -> Callable[..., pl.DataFrame]:
    return evidence_rows
