"""The documentation names only what exists: links, files and modules of the code, commands and their options."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from mtf.cli import app
from mtf.config import Crawl, HostManners, Licenses
from mtf.evaluation.alterations import ALTERATIONS
from mtf.faces.detectors import DETECTORS
from mtf.faces.embeddings import EMBEDDINGS
from mtf.project import compliance_record
from mtf.rights.audit.findings import Code
from mtf.rights.signals.preferences import Signal
from mtf.schemas import funnel_steps
from mtf.sources import registry
from projects import ROOT

PAGES = sorted(
    path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"] if path.is_file()
)
# Groups of entry points are named like modules.
ENTRY_POINTS = {ALTERATIONS.group, DETECTORS.group, EMBEDDINGS.group, registry.GROUP, funnel_steps.ENTRY_POINTS}
# Files that CONTRIBUTING.md tells its reader to write.
EXAMPLES = {"src/mtf/sources/archive.py", "src/mtf/faces/detectors/alt_tree.py"}
GUIDE = "CONTRIBUTING"
# Options of `dvc-forget`, torchrun and git, which stand without their program.
OF_OTHER_PROGRAMS = {"--digest", "--member", "--root", "--receipts", "--node-rank", "--filter"}

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*?)\s*$", re.MULTILINE)
LINK = re.compile(r"\]\(<?([^)>\s]+)>?\)")
# `src/mtf/rights/signals/*` is a pattern, `tests/sources` a folder.
PATH = re.compile(r"(?<![\w./…-])((?:src/mtf|tests|docs|benchmarks)/[\w./*-]*[\w*])")
# A file of the package by the end of its path, such as `pipeline/incremental.py`.
FILE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.py)`")
NAME = re.compile(r"(?<![\w./-])(mtf(?:\.[A-Za-z_]\w*)+)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# A piece of code that begins with an option: it is one of the commands that the page is about.
BARE_OPTION = re.compile(r"(?<!`)`(--[^`\n]+)`(?!`)")
COMMAND = re.compile(r"(?:^|`|&&)[ $]*(mtf [a-z][^`\n|#&]*)", re.MULTILINE)


def found_in_pages(pattern: re.Pattern[str]) -> list[Any]:
    """Parameters (page, text) for each different text that `pattern` finds in a page."""
    found = {(page, text) for page in PAGES for text in pattern.findall(page.read_text(encoding="utf-8"))}
    return [pytest.param(page, text, id=f"{page.name}-{text}") for page, text in sorted(found)]


@cache
def anchors(page: Path) -> set[str]:
    """Anchors that GitHub gives to the headings of a page."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def tracked() -> frozenset[str]:
    """Files that git tracks: what a fresh clone has."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return frozenset(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())


def exists(name: str) -> bool:
    """True if a dotted name is a module, or an attribute of one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@cache
def command_line() -> Any:
    return get_command(app)


@pytest.mark.parametrize(("page", "target"), found_in_pages(LINK))
def test_each_relative_link_leads_to_a_file_and_a_heading(page: Path, target: str) -> None:
    if re.match(r"[a-z]+:", target):
        return
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    assert file.exists(), f"{page.name} links to {target}"
    assert not anchor or anchor in anchors(file), f"{page.name} links to {target}; headings: {sorted(anchors(file))}"


@pytest.mark.parametrize(("page", "path"), found_in_pages(PATH))
def test_each_path_of_the_repository_exists(page: Path, path: str) -> None:
    assert path in EXAMPLES or any(ROOT.glob(path)), f"{page.name} names {path}"


@pytest.mark.parametrize(("page", "file"), found_in_pages(FILE))
def test_each_python_file_exists(page: Path, file: str) -> None:
    assert file in EXAMPLES or any(f"/{path}".endswith(f"/{file}") for path in tracked()), f"{page.name} names {file}"


@pytest.mark.parametrize(("page", "name"), found_in_pages(NAME))
def test_each_name_of_the_package_exists(page: Path, name: str) -> None:
    assert name in ENTRY_POINTS or exists(name), f"{page.name} names {name}"


@pytest.mark.parametrize(("page", "line"), found_in_pages(COMMAND))
def test_each_command_has_the_options_that_are_shown(page: Path, line: str) -> None:
    command = command_line()
    words = line.split()[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = options(command) | {"--help"}
    asked = set(OPTION.findall(line))
    is_group = bool(getattr(command, "commands", {}))
    is_known = not is_group or not words or not re.fullmatch(r"[a-z][a-z-]*", words[0])
    assert is_known, f"{page.name}: `{line}`; commands: {', '.join(sorted(command.commands))}"
    assert asked <= known, f"{page.name}: `{line}`; options: {', '.join(sorted(known))}"


def options(command: Any) -> set[str]:
    """Long options of a command, also those that its help leaves out."""
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {name for name in names if name.startswith("--")}


def all_commands() -> dict[str, Any]:
    """Path of a command, such as `mtf crawl`, → command; groups are left out."""
    found, waiting = {}, {"mtf": command_line()}
    while waiting:
        path, command = waiting.popitem()
        below = {f"{path} {name}": each for name, each in getattr(command, "commands", {}).items()}
        waiting |= below
        found |= {} if below else {path: command}
    return found


def table_rows() -> list[Any]:
    """Parameters (page, command, options) for each row of the tables whose columns are `command` and `option`."""
    found = []
    for page in PAGES:
        command, is_inside = "", False
        for line in page.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.split("|")[1:3]]
            is_inside = len(cells) == 2 and (is_inside or cells == ["command", "option"])
            named = OPTION.findall(cells[1]) if is_inside else []
            command = cells[0].strip("`") or command if is_inside else ""
            if named and command.startswith("mtf "):
                found.append(pytest.param(page, command, named, id=f"{page.name}-{command}-{named[0]}"))
    return found


@pytest.mark.parametrize(("page", "command", "named"), table_rows())
def test_a_row_of_a_table_names_options_of_its_command(page: Path, command: str, named: list[str]) -> None:
    known = {path: options(each) for path, each in all_commands().items() if f"{path} ".startswith(f"{command} ")}
    assert known, f"{page.name}: there is no command {command}"
    assert set(named) <= set().union(*known.values()), f"{page.name}: {command}"


@pytest.mark.parametrize(("page", "code"), found_in_pages(BARE_OPTION))
def test_an_option_without_its_command_is_one_of_some_command(page: Path, code: str) -> None:
    if page.parent.name == "benchmarks":
        return  # options of its scripts
    known = set().union(*map(options, [command_line(), *all_commands().values()])) | OF_OTHER_PROGRAMS | {"--help"}
    assert set(OPTION.findall(code)) <= known, f"{page.name}: `{code}`"


@pytest.mark.parametrize("path", sorted(path for path, command in all_commands().items() if not command.hidden))
def test_a_page_that_names_a_command_explains_each_of_its_options(path: str) -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES if page.parent.name == "docs" or page.stem == GUIDE]
    naming = [text for text in texts if re.search(rf"(?<![\w-]){path}(?![\w-])", text)]
    named = {option for text in naming for option in OPTION.findall(text)}
    shown = [each for each in all_commands()[path].params if not getattr(each, "hidden", False)]
    # Of `--exif/--no-exif`, one is enough.
    either = [{name for name in (*each.opts, *each.secondary_opts) if name.startswith("--")} for each in shown]
    assert [names for names in either if names and not names & named] == []


def commands(*path: str) -> dict[str, Any]:
    """Name → command, of the group at `path`; of a command that is no group, itself."""
    command = command_line()
    for name in path:
        command = command.commands[name]
    return getattr(command, "commands", {path[-1]: command})


@pytest.mark.parametrize(
    ("page", "group"),
    [
        ("review.md", "review"),
        ("audit.md", "audit"),
        ("takedowns.md", "takedown"),
        ("sources.md", "crawl"),
        ("recall.md", "recall"),
    ],
)
def test_a_page_explains_every_option_of_its_commands(page: str, group: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    asked = set().union(*map(options, commands(group).values()))
    assert {option for option in asked if f"`{option}" not in text} == set()


def test_the_page_of_the_sources_explains_every_parameter() -> None:
    text = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    of_sources = {name for source in registry.classes() for name in source.model_fields}
    names = (of_sources | set(Crawl.model_fields)) - {"kind", "sources"}
    assert {name for name in names if f"`{name}`" not in text} == set()
    assert {name for name in registry.names() if f"`{name}`" not in text} == set()


def test_the_page_of_the_audit_explains_the_policy_and_every_code() -> None:
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert {name for name in (*Licenses.model_fields, *map(str, Code)) if f"| `{name}`" not in text} == set()


def test_the_page_of_the_rights_explains_every_signal_every_column_of_the_record_and_every_limit_of_a_host() -> None:
    text = (ROOT / "docs" / "rights.md").read_text(encoding="utf-8")
    assert {name for name in (*map(str, Signal), *HostManners.model_fields) if f"| `{name}`" not in text} == set()
    assert {name for name in compliance_record.COLUMNS if f"`{name}`" not in text} == set()
    assert {name for name in Crawl.model_fields["hosts"].default if f"| `{name}`" not in text} == set()


def test_the_page_of_the_review_shows_the_questions_and_keys_of_the_registry() -> None:
    text = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")
    rows = {
        step.name: ", ".join(f"`{step.keys[reason]}` {reason.replace('_', ' ')}" for reason in step.reasons)
        for step in funnel_steps.registered()
        if step.is_reviewed
    }
    lines = [f"| `{name}` | {funnel_steps.named(name).question} | {reasons} |" for name, reasons in rows.items()]
    assert [line for line in lines if line not in text] == []
    assert {key for key in funnel_steps.VERDICT_KEYS if f"| `{key}` |" not in text} == set()


def test_the_benchmarks_say_how_each_script_is_run() -> None:
    page = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    commands = FENCE.search(page.partition("## How to run them")[2])
    assert commands is not None
    scripts = [path.name for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text("utf-8")]
    assert [name for name in sorted(scripts) if f"python benchmarks/{name}" not in commands[0]] == []


def test_the_plan_for_large_data_sets_is_the_one_that_its_measured_costs_give() -> None:
    command = [sys.executable, ROOT / "benchmarks/scale.py"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    page = (ROOT / "docs/scale.md").read_text(encoding="utf-8").splitlines()
    costs, plan = printed[: printed.index("")], printed[printed.index("") + 1 :]
    assert [line for line in plan if line.startswith("|") and line not in page] == []
    # The page adds a word to some names and bytes.
    rows = {tuple(line.split("|")[2:5]) for line in page if line.count("|") == 6}
    assert len(costs) > 10
    assert [line for line in costs[2:] if tuple(line.split("|")[2:5]) not in rows] == []
