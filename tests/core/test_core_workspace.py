"""Where a project's files lie is said in one place, so that a table that moves moves for everybody."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mtf
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.crawl import settled
from mtf.gates import outcome
from mtf.pipeline import crawl
from mtf.release import revision_diff
from mtf.takedown import scope_search

SOURCE = Path(mtf.__file__).parent
# A path from the project's root to a table or to figures, or the beginning of one in an f-string.
_PATH = re.compile(r"(?<![\w./-])(?:build|data|metrics|plots)/(?:[\w./*-]*\.(?:parquet|csv|jsonl?)\b|[\w/-]*$)")

# The paths of a project themselves, and those within an export.
NAMED_THERE = {"core/project_paths.py", "release/formats.py"}


def literals(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string literal that is no docstring."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def test_no_other_module_spells_out_where_a_table_lies() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).as_posix() not in NAMED_THERE
        for line, text in literals(ast.parse(path.read_text(encoding="utf-8")))
        if _PATH.search(text)
    ]
    assert found == []


@pytest.mark.parametrize("text", ["build/crawl/images.parquet", "metrics/", "see data/roster.csv", "build/label"])
def test_the_search_finds_a_path(text: str) -> None:
    assert _PATH.search(text)


def test_the_tables_that_are_looked_up_in_older_versions_are_those_of_the_stages() -> None:
    """A table that a stage renames would else be missed in silence: an older version may lack it."""
    files = [*sorted((SOURCE / "pipeline").glob("*.py")), SOURCE / "release" / "release_tables.py"]
    sources = [path.read_text(encoding="utf-8") for path in files]
    named = {pair for text in sources for pair in re.findall(r'workspace\.table\(\s*"(\w+)", "(\w+)"', text)}
    named |= {(crawl.STAGE, name) for name in settled.OF_STAGE}
    of_stages = {PATHS_IN_PROJECT.table(*pair).as_posix() for pair in named}
    read = [
        scope_search.IMAGES,
        scope_search.EVIDENCE,
        scope_search.FACES,
        scope_search.FETCHES,
        scope_search.SCREENING,
        scope_search.SPLITS,
    ]
    read += [outcome.SPLITS_FILE, outcome.SCREENING_FILE, outcome.EVIDENCE_FILE]
    read += [
        revision_diff.SPLITS_FILE,
        revision_diff.EXCLUSIONS_FILE,
        revision_diff.FACES_FILE,
        revision_diff.FETCHES_FILE,
    ]
    assert sorted({path for path in read if path not in of_stages}) == []


def test_paths_in_the_project_are_relative_to_any_root(tmp_path: Path) -> None:
    workspace = ProjectPaths(tmp_path)
    assert tmp_path / PATHS_IN_PROJECT.table("crawl", "images") == workspace.table("crawl", "images")
    assert workspace.relative(workspace.attribution) == PATHS_IN_PROJECT.attribution.as_posix()
