"""Dependencies of dvc.yaml's stages on code and on defaults, derived from imports and from params.yaml's types.

- `deps:` of a stage gets the import closure of its module: a package's folder where all of it is in the closure,
  else single files. Data files beside the code (tables, templates) belong to it.
- A file of `data/` that a project may lack is a dependency, once it exists, of each stage whose code reads it. (DVC
  stops at a missing one.)
- `params:` gets the defaults of the parameters that the stage lists there of params.yaml (`default_params`).
- In a project of one's own there is no code: its stages depend on the installed package (`installed_code`), and only
  the files that it may lack are written.

DVC compares files by their bytes: a changed comment reruns a stage, and the shards that it finds are still good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from mtf.core import atomic_files, import_closure
from mtf.core.errors import BadInput
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.pipeline import default_params
from mtf.project import own_pipeline, yaml_text

PIPELINE = "dvc.yaml"
WRITE = "mtf deps --write"
OPTIONAL_FILES = {PATHS_IN_PROJECT.consent.as_posix(): "mtf.rights.consent"}
"""File that a project may lack → module that reads it."""


@dataclass(frozen=True)
class CodeDeps:
    """Code dependencies of a stage.

    - `paths`: files and folders for `deps:`;
    - `defaults`: source file → keys for `params:`.
    """

    paths: tuple[str, ...]
    defaults: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def entries(self) -> list[str]:
        """Dependencies as text: `PATH`, or `PATH:KEY` for a default."""
        return [*self.paths, *(f"{path}:{key}" for path, keys in self.defaults.items() for key in keys)]


@dataclass(frozen=True)
class Difference:
    """Differences between a stage's dependencies in dvc.yaml and those that its imports give.

    - `stage`: its name;
    - `missing`: entries that dvc.yaml lacks;
    - `superfluous`: entries that the stage does not need.
    """

    stage: str
    missing: tuple[str, ...]
    superfluous: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Messages, one per entry."""
        yield from (f"{PIPELINE}: stage {self.stage} lacks {entry}" for entry in self.missing)
        yield from (f"{PIPELINE}: stage {self.stage} does not need {entry}" for entry in self.superfluous)


def of_stages(workspace: ProjectPaths) -> dict[str, CodeDeps]:
    """Stage of dvc.yaml → its code dependencies, derived from imports and parameters.

    Raises BadInput for a stage without a module, and for parameters that params.yaml cannot have.
    """
    code, stages = _code_folder(workspace), _stages(_read(workspace))
    optional = {path: reader for path, reader in OPTIONAL_FILES.items() if _is_wanted(path, workspace, stages)}
    return {name: _derived(name, stage, code, optional) for name, stage in stages.items()}


def keys_of_stages(workspace: ProjectPaths) -> dict[str, list[str]]:
    """Stage of dvc.yaml → the keys of params.yaml that it lists."""
    return {name: _keys(stage) for name, stage in _stages(_read(workspace)).items()}


def _keys(stage: CommentedMap) -> list[str]:
    return [key for key in stage.get("params", []) if isinstance(key, str)]


def _is_wanted(path: str, workspace: ProjectPaths, stages: CommentedMap) -> bool:
    """True if an optional file exists. Before `dvc pull`, dvc.yaml is believed."""
    if workspace.data.is_dir():
        return (workspace.root / path).is_file()
    return any(path in stage.get("deps", ()) for stage in stages.values())


def differences(workspace: ProjectPaths) -> list[Difference]:
    """Differences of all stages of dvc.yaml that have any."""
    code, stages = _code_folder(workspace), _stages(_read(workspace))
    found = []
    for name, wanted in of_stages(workspace).items():
        has, needs = _written(stages[name], code).entries(), wanted.entries()
        missing = tuple(entry for entry in needs if entry not in has)
        superfluous = tuple(entry for entry in has if entry not in needs)
        if missing or superfluous:
            found.append(Difference(name, missing, superfluous))
    return found


def write(workspace: ProjectPaths) -> list[Difference]:
    """Write the code dependencies to dvc.yaml, and keep everything else in it. Returns the differences before."""
    changed = differences(workspace)
    if changed:
        pipeline, wanted, code = _read(workspace), of_stages(workspace), _code_folder(workspace)
        for difference in changed:
            _replace(_stages(pipeline)[difference.stage], wanted[difference.stage], code)
        atomic_files.write_text(workspace.root / PIPELINE, yaml_text.dumped(yaml_text.round_trip(), pipeline))
    return changed


def _derived(name: str, stage: CommentedMap, code: str | None, optional: Mapping[str, str]) -> CodeDeps:
    root = f"{__package__}.{name}"
    try:
        modules = import_closure.closure(root)
    except ModuleNotFoundError:
        raise BadInput(f"{PIPELINE}: stage {name}: no module {root}; a stage bears its module's name") from None
    try:
        read = default_params.read_by(_keys(stage))
    except default_params.UnknownParameter as error:
        raise BadInput(f"{PIPELINE}: stage {name}: params: {error}") from None
    files = [path for path, reader in optional.items() if reader in modules]
    if code is None:
        return CodeDeps(tuple(files))
    defaults = {_relative(import_closure.source(module), code): keys for module, keys in sorted(read.defaults.items())}
    return CodeDeps((*files, *_paths(modules | read.modules, code)), defaults)


def _paths(modules: frozenset[str], code: str) -> list[str]:
    whole: list[str] = []
    for package in sorted({module.rpartition(".")[0] for module in modules} - {""}, key=len):
        is_inside = any(package.startswith(f"{outer}.") for outer in whole)
        if not is_inside and import_closure.modules_below(package) <= modules:
            whole.append(package)
    folders = [import_closure.source(package).parent for package in whole]
    files = [*map(import_closure.source, modules), *map(_data_entry, import_closure.data_files(modules))]
    single = {file for file in files if not any(file.is_relative_to(folder) for folder in folders)}
    return sorted(_relative(path, code) for path in {*folders, *single})


def _data_entry(file: Path) -> Path:
    """A data file, or the topmost folder of data (templates) that it lies in."""
    entry = file
    while not (entry.parent / "__init__.py").exists():
        entry = entry.parent
    return entry


def _written(stage: CommentedMap, code: str | None) -> CodeDeps:
    paths = tuple(dep for dep in stage.get("deps", []) if _is_code(dep, code))
    defaults: dict[str, tuple[str, ...]] = {}
    for entry in stage.get("params", []):
        if isinstance(entry, dict):
            defaults |= {path: tuple(keys or ()) for path, keys in entry.items() if _is_code(path, code)}
    return CodeDeps(paths, defaults)


def _replace(stage: CommentedMap, wanted: CodeDeps, code: str | None) -> None:
    deps = stage.setdefault("deps", CommentedSeq())
    yaml_text.replace_items(deps, [index for index, dep in enumerate(deps) if _is_code(dep, code)], wanted.paths)
    deps.fa.set_block_style()
    params = stage.setdefault("params", CommentedSeq())
    old = [
        index
        for index, entry in enumerate(params)
        if isinstance(entry, dict) and all(_is_code(path, code) for path in entry)
    ]
    yaml_text.replace_items(params, old, [_mapping(path, keys) for path, keys in wanted.defaults.items()])
    if wanted.defaults:
        params.fa.set_block_style()


def _mapping(path: str, keys: Iterable[str]) -> CommentedMap:
    names = CommentedSeq(keys)
    names.fa.set_flow_style()
    return CommentedMap({path: names})


def _is_code(path: str, code: str | None) -> bool:
    """True for a path that this module writes: code, and the files that a project may lack."""
    return path in OPTIONAL_FILES or (code is not None and (path == code or path.startswith(f"{code}/")))


def _read(workspace: ProjectPaths) -> CommentedMap:
    try:
        pipeline = yaml_text.round_trip().load((workspace.root / PIPELINE).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{PIPELINE}: {error.strerror}") from None
    if not isinstance(pipeline, CommentedMap) or not isinstance(pipeline.get("stages"), CommentedMap):
        raise BadInput(f"{PIPELINE}: it has no stages")
    return pipeline


def _stages(pipeline: CommentedMap) -> CommentedMap:
    return pipeline["stages"]


def _code_folder(workspace: ProjectPaths) -> str | None:
    """Folder of the package as dvc.yaml names it; None where the stages depend on the installed package instead.

    Raises BadInput where the code lies outside a clone of the repository.
    """
    if (workspace.root / PIPELINE).is_file() and own_pipeline.STAGE in _stages(_read(workspace)):
        return None
    folder = import_closure.source(import_closure.PACKAGE).parent
    if not folder.is_relative_to(workspace.root):
        raise BadInput(f"{folder}: this code lies outside the project; install the project's own (`make setup`)")
    return folder.relative_to(workspace.root).as_posix()


def _relative(path: Path, code: str) -> str:
    top = import_closure.source(import_closure.PACKAGE).parent
    return (Path(code) / path.relative_to(top)).as_posix()
