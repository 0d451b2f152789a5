"""The policy of params.yaml, applied to evidence; and what a release may bear."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest

from mtf.config import Licenses, Params
from mtf.core.errors import BadInput
from mtf.rights import policy

TODAY = date(2026, 6, 1)
UNSTATED = {"stated": "unstated", "license": None}
CLAIM = {"claim": "commercial,modify"}
DISPUTED = {"stated": "contradiction", "detail": "x"}


def changed(params: Params, **changes: Any) -> Licenses:
    return params.licenses.model_copy(update=changes)


@pytest.mark.parametrize(
    ("row", "changes", "reason"),
    [
        ({}, {}, None),
        ({"license": "CC-BY-3.0-DE"}, {}, None),
        ({"license": "LicenseRef-CC-BY-2.0-FR"}, {}, None),
        ({"license": "LicenseRef-Public-Domain"}, {}, None),
        ({"license": "LicenseRef-CC-BY"}, {}, "license_not_permitted"),
        ({"license": "LicenseRef-US-Government-Work"}, {}, "license_not_permitted"),
        ({"license": "LicenseRef-US-Government-Work"}, {"permitted": ["LicenseRef-US-Government-Work"]}, None),
        ({"license": "CC-BY-NC-4.0"}, {}, "license_not_permitted"),
        ({"license": "CC-BY-ND-4.0"}, {}, "license_not_permitted"),
        ({"license": "LicenseRef-All-Rights-Reserved"}, {}, "license_not_permitted"),
        ({"license": "LicenseRef-UTKFace"}, {}, "license_not_permitted"),
        ({"license": "LicenseRef-UTKFace"}, {"permitted": ["CC-BY-4.0", "LicenseRef-UTKFace"]}, None),
        ({"license": "CC-BY-4.0"}, {"permitted": ["CC-BY-3.0-DE"]}, "license_not_permitted"),
        (UNSTATED, {}, "no_evidence"),
        (UNSTATED, {"accept_unstated": True}, None),
        (UNSTATED | CLAIM, {}, "claim_only"),
        (UNSTATED | CLAIM, {"accept_claim": True}, None),
        (UNSTATED | CLAIM, {"accept_unstated": True}, None),
        (UNSTATED | {"claim": "noncommercial"}, {"accept_unstated": True}, "license_not_permitted"),
        (UNSTATED | {"claim": "noncommercial"}, {"accept_claim": True}, "license_not_permitted"),
        (UNSTATED | {"claim": "CC BY 2.0"}, {"accept_claim": True}, None),
        (UNSTATED | {"claim": "CC BY-NC 2.0"}, {"accept_claim": True}, "license_not_permitted"),
        (UNSTATED | {"claim": "publicdomain"}, {"accept_claim": True}, None),
        (UNSTATED | {"claim": "who knows"}, {"accept_claim": True}, "license_not_permitted"),
        ({"stated": "unreachable", "license": None} | CLAIM, {}, "claim_only"),
        ({"stated": "unreachable", "license": None}, {}, "no_evidence"),
        (DISPUTED, {}, "license_contradiction"),
        (DISPUTED, {"on_contradiction": "accept_evidence"}, None),
        (DISPUTED | {"license": "CC-BY-NC-4.0"}, {"on_contradiction": "accept_evidence"}, "license_not_permitted"),
        (DISPUTED | {"license": None}, {"on_contradiction": "accept_evidence"}, "license_contradiction"),
        ({}, {"max_evidence_age_days": 92}, None),
        ({}, {"max_evidence_age_days": 91}, "evidence_too_old"),
        ({"opt_out": "x-robots-tag: noai"}, {}, "opted_out"),
        ({"opt_out": "meta-robots: noai"} | UNSTATED, {}, "opted_out"),
        ({"opt_out": "tdmrep: header tdm-reservation 1"}, {"binding_opt_outs": ["robots.txt"]}, None),
        ({"opt_out": "meta-robots: noai; tdmrep: meta"}, {"binding_opt_outs": ["tdmrep"]}, "opted_out"),
        ({"opt_out": "meta-robots: noai"}, {"binding_opt_outs": []}, None),
    ],
)
def test_each_picture_gets_the_reason_for_which_it_may_not_be_used(
    sample_params: Params,
    evidence_of: Callable[..., pl.DataFrame],
    row: dict[str, Any],
    changes: dict[str, Any],
    reason: str | None,
) -> None:
    judged = policy.judge(evidence_of(row), changed(sample_params, **changes), today=TODAY)
    assert judged.to_list() == [reason]
    assert judged.name == "reason"


def test_reasons_come_in_the_order_of_the_rows(sample_params: Params, evidence_of: Callable[..., pl.DataFrame]) -> None:
    rows = [{}, UNSTATED, {}, {"license": "CC-BY-ND-4.0"}, DISPUTED]
    judged = policy.judge(evidence_of(*rows), sample_params.licenses, today=TODAY)
    assert judged.to_list() == [None, "no_evidence", None, "license_not_permitted", "license_contradiction"]
    assert policy.judge(evidence_of(), sample_params.licenses, today=TODAY).to_list() == []


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("CC-BY-9.0", "SPDX identifiers of known licenses, or LicenseRef-…"),
        ("CC BY 4.0", "CC-BY-4.0 (is that meant?)"),
    ],
)
def test_a_policy_that_names_no_license_stops_before_any_work(sample_params: Params, entry: str, hint: str) -> None:
    with pytest.raises(BadInput) as refused:
        policy.check(changed(sample_params, permitted=["CC0-1.0", entry]))
    assert str(refused.value) == f"params.yaml: licenses.permitted: {entry!r} is not permitted; permitted: {hint}"


@pytest.mark.parametrize(
    ("held", "may_bear"),
    [
        (["CC0-1.0", "LicenseRef-Public-Domain"], "CC0-1.0"),
        (["CC-BY-2.0", "CC0-1.0"], "CC-BY-3.0"),
        (["CC-BY-2.0", "CC-BY-SA-3.0"], "CC-BY-SA-3.0"),
        (["CC-BY-SA-2.0", "CC-BY-SA-4.0"], "CC-BY-SA-4.0"),
        (["CC-BY-SA-3.0-DE"], "CC-BY-SA-3.0"),
        (["CC-BY-NC-2.0", "CC-BY-4.0"], "CC-BY-NC-3.0"),
        (["CC-BY-NC-SA-2.0"], "CC-BY-NC-SA-3.0"),
        (["CC-BY-SA-1.0"], "CC-BY-SA-1.0"),
        (["LAL-1.3", "CC-BY-SA-4.0"], "CC-BY-SA-4.0"),
        (["CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"], None),
        (["CC-BY-SA-1.0", "CC-BY-SA-2.0"], None),
        (["CC-BY-ND-4.0"], None),
        (["LicenseRef-All-Rights-Reserved"], None),
        (["LicenseRef-Our-Own", "CC-BY-4.0"], None),
        (["LicenseRef-Our-Own"], "LicenseRef-Our-Own"),
        ([], "CC0-1.0"),
    ],
)
def test_a_release_may_bear_what_all_its_pictures_allow(held: list[str], may_bear: str | None) -> None:
    assert next(iter(policy.permitted_release_licenses(held)), None) == may_bear


@pytest.mark.parametrize(
    ("held", "release", "says"),
    [
        ("CC-BY-SA-4.0", "CC-BY-4.0", "share-alike: its adaptations bear CC-BY-SA-4.0 or later"),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0 or later"),
        ("CC-BY-SA-1.0", "CC-BY-SA-4.0", "CC-BY-SA-1.0 only"),
        ("CC-BY-NC-4.0", "CC-BY-4.0", "forbids commercial use, which CC-BY-4.0 permits"),
        ("CC-BY-4.0", "CC0-1.0", "asks for attribution, which CC0-1.0 waives"),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "does not permit sharing an adaptation"),
        ("LicenseRef-Our-Own", "CC-BY-4.0", "terms of its own"),
    ],
)
def test_a_conflict_is_explained(held: str, release: str, says: str) -> None:
    assert says in (policy.conflict(held, release) or "")


def test_obligations_are_listed_once_per_license() -> None:
    asked = policy.obligations(["CC0-1.0", "CC-BY-SA-4.0", "CC-BY-SA-4.0", "LicenseRef-Our-Own"])
    assert [(each.license, each.attribution, each.share_alike) for each in asked] == [
        ("CC-BY-SA-4.0", True, True),
        ("CC0-1.0", False, False),
        ("LicenseRef-Our-Own", True, False),
    ]
