"""Audit of weights: may the project use each file of trained weights, under its policy?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mtf import config
from mtf.faces.model_files import INITIAL, NOT_PUBLISHED, UNSTATED, ModelFile
from mtf.rights import policy
from mtf.rights.licenses import catalogue


class WeightsCode(StrEnum):
    """Codes of findings, most serious first."""

    UNKNOWN_LICENSE = "unknown_license"
    NOT_PERMITTED = "not_permitted"
    RESTRICTED_DATA = "restricted_data"
    UNSTATED_DATA = "unstated_data"


RECOMMENDATIONS: dict[WeightsCode, str] = {
    WeightsCode.UNKNOWN_LICENSE: "Find its license and state it in params.yaml, models.licenses, by the file's sha256.",
    WeightsCode.NOT_PERMITTED: "Choose another detector, embedding or network; `mtf models list` shows their licenses.",
    WeightsCode.RESTRICTED_DATA: "Clarify whether the terms of the training data bind the weights, or choose others.",
    WeightsCode.UNSTATED_DATA: "Ask the publisher under which terms the training data was used.",
}


@dataclass(frozen=True)
class WeightsFinding:
    """A finding on one file: an error means that it may not be used, a warning that a person should look."""

    code: WeightsCode
    level: str
    name: str
    reason: str

    @property
    def recommendation(self) -> str:
        return RECOMMENDATIONS[self.code]


def audited(files: Sequence[ModelFile], params: config.Params) -> list[WeightsFinding]:
    """Findings on the files, errors first. Raises BadInput for an entry of `models` that names no license."""
    policy.check_models(params.models)
    findings = [finding for file in files for finding in _of_file(file, params)]
    codes = list(WeightsCode)
    return sorted(findings, key=lambda finding: (finding.level, codes.index(finding.code), finding.name))


def stated_license(file: ModelFile, models: config.Models) -> str:
    """License of a file: its publisher's, or the one that params.yaml states for a file of your own."""
    return models.licenses.get(file.sha256, file.license) if file.license == UNSTATED else file.license


def _of_file(file: ModelFile, params: config.Params) -> list[WeightsFinding]:
    needed = policy.required_rights(params.licenses) & _rights_for(file)
    license = stated_license(file, params.models)
    findings = []
    if license == UNSTATED:
        reason = f"no license is known for {file.file or file.name}, sha256 {file.sha256 or 'unknown: no such file'}"
        findings.append(WeightsFinding(WeightsCode.UNKNOWN_LICENSE, "error", file.name, reason))
    elif reason := _refusal(license, needed, params.models):
        findings.append(WeightsFinding(WeightsCode.NOT_PERMITTED, "error", file.name, reason))
    if file.data_license is None:
        if file.license != UNSTATED:
            is_named = file.trained_on != NOT_PUBLISHED
            learnt = f"learnt from {file.trained_on}, whose terms are" if is_named else "the training data is"
            reason = f"{learnt} not published"
            findings.append(WeightsFinding(WeightsCode.UNSTATED_DATA, "warning", file.name, reason))
    elif lacking := _lacking(file.data_license, needed):
        level = "error" if params.models.restricted_data == "refuse" else "warning"
        reason = f"learnt from {file.trained_on}, whose terms ({file.data_license}) do not grant: {lacking}"
        findings.append(WeightsFinding(WeightsCode.RESTRICTED_DATA, level, file.name, reason))
    return findings


def _rights_for(file: ModelFile) -> frozenset[str]:
    """Rights that the use of a file takes: a network that starts from weights is a changed copy of them."""
    return frozenset({"commercial", "modify", "share"} if file.used_for == INITIAL else {"commercial"})


def _refusal(license: str, needed: frozenset[str], models: config.Models) -> str | None:
    if models.permitted is not None:
        is_permitted = any(entry in models.permitted for entry in catalogue.covering(license))
        return None if is_permitted else f"{license} is not in models.permitted"
    lacking = _lacking(license, needed)
    return f"{license} does not grant: {lacking}; every license of licenses.permitted does" if lacking else None


def _lacking(license: str, needed: frozenset[str]) -> str:
    """Rights of `needed` that a license does not grant, in words; empty if it grants all."""
    record = catalogue.get(license)
    granted = record.rights if record is not None else frozenset()
    return ", ".join(sorted(needed - granted))
