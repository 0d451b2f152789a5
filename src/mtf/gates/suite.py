"""Suites of expectations, run by Great Expectations with a file context and a suite per table; offline Data Docs.

Great Expectations' pages load a dozen scripts and styles from five hosts, and their index is empty without them. Here
these are removed, and an index is written that needs no script.
"""

from __future__ import annotations

import html
import json
import logging
import os
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
from bs4 import BeautifulSoup, Tag
from jinja2 import Template

from mtf.core import atomic_files, html_templates
from mtf.gates.expectations import Expectation, NotChecked, Severity, Statistic

DOCS = "docs"
INDEX = "index.html"
_SITE = "local_site"
# Where the stage builds its Data Docs, and where the written context builds them for whoever runs it again.
_OWN_DOCS, _USERS_DOCS = f"../{DOCS}/", "uncommitted/data_docs/local_site/"
_PLUGIN = "tables_beside_context.py"
# Elements that load something from a host, or need what was loaded.
_REMOTE = (
    "script, style, link, img, footer, button, [hidden], .card:has(.btn-group), "
    "p:has(> a[data-toggle=collapse]), title:empty"
)
_NOTHING_FROM_ELSEWHERE = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class ExpectationResult:
    """Result of one expectation.

    - `name`: name of the gate, with its part;
    - `table`: its table of figures;
    - `says`: description for people;
    - `severity`: severity of a failure;
    - `holds`: True if it is met;
    - `observed`: values out of bounds, empty if there are none;
    - `wanted`: the bounds, in words.
    """

    name: str
    table: str
    says: str
    severity: Severity
    holds: bool
    observed: str
    wanted: str


def run(
    expectations: Sequence[Expectation], figures: Mapping[str, pl.DataFrame], folder: Path
) -> list[ExpectationResult]:
    """Check `figures`. Replaces `folder`: the tables as Parquet, the context (`gx/`), and Data Docs (`docs/`)."""
    shutil.rmtree(folder, ignore_errors=True)
    tables = folder / "tables"
    tables.mkdir(parents=True)
    used = list(dict.fromkeys(expectation.table for expectation in expectations))
    for name in used:
        figures[name].write_parquet(tables / f"{name}.parquet")
    verdicts = _checked(expectations, used, folder) if used else {}
    return [_result(expectation, figures[expectation.table], verdicts) for expectation in expectations]


def _checked(expectations: Sequence[Expectation], used: list[str], folder: Path) -> dict[str, bool]:
    """Name of the expectation → True if it holds."""
    # Great Expectations sends usage statistics unless this is set, and shows progress bars for every figure.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    os.environ["TQDM_DISABLE"] = "1"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx

        context = _context(gx, folder)
        source = context.data_sources.add_pandas_filesystem("figures", base_directory=folder / "tables")
        definitions = [_definition(gx, context, source, name, expectations) for name in used]
        checkpoint = gx.Checkpoint(name="gates", validation_definitions=definitions, result_format="SUMMARY")
        checkpoint = context.checkpoints.add(checkpoint)
        outcome = checkpoint.run()
        # Built once at the end: a checkpoint's action would build all pages again for every table.
        context.build_data_docs()
        checkpoint.actions = [gx.checkpoint.UpdateDataDocsAction(name="data_docs", site_names=[_SITE])]
        checkpoint.save()
    _remove_local_path(folder)
    _make_portable(folder / "gx")
    results = (result for each in outcome.run_results.values() for result in each.results)
    return {result.expectation_config.meta["gate"]: bool(result.success) for result in results}


def _remove_local_path(folder: Path) -> None:
    """Replace the path of `folder` by `..` in all its text files, which are versioned and published."""
    place = _path_pattern(folder)
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".yml", ".html"):
            text = path.read_text(encoding="utf-8")
            if (without := place.sub("..", text)) != text:
                path.write_text(without, encoding="utf-8")


def _make_portable(folder: Path) -> None:
    """Let the context in `folder` run from any folder, with its own Data Docs in place of the offline ones."""
    plugin = resources.files("mtf.gates").joinpath(_PLUGIN)
    atomic_files.write_text(folder / "plugins" / _PLUGIN, plugin.read_text(encoding="utf-8"))
    path = folder / "great_expectations.yml"
    text = path.read_text(encoding="utf-8")
    store = "class_name: ValidationResultsStore\n"
    text = text.replace(store, f"{store}    module_name: {_PLUGIN.removesuffix('.py')}\n")
    atomic_files.write_text(path, text.replace(f"base_directory: {_OWN_DOCS}", f"base_directory: {_USERS_DOCS}"))


def _path_pattern(folder: Path) -> re.Pattern[str]:
    """Pattern of the folder's path as JSON, HTML and URLs escape it; YAML may break lines at its spaces."""
    plain = str(folder)
    escaped = {plain, json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1]}
    spellings = {quote(plain), *escaped, *map(html.escape, escaped)}
    longest_first = sorted(spellings, key=len, reverse=True)
    return re.compile("|".join(r"\s+".join(map(re.escape, each.split(" "))) for each in longest_first))


def _context(gx: Any, folder: Path) -> Any:
    context = gx.get_context(mode="file", project_root_dir=folder)
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False}
    context.update_data_docs_site(
        _SITE,
        {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": _OWN_DOCS},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    return context


def _definition(gx: Any, context: Any, source: Any, table: str, expectations: Sequence[Expectation]) -> Any:
    asset = source.add_parquet_asset(table)
    batch = asset.add_batch_definition_path("now", path=f"{table}.parquet")
    suite = context.suites.add(gx.ExpectationSuite(name=table))
    for expectation in expectations:
        if expectation.table == table:
            suite.add_expectation(_expectation(gx.expectations, expectation))
    return context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))


def _expectation(kinds: Any, expectation: Expectation) -> Any:
    kind = {
        Statistic.EVERY: kinds.ExpectColumnValuesToBeBetween,
        Statistic.LEAST: kinds.ExpectColumnMinToBeBetween,
        Statistic.MEDIAN: kinds.ExpectColumnMedianToBeBetween,
        Statistic.MOST: kinds.ExpectColumnMaxToBeBetween,
    }[expectation.of]
    return kind(
        column=expectation.column,
        min_value=expectation.least,
        max_value=expectation.most,
        severity=str(expectation.severity),
        notes=expectation.says,
        meta={"gate": expectation.full_name},
    )


def _result(expectation: Expectation, figures: pl.DataFrame, verdicts: Mapping[str, bool]) -> ExpectationResult:
    holds = verdicts[expectation.full_name]
    return ExpectationResult(
        name=expectation.full_name,
        table=expectation.table,
        says=expectation.says,
        severity=expectation.severity,
        holds=holds,
        observed="" if holds else expectation.offenders(figures),
        wanted=expectation.wanted,
    )


def finish(folder: Path, results: Sequence[ExpectationResult], not_checked: Sequence[NotChecked]) -> None:
    """Remove everything from the site in `folder` that needs a network, and write its index."""
    for page in sorted(folder.rglob("*.html")):
        atomic_files.write_text(page, _offline(page.read_text(encoding="utf-8")))
    shutil.rmtree(folder / "static", ignore_errors=True)
    index = _template().render(results=results, not_checked=not_checked, pages=_pages(folder))
    atomic_files.write_text(folder / INDEX, _offline(index))


def _offline(text: str) -> str:
    soup = BeautifulSoup(text, "html.parser")
    for element in soup.select(_REMOTE):
        element.decompose()
    for element in soup.find_all(True):
        _remove_remote_attributes(element)
    if soup.head is not None:
        csp = {"http-equiv": "Content-Security-Policy", "content": _NOTHING_FROM_ELSEWHERE}
        soup.head.append(soup.new_tag("meta", attrs=csp))
        soup.head.append(soup.new_tag("link", attrs={"rel": "icon", "href": "data:,"}))
        style = soup.new_tag("style")
        style.string = resources.files("mtf.gates").joinpath("templates/docs.css").read_text(encoding="utf-8")
        soup.head.append(style)
    return str(soup)


def _remove_remote_attributes(element: Tag) -> None:
    """Remove event handlers, inline styles, and links to other sites."""
    for name in [name for name in element.attrs if name.startswith(("on", "data-", "style"))]:
        del element[name]
    if str(element.get("href", "")).startswith(("http:", "https:", "//")):
        element.unwrap()


def _pages(folder: Path) -> dict[str, str]:
    """Table → path of its validation page, relative to the index."""
    pages = sorted((folder / "validations").glob("*/**/*.html"))
    return {page.relative_to(folder).parts[1]: page.relative_to(folder).as_posix() for page in pages}


def _template() -> Template:
    return html_templates.environment("mtf.gates").get_template("index.html.jinja")
