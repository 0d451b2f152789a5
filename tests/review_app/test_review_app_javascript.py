"""The screen's JavaScript by itself, in node's own test runner: `node --test tests/review_app/js/keyboard.test.mjs`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_the_tests_in_javascript_pass(node: str, file: Path) -> None:
    done = subprocess.run([node, "--test", str(file)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = [line for line in done.stdout.splitlines() if line.startswith(("# pass ", "ℹ pass "))]
    assert passed and int(passed[0].split()[-1]) > 0, done.stdout
