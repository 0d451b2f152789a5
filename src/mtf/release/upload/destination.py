"""Destinations of an upload, `hf://OWNER/NAME` and `zenodo://HOST[/RECORD]`, and the token for them."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from mtf.core.errors import BadInput, bad_value

PERMITTED = "hf://OWNER/NAME, zenodo://zenodo.org, zenodo://sandbox.zenodo.org, zenodo://HOST/RECORD"
_HUB = re.compile(r"^hf://(?:datasets/)?([\w.-]+/[\w.-]+)/?$", re.ASCII)
_ZENODO = re.compile(r"^zenodo://([\w.-]+(?::\d+)?)(?:/(\d+))?/?$", re.ASCII)
MAX_TOKEN_CHARS = 4096


class Service(StrEnum):
    """Service that publishes data sets; the value is the scheme of its addresses."""

    HUB = "hf"
    ZENODO = "zenodo"


TOKEN_VARIABLES = {Service.HUB: "HF_TOKEN", Service.ZENODO: "ZENODO_TOKEN"}


class Destination(NamedTuple):
    """Place to upload to.

    - `service`: what is asked;
    - `name`: `OWNER/NAME` of the hub, or the host of Zenodo;
    - `record`: number of the record that gets a new version; None for the hub and for a new record.
    """

    service: Service
    name: str
    record: str | None = None

    @property
    def address(self) -> str:
        """The destination as one writes it."""
        return f"{self.service}://{self.name}{f'/{self.record}' if self.record else ''}"


def is_destination(text: str) -> bool:
    """True if `text` is written as an address, and not as a folder."""
    return "://" in text


def parsed(text: str) -> Destination:
    """Destination of an address. Raises BadInput."""
    if hub := _HUB.match(text):
        return Destination(Service.HUB, hub[1])
    if zenodo := _ZENODO.match(text):
        return Destination(Service.ZENODO, zenodo[1], zenodo[2])
    raise bad_value("--to", text, PERMITTED)


def token(service: Service, file: Path | None) -> str | None:
    """Token from `file`, else from the service's variable of the environment; None if there is none.

    Raises BadInput if the file cannot be read or does not hold one line. No message contains the token.
    """
    variable = TOKEN_VARIABLES[service]
    if file is None:
        text, where = os.environ.get(variable, ""), variable
    else:
        where = f"--token-file {file}"
        try:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(MAX_TOKEN_CHARS + 1)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no text"
            raise BadInput(f"{where}: {reason}; name a file that holds the token and nothing else") from None
    text = text.strip()
    if not text and file is None:
        return None
    if not re.fullmatch(r"[\x21-\x7e]+", text) or len(text) > MAX_TOKEN_CHARS:
        raise BadInput(f"{where}: no token; permitted: one line of letters, digits and signs")
    return text
