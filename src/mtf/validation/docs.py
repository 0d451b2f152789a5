"""Offline version of Great Expectations' Data Docs, with an index that needs no script.

Originally each page loads a dozen scripts and styles from five hosts, and the index is empty without them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from mtf import atomic
from mtf.validation.expectations import NotChecked
from mtf.validation.suite import Result

INDEX = "index.html"
# Elements that load something from a host, or need what was loaded.
_REMOTE = (
    "script, style, link, img, footer, button, [hidden], .card:has(.btn-group), "
    "p:has(> a[data-toggle=collapse]), title:empty"
)
_NOTHING_FROM_ELSEWHERE = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def finish(folder: Path, results: Sequence[Result], not_checked: Sequence[NotChecked]) -> None:
    """Remove everything from the site in `folder` that needs a network, and write its index."""
    for page in sorted(folder.rglob("*.html")):
        atomic.write_text(page, _offline(page.read_text(encoding="utf-8")))
    shutil.rmtree(folder / "static", ignore_errors=True)
    index = _template().render(results=results, not_checked=not_checked, pages=_pages(folder))
    atomic.write_text(folder / INDEX, _offline(index))


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
        style.string = resources.files("mtf.validation").joinpath("templates/docs.css").read_text(encoding="utf-8")
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
    environment = Environment(
        loader=PackageLoader("mtf.validation", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("index.html.jinja")
