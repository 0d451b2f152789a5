"""Changes of code and of defaults in a finished project: which stages `dvc status` names, and which digests change."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import chdir, contextmanager
from functools import cache
from pathlib import Path

import pytest
import yaml
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

from mtf import config
from mtf.core import dvc_cli, import_closure, shards
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import code_deps, default_params
from projects import clone, environment, run_in

pytestmark = [pytest.mark.dvc, pytest.mark.lengthy(60)]

ROOT = Path(__file__).parents[2]
SOURCE = import_closure.source(import_closure.PACKAGE).parent
SHARDS = import_closure.source(shards.__name__)
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
TRAININGS = {"train", "multitask"}

Changed = dict[str, set[str]]
"""Stage of dvc.yaml → the paths under `src` that `dvc status` calls modified."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with stubs for all that people and stages make, committed to DVC: nothing is to be done."""
    folder = clone(tmp_path_factory.mktemp("code_deps") / "project")
    with Repo(str(folder)) as repository:
        for stage in repository.index.stages:
            for each in (*stage.deps, *stage.outs):
                if not isinstance(each, ParamsDependency):
                    make_stub(Path(each.fs_path))
    (folder / "dvc.lock").unlink()  # DVC would only read it, for seconds
    run_in(folder, "dvc", "commit", "--quiet", "--force")
    assert changed_stages(folder) == {}
    return folder


def make_stub(path: Path) -> None:
    if not path.exists():
        file = path if path.suffix and "/metrics/" not in f"{path}/" else path / "stub"
        file = path if path.suffix == ".json" else file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")


def changed_stages(project: Path) -> Changed:
    with chdir(project), Repo() as repository:
        status = repository.status()
    found: Changed = {}
    for name, changes in status.items():
        assert all(set(change) == {"changed deps"} for change in changes), (name, changes)
        paths = {path for change in changes for path in change["changed deps"]}
        found.setdefault(name.partition("@")[0], set()).update(paths)
    return found


@contextmanager
def changed(project: Path, edits: dict[str, Callable[[str], str]]) -> Generator[None]:
    """Files of the project (by path) as `edits` make them, and as they were afterwards."""
    before = {path: (project / path).read_text() for path in edits}
    try:
        for path, edit in edits.items():
            after = edit(before[path])
            assert after != before[path], path
            (project / path).write_text(after)
        yield
    finally:
        for path, text in before.items():
            (project / path).write_text(text)


# A second opinion on what runs: imports read from the syntax, without grimp.


@cache
def imported(module: Path) -> frozenset[Path]:
    """The modules that `module` imports, wherever in it, but for what only types need; and the packages around them."""
    return frozenset(_imported(module))


def _imported(module: Path) -> Iterator[Path]:
    yield from packages_around(module)
    todo: list[ast.AST] = [ast.parse(module.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == SOURCE.name:
            home = SOURCE.parent / node.module.replace(".", "/")
            for path in (home, *(home / alias.name for alias in node.names)):
                for file in (path.with_suffix(".py"), path / "__init__.py"):
                    if file.is_file():
                        yield file


def packages_around(module: Path) -> Iterator[Path]:
    folder = module.parent
    while folder.is_relative_to(SOURCE):
        yield folder / "__init__.py"
        folder = folder.parent


@cache
def run_by(stage: str) -> frozenset[Path]:
    found: set[Path] = set()
    todo = [import_closure.source(f"{code_deps.__package__}.{stage}")]
    while todo:
        path = todo.pop()
        if path not in found and not is_of_parameters(path):
            found.add(path)
            todo += imported(path)
    return frozenset(found)


@cache
def is_of_parameters(path: Path) -> bool:
    return path.is_relative_to(import_closure.source(import_closure.PARAMETERS).parent)


def one_of_each_package() -> list[Path]:
    """Of each package the module that most stages run, and every module that is in none."""
    folders: dict[Path, list[Path]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if not is_of_parameters(path) and path.name != "__init__.py":
            folders.setdefault(path.parent, []).append(path)
    alone = folders.pop(SOURCE, [])
    return [*alone, *(max(paths, key=lambda path: len(users(path))) for paths in folders.values())]


def users(path: Path) -> set[str]:
    return {stage for stage in STAGES if path in run_by(stage)}


def in_project(path: Path) -> str:
    return path.relative_to(SOURCE.parents[1]).as_posix()


def test_a_changed_module_of_any_package_reruns_the_stages_that_run_it_and_no_other(finished: Path) -> None:
    modules = one_of_each_package()
    assert {len(users(path)) for path in modules} >= {0, len(STAGES)}
    with changed(finished, {in_project(path): lambda text: f"{text}\nCHANGED = 1\n" for path in modules}):
        found = changed_stages(finished)
    for path in modules:
        assert {stage for stage, paths in found.items() if paths & dependencies_with(path)} == users(path), path
    assert set().union(*found.values()) <= set().union(*map(dependencies_with, modules))


def dependencies_with(path: Path) -> set[str]:
    """A module as dvc.yaml may name it: a package that is wholly in a closure is one dependency, a folder."""
    folders = [folder for folder in path.parents if folder.is_relative_to(SOURCE)]
    return {in_project(each) for each in (path, *folders)}


def reversed_bytes(code: str) -> str:
    return code.replace("return file.read()", "return file.read()[::-1]")


def test_shards_that_read_other_bytes_rerun_all_stages_that_read_shards(finished: Path) -> None:
    with changed(finished, {in_project(SHARDS): reversed_bytes}):
        found = changed_stages(finished)
    assert set(found) == users(SHARDS) >= {"crop", "screen", "evaluate", "release", "report", *TRAININGS}


def test_a_changed_template_or_table_of_the_package_reruns_the_stages_beside_it(finished: Path) -> None:
    terms = next(SOURCE.rglob("terms.csv"))
    with changed(finished, {in_project(terms): lambda text: text + "\n"}):
        found = changed_stages(finished)
    readers = users(terms.with_suffix(".py"))
    assert set(found) == readers
    assert 0 < len(readers) < len(STAGES)


# Each default: its class and name → its line, another value, and the stages that use it.
DEFAULTS: dict[str, tuple[str, str, set[str]]] = {
    "Recipe.momentum": ("momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9", "= 0.8", {*TRAININGS, "evaluate"}),
    "Recipe.stop_on": (
        'stop_on: Literal["train_loss", "val_loss"] = "val_loss"',
        '= "train_loss"',
        {*TRAININGS, "evaluate"},
    ),
    "Recipe.normalise": (
        'normalise: Literal["imagenet", "facenet", "none"] = "imagenet"',
        '= "none"',
        {*TRAININGS, "evaluate"},
    ),
    "Fairness.bootstraps": (
        "bootstraps: Annotated[int, Field(ge=100, le=100_000)] = 500",
        "= 501",
        {"multitask_results", "evaluate"},
    ),
}


def other_defaults(text: str) -> str:
    for line, other, _ in DEFAULTS.values():
        assert line in text
        text = text.replace(line, f"{line.rpartition('= ')[0]}{other}")
    return text


def test_a_changed_default_reruns_the_stages_that_use_it_and_no_other(finished: Path) -> None:
    """All at once: `dvc status` names the class of each default, and `dvc params diff` each of them, and no other."""
    file = in_project(import_closure.source(config.Recipe.__module__))
    with changed(finished, {file: other_defaults}), chdir(finished), Repo() as repository:
        status, difference = repository.status(), repository.params.diff("HEAD")["diff"]
    found: dict[str, set[str]] = {}
    for name, changes in status.items():
        for change in changes:
            assert set(change) == {"changed deps"} and set(change["changed deps"]) == {file}, (name, change)
            found.setdefault(name.partition("@")[0], set()).update(change["changed deps"][file])
    for default, (_, _, stages) in DEFAULTS.items():
        owner = default.partition(".")[0]
        assert {name for name, owners in found.items() if owner in owners} == stages, default
    assert set().union(*found.values()) == {default.partition(".")[0] for default in DEFAULTS}
    assert list(difference) == [file] and set(difference[file]) == set(DEFAULTS)


def test_comments_docstrings_and_formatting_change_no_digest_and_a_line_of_code_does() -> None:
    for path in SOURCE.rglob("*.py"):
        code = path.read_text()
        digest = import_closure.syntax_digest(code.encode())
        # Written anew from its syntax: without comments, with other quotes and line breaks.
        assert import_closure.syntax_digest(ast.unparse(ast.parse(code)).encode()) == digest, path
    digests = [
        import_closure.syntax_digest(code.encode())
        for code in (
            '"""A."""\nx = 1\n"""B."""\n',
            "x = 1",
            "def f():\n    'C'\n    return 1",
            "def f():\n    return 1",
        )
    ]
    assert digests[0] == digests[1] and digests[2] == digests[3] and digests[0] != digests[2]
    assert import_closure.syntax_digest(b"x = '1'") != import_closure.syntax_digest(b"x = 1")
    assert import_closure.syntax_digest(b"x = a + b") != import_closure.syntax_digest(b"x = a - b")


def stage_digests(project: Path) -> dict[str, str]:
    """Stage → the digest of its code, as its shards take it, in a process that runs the project's own code."""
    package = code_deps.__package__
    program = (
        f"from {import_closure.__name__} import code_digest\n"
        f"for name in {STAGES!r}: print(name, code_digest(f'{package}.' + name))"
    )
    printed = run_own(project, sys.executable, "-c", program)
    assert printed.returncode == 0, printed.stderr
    return dict(line.split() for line in printed.stdout.splitlines())


def run_own(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    own = environment() | {"PYTHONPATH": str(project / SOURCE.parent.relative_to(ROOT))}
    return subprocess.run(command, cwd=project, env=own, capture_output=True, text=True, check=False)


def test_shard_digests_change_with_the_code_of_their_closure_and_with_no_comment(finished: Path) -> None:
    before = stage_digests(finished)
    assert len(set(before.values())) == len(STAGES)
    everything = [in_project(path) for path in SOURCE.rglob("*.py")]
    with changed(finished, dict.fromkeys(everything, lambda text: f"# A comment.\n\n{text}\n\n# Another.\n")):
        assert stage_digests(finished) == before
    with changed(finished, {in_project(SHARDS): reversed_bytes}):
        after = stage_digests(finished)
    assert {stage for stage in STAGES if before[stage] != after[stage]} == users(SHARDS)
    defaults = in_project(import_closure.source(config.Recipe.__module__))
    with changed(finished, {defaults: lambda text: text.replace("= 0.9\n", "= 0.8\n")}):
        assert stage_digests(finished) == before


@pytest.mark.parametrize("stage", STAGES)
def test_grimp_and_the_syntax_agree_on_what_a_stage_runs(stage: str) -> None:
    closure = import_closure.closure(f"{code_deps.__package__}.{stage}")
    assert {import_closure.source(module) for module in closure} == run_by(stage)


def test_the_parameters_that_closures_leave_out_are_those_of_params_yaml() -> None:
    assert config.Params.__module__ == import_closure.PARAMETERS
    assert import_closure.closure(import_closure.PARAMETERS) > {import_closure.PARAMETERS}
    with pytest.raises(ModuleNotFoundError):
        import_closure.closure(f"{import_closure.PACKAGE}.no_such_module")


def test_mtf_deps_checks_names_what_differs_and_writes_it_and_nothing_else(finished: Path) -> None:
    pipeline = (finished / "dvc.yaml").read_text()
    check = (sys.executable, "-m", import_closure.PACKAGE, "deps", "--check")
    stage = in_project(import_closure.source(f"{code_deps.__package__}.split"))
    lacking = import_closure.source(dvc_cli.__name__)
    assert "split" not in users(lacking)
    useless = f"      - {in_project(SOURCE / 'cli')}\n"
    first = pipeline.index("      - src/")
    with changed(
        finished,
        {
            stage: lambda text: f"{text}\n\ndef late() -> None:\n    import {dvc_cli.__name__}\n",
            "dvc.yaml": lambda text: text[:first] + useless + text[first:],
        },
    ):
        done = run_own(finished, *check)
        assert done.returncode == 1
        assert done.stdout.splitlines() == [
            f"dvc.yaml: stage crawl does not need {in_project(SOURCE / 'cli')}",
            f"dvc.yaml: stage split lacks {in_project(lacking)}",
        ]
        assert done.stderr == (
            "mtf: dvc.yaml: 2 stages do not depend on the code that they run; run `mtf deps --write`\n"
        )
        assert run_own(finished, *check[:-1], "--write").returncode == 0
        assert run_own(finished, *check).returncode == 0
        written = (finished / "dvc.yaml").read_text()
    assert sorted(written.splitlines()) == sorted([*pipeline.splitlines(), f"      - {in_project(lacking)}"])
    assert run_own(finished, *check, "--write").returncode == 2


def test_defaults_are_read_from_the_classes_behind_the_keys() -> None:
    learning = config.Recipe.__module__
    read = default_params.read_by(["seed", "train.input_px", "train.recipes.${train.recipe}", "multitask.tasks"])
    assert read.defaults == {learning: ("Recipe", "Train.input_px")} and not read.modules
    # A task computes its labels, and `brightness` is a tuple: their files are watched.
    assert default_params.read_by(["tasks"]).modules == {config.Task.__module__}
    assert default_params.read_by(["curate"]).modules == {config.Screened.__module__}
    with pytest.raises(default_params.UnknownParameter, match="'crop_px' is no parameter"):
        default_params.read_by(["crop.crop_px"])


def test_a_project_whose_code_lies_elsewhere_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="this code lies outside the project"):
        code_deps.differences(ProjectPaths(tmp_path))
    assert code_deps.differences(ProjectPaths(ROOT)) == []
