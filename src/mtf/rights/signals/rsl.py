"""Really Simple Licensing (RSL 1.0, rslstandard.org): parser of a site's license document.

A document is named by a `License` line in robots.txt, by a Link header or by an HTML link of the type
`application/rsl+xml`, or embedded in the page. Each `<content url="…">` applies to a pattern of addresses. Each
`<license>` in it permits and prohibits uses, and may require payment. A use is allowed if one license permits it
without payment. A license that requires money, a subscription or a contribution reserves the use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from lxml import etree  # ty: ignore[missing-module-member]  (compiled, without stubs)

from mtf.rights.signals.preferences import Answer, Preference, Signal, Use
from mtf.rights.signals.robots_file import is_web_address, matches

MEDIA_TYPE = "application/rsl+xml"
MAX_BYTES = 512 * 1024
MAX_CONTENTS = 2_000
MAX_LINKS = 5

_TRAINING = frozenset({"all", "ai-all", "ai-train", "train-ai"})
_FREE = frozenset({"", "free", "attribution"})
_TOO_MANY = f"more than {MAX_CONTENTS} contents"
_LINK = re.compile(r"<([^<>]{1,2000})>((?:\s*;\s*[a-zA-Z*]+\s*=\s*(?:\"[^\"]*\"|[^\",;\s]+))*)")
_PARAMETER = re.compile(r";\s*([a-zA-Z*]+)\s*=\s*(?:\"([^\"]*)\"|([^\",;\s]+))")


@dataclass(frozen=True, slots=True)
class Content:
    """One `<content>` of a document.

    pattern: of the addresses that it applies to.
    training: answer to training a model without payment.
    terms: of the license, in words.
    """

    pattern: str
    training: Answer
    terms: str


def links_of_headers(headers: Iterable[tuple[str, str]], base: str) -> list[str]:
    """Addresses of RSL documents in `Link` headers (RFC 8288): `<…>; rel="license"; type="application/rsl+xml"`."""
    addresses: dict[str, None] = {}
    for name, value in headers:
        if name.lower() != "link":
            continue
        for target, rest in _LINK.findall(value[:16_000]):
            parameters = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(rest)}
            is_license = "license" in parameters.get("rel", "").lower().split()
            if is_license and parameters.get("type", "").lower().split(";")[0].strip() == MEDIA_TYPE:
                with suppress(ValueError):  # no address
                    addresses[urljoin(base, target)] = None
    return list(filter(is_web_address, addresses))[:MAX_LINKS]


def read(body: bytes) -> tuple[Content, ...] | None:
    """Parse an RSL document; None if it is invalid or larger than MAX_BYTES. Entities are not expanded."""
    if len(body) > MAX_BYTES:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(body, parser=parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if _local(root) != "rsl":
        return None
    contents = [element for element in root.iter() if _local(element) == "content"]
    read_contents = tuple(_content(element) for element in contents[:MAX_CONTENTS])
    return read_contents if len(contents) <= MAX_CONTENTS else (*read_contents, Content("/", Answer.UNKNOWN, _TOO_MANY))


def preferences(contents: tuple[Content, ...] | None, url: str, *, found_in: str) -> list[Preference]:
    """Preferences for `url`, by the content with the longest matching pattern; UNKNOWN if there is no document."""
    if contents is None:
        return [Preference(Signal.RSL, Use.TRAIN_AI, Answer.UNKNOWN, "the license document cannot be read", found_in)]
    fitting = [content for content in contents if _fits(content.pattern, url)]
    longest = max((len(content.pattern) for content in fitting), default=0)
    return [
        Preference(Signal.RSL, Use.TRAIN_AI, content.training, content.terms, found_in)
        for content in fitting
        if len(content.pattern) == longest or content.terms == _TOO_MANY
    ]


def _fits(pattern: str, url: str) -> bool:
    try:
        target = urlsplit(pattern)
    except ValueError:  # no address, so that of no picture
        return False
    address = urlsplit(url)
    if target.netloc and target.netloc.lower() != address.netloc.lower():
        return False
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    return matches(path, url)


def _content(element: etree._Element) -> Content:
    licenses = [child for child in element if _local(child) == "license"]
    terms = [_terms(each) for each in licenses]
    answers = [answer for answer, _ in terms]
    if Answer.ALLOW in answers:
        answer, text = next(pair for pair in terms if pair[0] == Answer.ALLOW)
    elif terms:
        answer, text = terms[0]
    else:
        answer, text = Answer.UNKNOWN, "no license in the document"
    return Content(element.get("url", "/").strip() or "/", answer, text[:120])


def _terms(element: etree._Element) -> tuple[Answer, str]:
    """Answer of one `<license>` to training without payment, and the reason in words."""
    permitted = _uses(element, "permits")
    prohibited = _uses(element, "prohibits") or frozenset()
    if prohibited & _TRAINING:
        return Answer.DISALLOW, f"prohibits {' '.join(sorted(prohibited & _TRAINING))}"
    if permitted is not None and not permitted & _TRAINING:
        return Answer.DISALLOW, f"permits {' '.join(sorted(permitted)) or 'nothing'} only"
    payments = {(child.get("type") or "").strip().lower() for child in element if _local(child) == "payment"}
    if required := sorted(payments - _FREE):
        return Answer.DISALLOW, f"asks for payment: {' '.join(required)}"
    return Answer.ALLOW, f"permits {' '.join(sorted(permitted)) if permitted else 'all'}"


def _uses(element: etree._Element, name: str) -> frozenset[str] | None:
    """Uses in `<permits type="usage">` (or `prohibits`); None if there is no such element."""
    elements = [
        child for child in element if _local(child) == name and (child.get("type") or "usage").lower() == "usage"
    ]
    if not elements:
        return None
    return frozenset(word for child in elements for word in re.split(r"[\s,]+", (child.text or "").lower()) if word)


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname.lower() if isinstance(element.tag, str) else ""
