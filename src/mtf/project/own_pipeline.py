"""dvc.yaml of a project of one's own, made from the repository's.

In the repository each stage depends on the files of `src/mtf` that it runs. A project of one's own has no such files:
its first stage records the installed package, and each other stage depends on its own digest in that record.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from mtf.config import Params
from mtf.core.project_paths import PATHS_IN_PROJECT
from mtf.project import artifacts, yaml_text

STAGE = "installed_code"
RECORD = f"{PATHS_IN_PROJECT.stage(STAGE)}.json"
RUN = "mtf deps --installed"
_CODE = "src/mtf"
_WEB = PATHS_IN_PROJECT.web.as_posix()
_HEAD = f"""\
# The journey. Each stage is one command of `mtf`; `dvc repro` runs those whose inputs changed.
# `persist: true` keeps what a stage made before: it redoes only the identities whose digest changed.
# `{STAGE}` runs each time. It records the installed version of mtf, with a digest of the code and the defaults of each
# stage, so that another version of mtf redoes the stages whose code differs, and no others. DVC asks no program what is
# installed, so `dvc status` always names this stage as "always changed". If it names no other, all is up to date.
"""


def derived(text: str, settings: Params, *, inputs: Sequence[str]) -> str:
    """dvc.yaml of a project of one's own, from the repository's `text`.

    settings: the project's parameters, whose models become artifacts.
    inputs: files and folders that the crawl reads beside the roster: recorded web, pictures.
    """
    yaml = yaml_text.round_trip()
    pipeline = yaml.load(text)
    stages = pipeline["stages"]
    for name, stage in stages.items():
        _depend_on_record(name, stage, inputs)
    stages.insert(0, STAGE, _record_stage())
    artifacts.complete(pipeline, settings)
    written = dropwhile(lambda line: line.startswith("#"), yaml_text.dumped(yaml, pipeline).splitlines(keepends=True))
    return _HEAD + "".join(written)


def _depend_on_record(name: str, stage: CommentedMap, inputs: Sequence[str]) -> None:
    deps = stage["deps"]
    replaced = [index for index, dep in enumerate(deps) if dep == _WEB]
    yaml_text.replace_items(deps, replaced, inputs if replaced else ())
    yaml_text.replace_items(deps, [index for index, dep in enumerate(deps) if _is_code(dep)], ())
    params = stage["params"]
    defaults = [index for index, entry in enumerate(params) if isinstance(entry, dict) and all(map(_is_code, entry))]
    yaml_text.replace_items(params, defaults, [CommentedMap({RECORD: _flow(f"stages.{name}")})])


def _record_stage() -> CommentedMap:
    return CommentedMap(
        {
            "desc": "Record the installed version of mtf, and a digest of the code and the defaults of each stage",
            "cmd": RUN,
            "always_changed": True,
            "outs": CommentedSeq([RECORD]),
        }
    )


def _flow(*items: Any) -> CommentedSeq:
    sequence = CommentedSeq(items)
    sequence.fa.set_flow_style()
    return sequence


def _is_code(path: str) -> bool:
    return path == _CODE or path.startswith(f"{_CODE}/")
