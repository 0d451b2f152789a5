"""Extras of the package: the modules that each brings, and the message for a command that lacks one."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mtf import cli
from mtf.core.extras import EXTRAS
from projects import ROOT, mtf

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# `dlib` is a module of no listed package; the packages of the others are not installed for the tests.
NOT_INSTALLED = {"gcs", "azure", "dlib"}


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - NOT_INSTALLED))
def test_an_extra_brings_the_modules_that_it_is_named_for(extra: str) -> None:
    packages = {canonicalize_name(Requirement(each).name) for each in PROJECT["optional-dependencies"][extra]}
    for module in EXTRAS[extra]:
        holding = {canonicalize_name(name) for name in packages_distributions()[module]}
        assert holding & packages, f"{module} is of {holding}"
    assert not packages & {canonicalize_name(Requirement(each).name) for each in PROJECT["dependencies"]}


def test_every_extra_is_known_by_its_modules() -> None:
    assert set(PROJECT["optional-dependencies"]) == {*EXTRAS, "all"}


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("torch.nn", "mtf: this needs torch, which is not installed; `pip install 'mtf[train]'` brings it\n"),
        ("plotly", "mtf: this needs plotly, which is not installed; `pip install 'mtf[report]'` brings it\n"),
    ],
)
def test_a_command_whose_extra_is_missing_names_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, module: str, message: str
) -> None:
    def lacking(**_options: object) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(cli, "app", lacking)
    done = mtf(ROOT, "train")
    assert (done.returncode, done.stderr) == (2, message)
    monkeypatch.setattr(cli, "app", lambda **_options: __import__("no_such_module"))
    with pytest.raises(ModuleNotFoundError):
        mtf(ROOT, "train")


WITHOUT_EXTRAS = """
import importlib, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
for name in {modules!r}:
    importlib.import_module(f"mtf.{{name}}")
"""
CORE = (
    *(f"pipeline.{stage}" for stage in ("crawl", "crop", "screen", "curate", "split", "release", "installed_code")),
    *("cli", "project.audit", "project.new", "project.imported", "project.doctor", "sample.web", "recall.command"),
    *("takedown.execution", "subject.answer", "forget.command", "duties.registry", "review_app.terminal"),
)
"""Modules of the commands that the core alone runs."""


def test_the_commands_of_the_core_need_no_extra() -> None:
    missing = sorted({module for modules in EXTRAS.values() for module in modules})
    program = WITHOUT_EXTRAS.format(missing=missing, modules=CORE)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
