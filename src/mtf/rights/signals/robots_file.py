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
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from protego import Protego

from mtf.rights.signals.preferences import Answer, Preference, Signal, Use
from mtf.rights.signals.usage_preferences import CONTENT_SIGNAL, CONTENT_USAGE, of_content_signal, of_content_usage

MAX_RULES = 5_000
"""Usage lines of a robots.txt, and rules of an ai.txt, that are evaluated. What a longer file says is unknown."""
MAX_LICENSES = 5
AI_TXT_PATH = "/ai.txt"

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
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
        if not self.usage:
            return preferences
        for signals in ((Signal.AIPREF, Signal.CC_SIGNALS), (Signal.CONTENT_SIGNAL,)):
            matching = [
                (len(pattern), of_line)
                for pattern, of_line in self.usage
                if of_line and of_line[0].signal in signals and matches(pattern, url)
            ]
            longest = max((length for length, _ in matching), default=0)
            preferences += [each for length, of_line in matching if length == longest for each in of_line]
        return preferences


def parse(body: bytes, *, agent: str) -> RobotsFile:
    """Parse a robots.txt for the robot `agent`. A group that names `agent/1.0` names `agent`. Never raises."""
    lines = decoded(body).splitlines()
    rules = Protego.parse("\n".join(_product_named(line, agent) for line in lines))
    return RobotsFile(rules, _usage(lines, agent), _licenses(lines))


def _product_named(line: str, agent: str) -> str:
    """Line without the version after this robot's name in a User-agent line; any other line unchanged."""
    name, value = _directive(line)
    return f"User-agent: {agent}" if name == "user-agent" and _product(value) == agent.lower() else line


def _directive(line: str) -> tuple[str, str]:
    """Name in lower case and value of a line, without its comment; the name is empty if the line is no directive."""
    name, colon, value = line.partition("#")[0].partition(":")
    return (name.strip().lower() if colon else ""), value.strip()


def _product(value: str) -> str:
    """Product token of a User-agent line, in lower case: `mtf/0.1.0 (+https://…)` → `mtf`."""
    token = _PRODUCT.match(value)
    return token[0].lower() if token else value.lower()


@dataclass
class _Group:
    """Group of rules: the product tokens of its User-agent lines, and its other lines as (name, value)."""

    agents: set[str] = field(default_factory=set)
    lines: list[tuple[str, str]] = field(default_factory=list)


def _groups_for(lines: list[str], agent: str) -> list[_Group]:
    """Groups that name `agent`, or else those for all robots (RFC 9309, section 2.2.1).

    Several User-agent lines in a row begin one group. Lines before any group apply to all robots.
    """
    groups = [_Group({"*"})]
    is_naming = False
    for name, value in map(_directive, lines):
        if name == "user-agent":
            if not is_naming:
                groups.append(_Group())
            groups[-1].agents.add(_product(value))
        elif name:
            groups[-1].lines.append((name, value))
        is_naming = name == "user-agent" or (is_naming and not name)
    named = [group for group in groups if agent.lower() in group.agents]
    return named or [group for group in groups if "*" in group.agents]


def _usage(lines: list[str], agent: str) -> tuple[tuple[str, tuple[Preference, ...]], ...]:
    of_group = [line for group in _groups_for(lines, agent) for line in group.lines]
    usage = [line for line in of_group if line[0] in (CONTENT_USAGE, CONTENT_SIGNAL)]
    evaluated = tuple(_usage_line(name, value) for name, value in usage[:MAX_RULES])
    if len(usage) <= MAX_RULES:
        return evaluated
    excess = Preference(Signal.AIPREF, Use.ANY, Answer.UNKNOWN, f"{len(usage)} usage lines", "robots.txt")
    return (*evaluated, ("/", (excess,)))


def _licenses(lines: list[str]) -> tuple[str, ...]:
    addresses = dict.fromkeys(value for name, value in map(_directive, lines) if name == "license")
    return tuple(filter(is_web_address, addresses))[:MAX_LICENSES]


def is_web_address(url: str) -> bool:
    """True for an http or https address that can be read."""
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


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
    if pattern == "/":
        return True
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


AiTxtRules = tuple[tuple[str, Answer], ...]
"""(Path pattern, answer) of an ai.txt's rules for one robot."""


def parse_ai_txt(body: bytes, *, agent: str) -> AiTxtRules:
    """Parse an ai.txt for the robot `agent`: Allow and Disallow lines, in groups as in robots.txt.

    `Disallow: *.jpg` names a kind of file: the pattern must match the end of the path. A file that is no ai.txt, such
    as an error page, gives no rules.
    """
    groups = _groups_for(decoded(body).splitlines(), agent)
    answers = {"allow": Answer.ALLOW, "disallow": Answer.DISALLOW}
    lines = [line for group in groups for line in group.lines if line[0] in answers and line[1]]
    rules = tuple((_ai_txt_pattern(value), answers[name]) for name, value in lines[:MAX_RULES])
    return rules if len(lines) <= MAX_RULES else (*rules, ("/", Answer.UNKNOWN))


def _ai_txt_pattern(value: str) -> str:
    pattern = f"{value}$" if value.startswith("*.") and not value.endswith("$") else value
    return pattern if pattern[0] in "/*" else f"/{pattern}"


def ai_txt_preferences(rules: AiTxtRules, url: str) -> list[Preference]:
    """Preferences for `url` by an ai.txt: the longest matching pattern; of two equally long, Disallow wins."""
    fitting = [(pattern, answer) for pattern, answer in rules if matches(pattern, url)]
    if not fitting:
        return []
    pattern, answer = max(fitting, key=lambda rule: (len(rule[0]), rule[1] == Answer.DISALLOW))
    return [Preference(Signal.AI_TXT, Use.TRAIN_AI, answer, f"{answer}: {pattern}", AI_TXT_PATH)]
