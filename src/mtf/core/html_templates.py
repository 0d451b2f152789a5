"""Jinja templates of HTML pages: all values are escaped, unknown names are errors, and JSON cannot end its script."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def environment(package: str) -> Environment:
    """Environment of the templates in the folder `templates` of a package, such as `mtf.report`; one per package."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def in_script(text: str) -> Markup:
    """JSON escaped so that it cannot end the script element around it."""
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704
