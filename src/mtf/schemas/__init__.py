"""Table contracts: one pandera schema per table, checked when a stage reads or writes the table.

Tables whose columns depend on the tasks of `params.yaml` are functions of `Params`; the others are constants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtf.schemas.dtypes import UTC
from mtf.schemas.enums import (
    FACE_ID,
    SHA256,
    SLUG,
    SPLITS,
    ConsentGiver,
    ConsentScope,
    DetectionOutcome,
    EvidenceStatus,
    FetchOutcome,
    Reason,
    Step,
    VisitResult,
)

if TYPE_CHECKING:
    from mtf.schemas.columns import BOX, FACE, IMAGE
    from mtf.schemas.contract import (
        MAX_LISTED_FAILURES,
        ContractViolated,
        Table,
        check,
        check_refers,
        failures_path,
        frame,
        read,
        scan,
        sink,
        write,
    )
    from mtf.schemas.crawl_tables import (
        EARLIER,
        EVIDENCE,
        FETCHES,
        IMAGES,
        MAX_NAME,
        MAX_QUERY,
        SETTLED,
        SIGNALS,
        VISITS,
        roster,
    )
    from mtf.schemas.dataset_tables import (
        EXCLUSIONS,
        PREDICTIONS,
        PROBABILITIES,
        curated,
        non_curated,
        splits,
        undetected,
    )
    from mtf.schemas.face_tables import DETECTIONS, FACES, HINTS, LANDMARKS, QUALITY_COMPONENTS, SCREENING, UNDETECTED

__all__ = [
    "BOX", "DETECTIONS", "EARLIER", "EVIDENCE", "EXCLUSIONS", "FACE", "FACES", "FACE_ID", "FETCHES", "HINTS",
    "IMAGE", "IMAGES", "LANDMARKS", "MAX_LISTED_FAILURES", "MAX_NAME", "MAX_QUERY", "PREDICTIONS", "PROBABILITIES",
    "QUALITY_COMPONENTS",
    "SCREENING", "SETTLED", "SHA256", "SIGNALS", "SLUG", "SPLITS", "UNDETECTED", "UTC", "VISITS", "ConsentGiver",
    "ConsentScope", "ContractViolated", "DetectionOutcome", "EvidenceStatus", "FetchOutcome", "Reason", "Step", "Table",
    "VisitResult", "check",
    "check_refers", "curated", "failures_path", "frame", "non_curated", "read", "roster", "scan", "sink", "splits",
    "undetected", "write",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Contract, or part of one, imported on first use: pandera takes a second, and who only fetches needs none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mtf.schemas import columns, contract, crawl_tables, dataset_tables, face_tables

    modules = (columns, contract, crawl_tables, dataset_tables, face_tables)
    found = next(getattr(module, name) for module in modules if hasattr(module, name))
    globals()[name] = found
    return found
