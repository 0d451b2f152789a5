"""Replacement of the live web by a server on this machine. It imports little, since worker processes import it, too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

HOSTS = 64


def address(number: int) -> str:
    """Address of a picture: the pictures lie on HOSTS hosts in turn."""
    return f"http://host-{number % HOSTS}.example/{number:05d}.jpg"


@dataclass(frozen=True)
class Loopback:
    """Replacement of the live web: every address leads to the local nginx."""

    port: int
    recorded_at: datetime | None = None

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        host, _, path = url.removeprefix("http://").partition("/")
        return f"http://127.0.0.1:{self.port}/{path}", {"Host": host}
