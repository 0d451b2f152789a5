"""Audit behind `mtf audit models`: the weights that params.yaml chooses, judged by its policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from mtf import config
from mtf.config import Params
from mtf.core.console import console
from mtf.core.counts import number
from mtf.core.project_paths import ProjectPaths
from mtf.faces.model_files import ModelFile
from mtf.rights.audit import weights
from mtf.rights.audit.weights import WeightsFinding
from mtf.training import weights_in_use

SCHEMA_VERSION = "1.0"


def run(workspace: ProjectPaths, *, style: str, out: TextIO) -> bool:
    """Audit the weights of a project and print the report: table, json, plain or quiet. True if it is compliant."""
    params = config.load(workspace.params)
    files = weights_in_use.of_project(params, root=workspace.root)
    findings = weights.audited(files, params)
    is_compliant = not any(finding.level == "error" for finding in findings)
    if style == "json":
        report = _report(files, findings, params, is_compliant=is_compliant)
        out.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    elif style == "plain":
        _write_plain(findings, out)
    elif style == "table":
        _write_table(files, findings, params, out, is_compliant=is_compliant)
    return is_compliant


def _report(
    files: Sequence[ModelFile], findings: Sequence[WeightsFinding], params: Params, *, is_compliant: bool
) -> dict[str, Any]:
    errors = sum(finding.level == "error" for finding in findings)
    return {
        "schema_version": SCHEMA_VERSION,
        "audit": "models",
        "project": params.project.name,
        "compliant": is_compliant,
        "summary": {"files": len(files), "errors": errors, "warnings": len(findings) - errors},
        "policy": params.models.model_dump(mode="json"),
        "files": [
            {
                "name": file.name,
                "used_for": file.used_for,
                "sha256": file.sha256,
                "license": weights.stated_license(file, params.models),
                "trained_on": file.trained_on,
                "data_license": file.data_license,
                "people": str(file.agreed),
            }
            for file in files
        ],
        "findings": [
            {
                "code": str(finding.code),
                "level": finding.level,
                "name": finding.name,
                "reason": finding.reason,
                "recommendation": finding.recommendation,
            }
            for finding in findings
        ],
    }


def _write_plain(findings: Sequence[WeightsFinding], out: TextIO) -> None:
    """Write one line per finding, separated by tabs: code, level, name, reason, recommendation."""
    for finding in findings:
        parts = (str(finding.code), finding.level, finding.name, finding.reason, finding.recommendation)
        out.write("\t".join(" ".join(part.split()) for part in parts) + "\n")


def _write_table(
    files: Sequence[ModelFile],
    findings: Sequence[WeightsFinding],
    params: Params,
    out: TextIO,
    *,
    is_compliant: bool,
) -> None:
    from rich.table import Table
    from rich.text import Text

    terminal = console(out)
    table = Table("name", "used for", "license", "learnt from", "people", title="Weights that touch the data")
    for file in files:
        license = weights.stated_license(file, params.models)
        # Text, not markup: a file's name is not a style.
        cells = (Path(file.name).name, file.used_for, license, file.trained_on, str(file.agreed))
        table.add_row(*(Text(cell) for cell in cells))
    terminal.print(table)
    for finding in findings:
        terminal.print(Text(f"{finding.level}: {finding.name}: {finding.reason}. {finding.recommendation}"))
    errors = sum(finding.level == "error" for finding in findings)
    terminal.print(
        Text(
            f"{number(len(files), 'file')} audited: {number(errors, 'error')}, "
            f"{number(len(findings) - errors, 'warning')}."
        )
    )
    terminal.print(Text("Compliant." if is_compliant else "Not compliant."))
