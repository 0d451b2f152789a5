"""params.yaml of a new project: a template for what is the project's own, and the sample's other sections."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from mtf.config import OF_TORCHVISION, PRETRAINED
from mtf.project import templates
from mtf.project.yaml_text import rewritten

PAPER_SIZE_PX = 1024
PAPER_PARAMS: Mapping[tuple[str, str], Any] = {
    ("crop", "detector"): "haar",
    ("train", "models"): [*OF_TORCHVISION, *(f"{name}{PRETRAINED}" for name in OF_TORCHVISION)],
    ("train", "input_px"): 224,
    ("train", "recipe"): "mtf",
    ("release", "enlarge"): True,
}
"""Choices of MTF (sections 3.2, 5.1 and 5.2) that differ from those of the sample."""
BING = {"kind": "bing", "licenses": ["commercial,modify", "publicdomain"]}


@dataclass(frozen=True)
class OwnParams:
    """Parameters that a new project has of its own.

    name, title, contact: of the section `project`.
    tasks: name → task as params.yaml has it.
    source: source of the crawl as params.yaml has it.
    changes: (section, key) → value, in place of the sample's.
    """

    name: str
    title: str
    contact: str
    tasks: Mapping[str, Mapping[str, Any]]
    source: Mapping[str, Any]
    changes: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    def text(self) -> str:
        """Text of params.yaml."""
        template = string.Template((files("mtf.project") / "params.template.yaml").read_text(encoding="utf-8"))
        head = template.substitute(
            name=self.name,
            title=_flow(self.title),
            contact=_flow(self.contact),
            tasks="\n".join(f"  {name}: {_flow(task)}" for name, task in self.tasks.items()),
            source=_flow(self.source),
        )
        return head + self._sections_from_licenses()

    def _sections_from_licenses(self) -> str:
        """Sections of the sample's parameters from `licenses` on, with the changes, the paper's picture size and tasks.

        The gates are left out: the sample's describe a known data set, the template's an unknown one.
        """
        sample = templates.text(templates.PARAMS)
        rest = sample[sample.index("\nlicenses:") + 1 :]
        tasks = list(self.tasks)
        attributes = [name for name in tasks if self.tasks[name]["column"] != "identity"]
        # A comment explains the sample's size, and is removed with it.
        own = {
            ("release", "size_px"): PAPER_SIZE_PX,
            ("train", "tasks"): tasks,
            ("multitask", "tasks"): attributes or tasks,
        }
        return rewritten(rest, {**own, **self.changes}, without=["gates"])


def _flow(value: Any) -> str:
    """Value as YAML on one line, which JSON is."""
    return json.dumps(value, ensure_ascii=False)
