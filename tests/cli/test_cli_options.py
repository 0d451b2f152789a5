"""Options that contradict, and values that no option takes: each is one line, and nothing is done."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from mtf import cli
from mtf.cli import root_command
from projects import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's parameters, without data; the current folder."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("evaluate --on . --altered", "mtf: --on and --altered: choose one"),
        ("evaluate --altered --paper-tables", "mtf: --altered and --paper-tables: choose one"),
        (
            "evaluate --json",
            "mtf: --json: with --paper-tables, --altered or --on; metrics/evaluate.json has the figures",
        ),
        (
            "release --to there",
            "mtf: --to: with --format, which says in which form; permitted: parquet, webdataset, fiftyone",
        ),
        ("balance --write --over race,race", "mtf: --over: 'race' stands there twice; name each attribute once"),
        ("balance --seed -1", "Error: Invalid value for '--seed': Input should be greater than or equal to 0"),
        *(
            (
                f"{command} --seeds 10000",
                "Error: Invalid value for '--seeds': Input should be less than or equal to 100",
            )
            for command in (
                *("compare recipes", "compare curation", "compare svm", "compare groups", "label compare gender"),
                "compare mitigation --task gender --by race",
                "dataset protocol age-csv ages.csv --to efrs",
            )
        ),
        (
            "compare curation --recipe fast",
            "mtf: --recipe: 'fast' is not permitted; permitted: of params.yaml: small, mtf, modern, das",
        ),
        (
            "compare recipes --recipes fast",
            "mtf: --recipes: 'fast' is not permitted; permitted: of params.yaml: small, mtf, modern, das",
        ),
    ],
)
def test_what_contradicts_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str, line: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["mtf", *arguments.split()])
    assert root_command.run(cli.app) == 2
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert [path.name for path in project.iterdir()] == ["params.yaml"]


def test_a_column_is_balanced_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("\n  balance: null", "\n  balance: {over: [race, race]}", 1))
    monkeypatch.setattr(sys, "argv", ["mtf", "split"])
    assert root_command.run(cli.app) == 2
    assert "split.balance.over: 'race' stands there twice; name each column once" in capsys.readouterr().err
