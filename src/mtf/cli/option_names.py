"""Names of options in errors: a value that an option gave is checked as one of params.yaml, whose key the user has not
written.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from mtf.core.errors import MtfError


@contextmanager
def replacing_keys(names: Mapping[str, str]) -> Generator[None]:
    """Raise an MtfError of the body again, with the phrases of `names` replaced, in their order.

    names: phrase of a message, with a key of params.yaml → phrase with the option.
    """
    try:
        yield
    except MtfError as error:
        message = str(error)
        for phrase, replacement in names.items():
            message = message.replace(phrase, replacement)
        if message == str(error):
            raise
        raise type(error)(message) from error
