"""JSON-LD of a page (schema.org), parsed for the license of one picture and of the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mtf.rights.evidence.statement import LicenseMention, address_of, cleaned

MAX_SCRIPTS = 50
MAX_SCRIPT_CHARS = 512 * 1024
MAX_NODES = 5_000
_PICTURE_TYPES = frozenset({"imageobject", "photograph", "mediaobject", "drawing", "painting"})
_PICTURE_ADDRESSES = ("contentUrl", "contentURL", "url", "@id", "embedUrl", "thumbnailUrl", "thumbnail", "image")
# Types that describe the site, whose license is not that of a picture on it.
_SITE_TYPES = frozenset({"website", "organization", "onlinebusiness"})
_LICENSES = ("license", "usageInfo", "copyrightNotice", "conditionsOfAccess")


@dataclass
class JsonLdFindings:
    """Signals and credits in a page's JSON-LD.

    of_picture, of_page, of_site: signals by the subject of their node.
    creator, creator_url, title: of the picture, else of the page.
    """

    of_picture: list[LicenseMention] = field(default_factory=list)
    of_page: list[LicenseMention] = field(default_factory=list)
    of_site: list[LicenseMention] = field(default_factory=list)
    creator: str | None = None
    creator_url: str | None = None
    title: str | None = None


def read(scripts: Iterable[str], *, is_picture: Callable[[str], bool]) -> JsonLdFindings:
    """Parse the texts of `<script type="application/ld+json">`; `is_picture` is true for the picture's own address."""
    signals = JsonLdFindings()
    nodes = [node for script in _bounded(scripts) for node in _nodes(script)][:MAX_NODES]
    # The picture's own node first: its creator and title come before the page's.
    nodes.sort(key=lambda node: not _is_of(node, is_picture))
    for node in nodes:
        own = _is_of(node, is_picture)
        if not own and _is_another_picture(node):
            continue
        if not own and _types(node) & _SITE_TYPES:
            signals.of_site.extend(_signals(node))
            continue
        (signals.of_picture if own else signals.of_page).extend(_signals(node))
        _credit(signals, node)
    return signals


def _bounded(scripts: Iterable[str]) -> Iterator[str]:
    for _, script in zip(range(MAX_SCRIPTS), scripts, strict=False):
        if len(script) <= MAX_SCRIPT_CHARS:
            yield script


def _nodes(script: str) -> Iterator[dict[str, Any]]:
    """Yield all objects of one script, nested ones and `@graph` included, without recursion."""
    try:
        waiting = [json.loads(script.strip().removeprefix("<!--").removesuffix("-->"))]
    except (ValueError, RecursionError):
        return
    seen = 0
    while waiting and seen < MAX_NODES:
        value = waiting.pop()
        seen += 1
        if isinstance(value, dict):
            yield value
            waiting.extend(child for child in value.values() if isinstance(child, dict | list))
        elif isinstance(value, list):
            waiting.extend(child for child in value[:MAX_NODES] if isinstance(child, dict | list))


def _types(node: dict[str, Any]) -> set[str]:
    return {text.rpartition("/")[2].lower() for text in _texts(node.get("@type"))}


def _is_of(node: dict[str, Any], is_picture: Callable[[str], bool]) -> bool:
    if not _types(node) & _PICTURE_TYPES:
        return False
    return any(is_picture(text) for name in _PICTURE_ADDRESSES for text in _texts(node.get(name)))


def _is_another_picture(node: dict[str, Any]) -> bool:
    """True for a node of a picture with an address; the caller has excluded the own picture."""
    return bool(_types(node) & _PICTURE_TYPES) and any(_texts(node.get(name)) for name in ("contentUrl", "contentURL"))


def _signals(node: dict[str, Any]) -> Iterator[LicenseMention]:
    for name in _LICENSES:
        for text in _texts(node.get(name)):
            signal = LicenseMention(f"json-ld {name}", text)
            # Only `license` is a statement in any case; the other fields hold all sorts of notices.
            if name == "license" or signal.license is not None:
                yield signal


def _credit(signals: JsonLdFindings, node: dict[str, Any]) -> None:
    for name in ("creator", "author", "copyrightHolder"):
        for person in _list(node.get(name)):
            is_object = isinstance(person, dict)
            signals.creator = signals.creator or cleaned(person.get("name") if is_object else person)
            if is_object:
                signals.creator_url = signals.creator_url or address_of(person.get("url") or person.get("@id"))
    signals.creator = signals.creator or cleaned(node.get("creditText"))
    if _types(node) & _PICTURE_TYPES:
        signals.title = signals.title or cleaned(node.get("name")) or cleaned(node.get("caption"))


def _texts(value: Any) -> list[str]:
    """Texts of a value: a string, an object with `@id`, `url` or `name`, or a list of these."""
    texts: list[str] = []
    for item in _list(value):
        if isinstance(item, dict):
            texts += [item[name] for name in ("@id", "url", "name") if isinstance(item.get(name), str)][:1]
        elif isinstance(item, str):
            texts.append(item)
    return [text for text in texts[:50] if text.strip()]


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value[:50] if isinstance(value, list) else [value]
