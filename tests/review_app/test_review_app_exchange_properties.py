"""Exports read by imports: import(export(x)) = x, in each format, without a database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtf.annotation.decision import Decision, Verdict, contradiction
from mtf.core import atomic_files, csv_files
from mtf.review_app.exchange import export, import_formats
from mtf.review_app.exchange.exported_pictures import Stored
from mtf.schemas import BOX, Step, funnel_steps

SLUGS = st.from_regex(r"[a-z0-9]{1,4}(?:-[a-z0-9]{1,3})?", fullmatch=True).filter(lambda name: name != "together")
IMAGES = st.sampled_from([letter * 64 for letter in "0123abcdef"])
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=8)
TEXTS = WORDS | st.sampled_from(["=1+1", "'=1", "-2", "\u202e@x", "a,b;c", '"', "{}"])
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))
SIDE_PX = 4000


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    step = draw(st.sampled_from(sorted(funnel_steps.review_reasons())))
    verdicts = [each for each in Verdict if each is not Verdict.UNDO]
    verdict = draw(st.sampled_from([each for each in verdicts if each is not Verdict.KEEP or step is Step.DUPLICATE]))
    reason = draw(st.sampled_from(sorted(funnel_steps.review_reasons()[step]))) if verdict is Verdict.REJECT else None
    labels = draw(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=2)) if verdict is Verdict.LABEL else None
    assert contradiction(step, verdict, reason, has_labels=bool(labels)) is None
    x, y = draw(st.integers(0, SIDE_PX - 1)), draw(st.integers(0, SIDE_PX - 1))
    box = (x, y, draw(st.integers(1, SIDE_PX - x)), draw(st.integers(1, SIDE_PX - y)))
    who = {"identity": draw(SLUGS), "image_id": draw(IMAGES), "reviewer": draw(SLUGS), "joint": draw(st.booleans())}
    return Decision(**who, box=box, step=step, verdict=verdict, reason=reason, labels=labels, time=draw(TIMES))


def exported(given: list[Decision], address: str) -> pl.DataFrame:
    """The rows of an export: each decision with its face, and one face that nobody decided."""
    rows = [row_of(number, one, address) for number, one in enumerate(given)]
    undecided: dict[str, Any] = row_of(len(given), given[0], address) | dict.fromkeys(export.DECISION_FIELDS)
    names = dict.fromkeys([*export.COLUMNS, "image_width", "image_height"], pl.String)
    numbers = dict.fromkeys([*BOX, "image_width", "image_height"], pl.Int64)
    return pl.DataFrame([*rows, undecided], schema=names | numbers | {"joint": pl.Boolean})


def row_of(number: int, one: Decision, address: str) -> dict[str, Any]:
    said = {
        "step": str(one.step),
        "verdict": str(one.verdict),
        "reason": one.reason and str(one.reason),
        "reviewer": one.reviewer,
        "labels": one.labels and json.dumps(one.labels, ensure_ascii=False),
        "joint": one.joint,
        "time": one.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    face = {"identity": one.identity, "image_id": one.image_id, **dict(zip(BOX, one.box, strict=True))}
    size = {"image_width": SIDE_PX, "image_height": SIDE_PX}
    return face | size | said | {"face_id": f"{number:032x}", "url": address, "page_url": None, "license": None}


def write(folder: Path, data: pl.DataFrame, format: str) -> Path:
    if format == "csv":
        csv_files.write(folder / "out.csv", data.select(export.COLUMNS))
        return folder / "out.csv"
    grouped = export._grouped(data)
    pictures = {image_id: Stored(folder, f"{image_id}.jpg", 0, 0) for image_id in data["image_id"]}
    content = export._coco(grouped, pictures) if format == "coco" else export._fiftyone(grouped)
    atomic_files.write_json(folder / import_formats.LABELS, content)
    return folder


@pytest.mark.parametrize("format", ["csv", "coco", "fiftyone"])
@settings(max_examples=40, deadline=None)
@given(some=st.lists(decisions(), min_size=1, max_size=5), address=TEXTS)
def test_an_import_reads_what_an_export_writes(
    tmp_path_factory: pytest.TempPathFactory, format: str, some: list[Decision], address: str
) -> None:
    source = write(tmp_path_factory.mktemp("out", numbered=True), exported(some, address), format)
    read = [one.decision for one in import_formats.read(source, format=format, reviewer=None)]
    assert sorted(one.line() for one in read) == sorted(one.line() for one in some)
