"""Stage `installed_code` of a project of one's own: the installed version of mtf, and a digest for each stage.

DVC cannot see that another version of a package was installed. This stage runs each time and writes what is installed;
the other stages depend on their own digests in that file, as on parameters.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version

from dvc.utils.serialize import parse_py

from mtf.core import atomic_files, import_closure
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import code_deps, default_params
from mtf.project.own_pipeline import RECORD, STAGE

DIGITS = 16


def run(workspace: ProjectPaths) -> None:
    """Write the record: `package`, `version`, and `stages`, stage of dvc.yaml → digest."""
    keys = {name: params for name, params in code_deps.keys_of_stages(workspace).items() if name != STAGE}
    record = {
        "package": import_closure.PACKAGE,
        "version": version(import_closure.PACKAGE),
        "stages": {name: digest(name, params) for name, params in keys.items()},
    }
    atomic_files.write_json(workspace.root / RECORD, record)


def digest(stage: str, keys: list[str]) -> str:
    """Digest of the code that a stage runs, and of the defaults behind `keys` of params.yaml.

    The first DIGITS digits of sha256 in hex, so that `dvc params diff` fits a terminal.
    """
    read = default_params.read_by(keys)
    code = import_closure.digest_of(import_closure.closure(f"{__package__}.{stage}") | read.modules)
    defaults = {module: _literals(module, names) for module, names in sorted(read.defaults.items())}
    return hashlib.sha256(json.dumps([code, defaults], sort_keys=True).encode()).hexdigest()[:DIGITS]


def _literals(module: str, names: tuple[str, ...]) -> dict[str, object]:
    """Literals that DVC reads from a module, by `Class` or `Class.field`."""
    written = parse_py(import_closure.source(module).read_text(encoding="utf-8"), module)
    found: dict[str, object] = {}
    for name in names:
        section, _, field = name.partition(".")
        found[name] = written[section][field] if field else written[section]
    return found
