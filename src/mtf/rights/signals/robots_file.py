"""robots.txt (RFC 9309) and ai.txt (Spawning): permissions and usage preferences for one robot.

protego evaluates Allow and Disallow. This module parses what protego ignores:

- `Content-Usage` and `Content-Signal` lines, which belong to a group and may begin with a path
  (draft-ietf-aipref-attach);
- `License` lines, which apply to all robots (RSL 1.0);
- ai.txt, whose patterns name kinds of files.
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
    """Text of a robots.txt: UTF-8, or the encoding of its byte order mark; bad bytes are replaced."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    return body.decode("utf-8", "replace")


def whole_lines(body: bytes, max_bytes: int) -> bytes:
    """First `max_bytes` of a file, up to the last complete line (RFC 9309, section 2.5)."""
    if len(body) <= max_bytes:
        return body
    kept = body[:max_bytes]
    return kept[: kept.rfind(b"\n") + 1]


@dataclass(frozen=True)
class RobotsFile:
    """One site's robots.txt, for one robot.

    rules: Allow, Disallow and Crawl-delay.
    usage: (path pattern, preferences) of the groups that name the robot, or else of the groups for all.
    licenses: addresses of RSL documents.
    """

    rules: Protego
    usage: tuple[tuple[str, tuple[Preference, ...]], ...] = ()
    licenses: tuple[str, ...] = ()

    def preferences(self, url: str) -> list[Preference]:
        """Usage preferences for `url`: of the lines that match its path, those with the longest pattern.

        Content-Usage and Content-Signal are evaluated separately: neither hides the other.
        """
        preferences: list[Preference] = []
        for signal in (Signal.AIPREF, Signal.CONTENT_SIGNAL):
            matching = [
                (len(pattern), of_line)
                for pattern, of_line in self.usage
                if of_line and of_line[0].signal == signal and matches(pattern, url)
            ]
            longest = max((length for length, _ in matching), default=0)
            preferences += [each for length, of_line in matching if length == longest for each in of_line]
        return preferences


def parse(body: bytes, *, agent: str) -> RobotsFile:
    """Parse a robots.txt for the robot `agent`. A group that names `agent/1.0` names `agent`. Never raises."""
    text = decoded(body)
    lines = text.splitlines()[:MAX_LINES]
    usage, licenses = _extensions(lines, agent)
    return RobotsFile(Protego.parse("\n".join(_product_named(line, agent) for line in lines)), usage, licenses)


def _product_named(line: str, agent: str) -> str:
    """Line without the version after this robot's name in a User-agent line; any other line unchanged."""
    parts = _LINE.match(line)
    if parts and parts[1].lower() == "user-agent" and _product(parts[2]) == agent.lower():
        return f"User-agent: {agent}"
    return line


def _product(value: str) -> str:
    """Product token of a User-agent line, in lower case: `mtf/0.1.0 (+https://…)` → `mtf`."""
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
    groups = [_Group({"*"})]  # lines before any group apply to all robots
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
    pattern, preferences_text = (with_path[1], with_path[2]) if with_path else ("/", value)
    read = of_content_usage if name == CONTENT_USAGE else of_content_signal
    where = f"robots.txt {name} {pattern}" if with_path else f"robots.txt {name}"
    return pattern, tuple(read(preferences_text, found_in=where))


def matches(pattern: str, url: str) -> bool:
    """True if a pattern of robots.txt matches the path and query of `url`.

    A pattern is a prefix; `*` stands for any characters and `$` for the end (RFC 9309, section 2.2.3). There is no
    backtracking, so the time is bounded for hostile patterns, too.
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
        begin = path.find(piece, at)
        if begin < 0:
            return False
        at = begin + len(piece)
    return at == len(path) if ends else True


def ai_txt_preferences(body: bytes, url: str, *, agent: str) -> list[Preference]:
    """Preferences for `url` in a site's ai.txt, by the longest matching pattern; of two equally long, Disallow wins.

    `Disallow: *.jpg` names a kind of file: the pattern must match the end of the path. A file that is no ai.txt, such
    as an error page, has none.
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
