"""robots.txt and ai.txt: groups of rules by robot (RFC 9309), and what they say of the use of content.

Allow and Disallow are protego's. This module reads what protego does not know: `Content-Usage` and `Content-Signal`
lines, which belong to a group and may begin with a path (draft-ietf-aipref-attach), `License` lines, which belong to
all robots (RSL 1.0), and ai.txt (Spawning), whose patterns name kinds of files.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from protego import Protego

from mtf.rights.signals.preferences import Answer, Preference, Signal, Use
from mtf.rights.signals.usage_preferences import CONTENT_SIGNAL, CONTENT_USAGE, of_content_signal, of_content_usage

MAX_LINES = 50_000
MAX_LICENSES = 5
AI_TXT_PATH = "/ai.txt"

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE = re.compile(r"^\s*([A-Za-z-]+)\s*:\s*(.*?)\s*$")
_PRODUCT = re.compile(r"^[A-Za-z_-]+")
_PATH = re.compile(r"^([/*]\S*)\s+(\S.*)$")


def decoded(body: bytes) -> str:
    """The text of a robots.txt. UTF-8, or what a byte order mark at its beginning says; bad bytes are replaced."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    return body.decode("utf-8", "replace")


def whole_lines(body: bytes, max_bytes: int) -> bytes:
    """The first `max_bytes` of a file, up to the last line that is whole (RFC 9309, section 2.5)."""
    if len(body) <= max_bytes:
        return body
    kept = body[:max_bytes]
    return kept[: kept.rfind(b"\n") + 1]


@dataclass(frozen=True)
class RobotsFile:
    """One site's robots.txt as it concerns one robot.

    `rules` answers for Allow, Disallow and Crawl-delay. `usage` holds (path pattern, preferences) of the groups that
    name the robot or, where none does, of the groups for all. `licenses` are the addresses of RSL documents.
    """

    rules: Protego
    usage: tuple[tuple[str, tuple[Preference, ...]], ...] = ()
    licenses: tuple[str, ...] = ()

    def preferences(self, url: str) -> list[Preference]:
        """The usage preferences for `url`: of the lines that match its path, those with the longest pattern.

        Content-Usage and Content-Signal are judged apart: neither hides the other.
        """
        found: list[Preference] = []
        for signal in (Signal.AIPREF, Signal.CONTENT_SIGNAL):
            matching = [
                (len(pattern), stated)
                for pattern, stated in self.usage
                if stated and stated[0].signal == signal and matches(pattern, url)
            ]
            longest = max((length for length, _ in matching), default=0)
            found += [each for length, stated in matching if length == longest for each in stated]
        return found


def parse(body: bytes, *, agent: str) -> RobotsFile:
    """Read a robots.txt for the robot `agent`. A group that names `agent/1.0` names `agent`. Never raises."""
    text = decoded(body)
    lines = text.splitlines()[:MAX_LINES]
    usage, licenses = _extensions(lines, agent)
    return RobotsFile(Protego.parse("\n".join(_product_named(line, agent) for line in lines)), usage, licenses)


def _product_named(line: str, agent: str) -> str:
    """A User-agent line that names us with a version, as our own header does, names us."""
    parts = _LINE.match(line)
    if parts and parts[1].lower() == "user-agent" and _product(parts[2]) == agent.lower():
        return f"User-agent: {agent}"
    return line


def _product(value: str) -> str:
    """The product token of a User-agent line, in lower case: `mtf/0.1.0 (+https://…)` → `mtf`."""
    token = _PRODUCT.match(value.strip())
    return token[0].lower() if token else value.strip().lower()


@dataclass
class _Group:
    agents: set[str] = field(default_factory=set)
    usage: list[tuple[str, tuple[Preference, ...]]] = field(default_factory=list)


def _directives(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if parts := _LINE.match(line.partition("#")[0]):
            yield parts[1].lower(), parts[2]


def _extensions(lines: list[str], agent: str) -> tuple[tuple[tuple[str, tuple[Preference, ...]], ...], tuple[str, ...]]:
    groups = [_Group({"*"})]  # what stands before any group is for everybody
    licenses: dict[str, None] = {}
    naming = False
    for name, value in _directives(lines):
        if name == "user-agent":
            if not naming:
                groups.append(_Group())
            groups[-1].agents.add(_product(value))
            naming = True
            continue
        naming = False
        if name == "license":
            licenses[value] = None
        elif name in (CONTENT_USAGE, CONTENT_SIGNAL):
            groups[-1].usage.append(_usage_line(name, value))
    ours = [group for group in groups if agent.lower() in group.agents]
    chosen = ours or [group for group in groups if "*" in group.agents]
    addresses = [url for url in licenses if urlsplit(url).scheme in ("http", "https")][:MAX_LICENSES]
    return tuple(line for group in chosen for line in group.usage), tuple(addresses)


def _usage_line(name: str, value: str) -> tuple[str, tuple[Preference, ...]]:
    with_path = _PATH.match(value)
    pattern, stated = (with_path[1], with_path[2]) if with_path else ("/", value)
    read = of_content_usage if name == CONTENT_USAGE else of_content_signal
    where = f"robots.txt {name} {pattern}" if with_path else f"robots.txt {name}"
    return pattern, tuple(read(stated, found_in=where))


def matches(pattern: str, url: str) -> bool:
    """True where a pattern of robots.txt fits the path and query of `url`.

    A pattern is a prefix; `*` stands for any characters and `$` for the end (RFC 9309, section 2.2.3). The time is
    linear in the address: nothing is tried twice.
    """
    parts = urlsplit(url)
    path = unquote(parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    ends = pattern.endswith("$")
    first, *others = [unquote(piece) for piece in pattern.removesuffix("$").split("*")]
    if not path.startswith(first):
        return False
    at = len(first)
    for index, piece in enumerate(others):
        if ends and index == len(others) - 1:
            return len(path) - len(piece) >= at and path.endswith(piece)
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return at == len(path) if ends else True


def ai_txt_preferences(body: bytes, url: str, *, agent: str) -> list[Preference]:
    """What a site's ai.txt says of `url`, by the longest pattern that matches; of two equally long, Disallow wins.

    `Disallow: *.jpg` names a kind of file and means its end. A file that is no ai.txt (an HTML page of an error) says
    nothing.
    """
    group: str | None = None
    rules: dict[str, list[tuple[str, Answer]]] = {}
    for name, value in _directives(decoded(body).splitlines()[:MAX_LINES]):
        if name == "user-agent":
            group = _product(value)
        elif name in ("allow", "disallow") and group is not None and value:
            pattern = f"{value}$" if value.startswith("*.") and not value.endswith("$") else value
            answer = Answer.ALLOW if name == "allow" else Answer.DISALLOW
            rules.setdefault(group, []).append((pattern if pattern[0] in "/*" else f"/{pattern}", answer))
    chosen = rules.get(agent.lower()) or rules.get("*") or []
    fitting = sorted(
        (
            (len(pattern), answer == Answer.DISALLOW, pattern, answer)
            for pattern, answer in chosen
            if matches(pattern, url)
        ),
        reverse=True,
    )
    if not fitting:
        return []
    _, _, pattern, answer = fitting[0]
    return [Preference(Signal.AI_TXT, Use.TRAIN_AI, answer, f"{answer}: {pattern}", AI_TXT_PATH)]
