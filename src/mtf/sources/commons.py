"""Wikimedia Commons as a source, through MediaWiki's query API. Its records are evidence.

The answer's `extmetadata` comes from the file's own description page. The file is fetched as it was uploaded, within
`crawl.max_bytes`: the license is that of the original, and thumbnails lose its metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote, unquote, urlencode, urlsplit

from pydantic import Field

from mtf.core.errors import shortened
from mtf.rights.evidence import combination
from mtf.rights.evidence.statement import address_of, cleaned
from mtf.sources.api import ApiSource, complete_description
from mtf.sources.api_answers import (
    ApiAnswer,
    ApiPicture,
    ApiUnavailable,
    UnreadableAnswer,
    describe_all,
    json_object,
    objects,
    text,
    unreadable,
)
from mtf.sources.base import Fetcher, RecheckedStatements, Source

METHOD = "commons-api"
HOST = "commons.wikimedia.org"
ENDPOINT = f"https://{HOST}/w/api.php"
FILES_AN_ANSWER = 50
MAX_TITLES_CHARS = 5_000
"""Longest titles of one request, URL-encoded: Commons refuses addresses of some 8,000 characters."""
MAX_LAG_S = 5
"""Replication lag in seconds above which the API is to refuse a request: a crawl can wait."""

_LICENSE_FIELDS = ("LicenseShortName", "LicenseUrl", "UsageTerms")
_CREDIT_FIELDS = ("Artist", "Attribution", "Credit", "AttributionRequired")
_FIELDS = (*_LICENSE_FIELDS, *_CREDIT_FIELDS, "Restrictions", "ObjectName")
_OWN_WORK = "own work"
UNNAMED = "author not named (credit not required)"
"""Creator of a file whose description names none and requires no attribution."""
_DESCRIBED = {
    "action": "query",
    "format": "json",
    "formatversion": "2",
    "maxlag": str(MAX_LAG_S),
    "prop": "imageinfo",
    "iiprop": "url|user|size|mime|sha1|extmetadata",
    "iiextmetadatafilter": "|".join(_FIELDS),
    "iiextmetadatalanguage": "en",
}
_RETRIABLE_CODES = frozenset({"maxlag", "ratelimited", "readonly", "internal_api_error_DBQueryTimeoutError"})
_PICTURES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/bmp"})
_FILE_NAMESPACE = "6"


class Commons(ApiSource):
    """Wikimedia Commons' API. It has no license filter; the policy of `licenses` judges each record.

    by: `search` for the roster's `query`, or list the `category` of that name.
    """

    kind: Literal["commons"]
    by: Literal["search", "category"] = "search"
    max_results: Annotated[int, Field(ge=1, le=10_000)] = 500

    hosts: ClassVar[tuple[str, ...]] = (HOST,)
    record_is_evidence: ClassVar[bool] = True
    recheck_method: ClassVar[str | None] = METHOD

    def request(self, query: str) -> CommonsRequest:
        return CommonsRequest(_search_parameters(self, query))

    @classmethod
    def read(cls, body: bytes) -> ApiAnswer:
        return read(body)

    @classmethod
    async def recheck(
        cls,
        fetcher: Fetcher,
        page_urls: Sequence[str],
        sources: Iterable[Source],  # noqa: ARG003 (no key)
    ) -> RecheckedStatements:
        page_of = {title: page for page in sorted(set(page_urls)) if (title := _title_of_page(page)) is not None}
        statements: dict[str, combination.Statement | None] = {}
        for titles in _title_batches(page_of):
            pictures = await complete_description(fetcher, files_request(titles), kind="commons")
            if pictures is not None:
                by_title = {each.name: each.statement for each in pictures}
                statements |= {page_of[title]: by_title.get(title) for title in titles}
        return statements


class CommonsRequest:
    """Request to MediaWiki's query API, continued until it is complete."""

    headers: Mapping[str, str] = {}
    secret = None
    delay_s = 0.0

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = dict(parameters)

    def first(self) -> str:
        return self._address({})

    def following(self, listing: ApiAnswer) -> str | None:
        return self._address(listing.more) if listing.more else None

    def signed(self, url: str) -> str:
        return url

    def read(self, body: bytes) -> ApiAnswer:
        return read(body)

    def _address(self, more: Mapping[str, str]) -> str:
        return f"{ENDPOINT}?{urlencode(self._parameters | dict(more))}"


def files_request(titles: Iterable[str]) -> CommonsRequest:
    """Request for the descriptions of files by their titles (`File:NAME`), at most `FILES_AN_ANSWER` of them."""
    return CommonsRequest(_DESCRIBED | {"titles": "|".join(titles)})


def _title_batches(titles: Iterable[str]) -> Iterator[list[str]]:
    """Titles in batches that one address can hold."""
    batch: list[str] = []
    for title in titles:
        if len(batch) == FILES_AN_ANSWER or sum(len(quote(each)) for each in [*batch, title]) > MAX_TITLES_CHARS:
            yield batch
            batch = []
        batch.append(title)
    if batch:
        yield batch


def _title_of_page(page_url: str) -> str | None:
    """Title (`File:Ana at the lake.jpg`) of a file's page on Commons; None for any other page."""
    parts = urlsplit(page_url)
    name = unquote(parts.path).removeprefix("/wiki/").replace("_", " ")
    return name if parts.hostname == HOST and name.startswith("File:") and "|" not in name else None


def _search_parameters(source: Commons, query: str) -> dict[str, str]:
    if source.by == "category":
        title = query if query.lower().startswith("category:") else f"Category:{query}"
        generator = {"generator": "categorymembers", "gcmtitle": title, "gcmtype": "file"}
        generator |= {"gcmlimit": str(FILES_AN_ANSWER)}
    else:
        generator = {"generator": "search", "gsrsearch": f"{query} filetype:bitmap"}
        generator |= {"gsrnamespace": _FILE_NAMESPACE, "gsrlimit": str(FILES_AN_ANSWER)}
    return _DESCRIBED | generator


def read(body: bytes) -> ApiAnswer:
    """Parse one answer. Raises UnreadableAnswer, and ApiUnavailable for a temporary error."""
    answer = json_object(body)
    _refuse_errors(answer)
    more, problems = _continuation(answer)
    if "query" not in answer and "batchcomplete" not in answer and "continue" not in answer:
        raise UnreadableAnswer("neither results nor a word that there are none")
    pages = _pages(answer.get("query", {}))
    pictures, unread = describe_all(pages, _describe)
    named = [page for page in pages if isinstance(page, dict) and text(page.get("title"))]
    waiting = (str(text(page["title"])) for page in named if _is_undescribed(page))
    return ApiAnswer(
        pictures, [*problems, *unread], more, frozenset(str(text(page["title"])) for page in named), frozenset(waiting)
    )


def _refuse_errors(answer: dict[str, Any]) -> None:
    errors = answer.get("errors")
    error = errors[0] if isinstance(errors, list) and errors else answer.get("error")
    if error is None:
        return
    if not isinstance(error, dict):
        raise UnreadableAnswer(f"Commons refuses: {shortened(error)}")
    code, info = text(error.get("code")), text(error.get("info") or error.get("text"))
    kind = ApiUnavailable if code in _RETRIABLE_CODES else UnreadableAnswer
    raise kind(f"Commons refuses: {cleaned(code, 60)}: {cleaned(info, 200)}")


def _continuation(answer: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Parameters of the request for the next answer, and problems with them."""
    given = answer.get("continue", {})
    more = {name: text(value) for name, value in given.items()} if isinstance(given, dict) else None
    if more is None or not all(more.values()):
        return {}, [f"continue is {shortened(given)}: nothing after this can be asked for"]
    return {name: str(value) for name, value in more.items()}, []


def _pages(query: object) -> list[Any]:
    """Entries in the order of the search. The API's first format has them in an object, by number."""
    pages = query.get("pages", []) if isinstance(query, dict) else query
    pages = objects(list(pages.values()) if isinstance(pages, dict) else pages, "query.pages")
    return sorted(pages, key=_place)


def _place(page: object) -> int:
    place = page.get("index") if isinstance(page, dict) else None
    return place if isinstance(place, int) else 0


def _is_undescribed(page: dict[str, Any]) -> bool:
    """True if the description comes in a later answer to the same search."""
    return "imageinfo" not in page and not any(name in page for name in ("missing", "invalid"))


def _describe(page: dict[str, Any]) -> ApiPicture | None:
    if "imageinfo" not in page:
        return None
    infos = page["imageinfo"]
    info = infos[0] if isinstance(infos, list) and infos else infos
    if not isinstance(info, dict):
        raise unreadable("imageinfo", infos)
    if "filehidden" in info or "filemissing" in info or info.get("mime") not in _PICTURES:
        return None
    url, page_url = address_of(text(info.get("url"))), address_of(text(info.get("descriptionurl")))
    if url is None:
        raise unreadable("url", info.get("url"))
    name = (text(page.get("title")) or "").partition(":")[2].rpartition(".")[0]
    statement = _statement(info.get("extmetadata"), name, uploader=text(info.get("user")))
    title = text(page.get("title"))
    return ApiPicture(url=url, page_url=page_url, title=statement.title, statement=statement, name=title)


def _statement(metadata: object, name: str, *, uploader: str | None) -> combination.Statement:
    values = {field: _value(metadata, field) for field in _FIELDS}
    creator, creator_url = _creator(values, uploader)
    statement = combination.of_record(
        METHOD,
        [_linked_text(values[field])[0] for field in _LICENSE_FIELDS],
        creator=creator,
        creator_url=creator_url,
        title=_linked_text(values["ObjectName"])[0] or name,
    )
    if statement.statement is None:
        return statement
    parts = [statement.statement]
    if values["Restrictions"] is not None:
        parts.append(f"{METHOD}: restrictions: {cleaned(values['Restrictions'])}")
    if _is_waived(values):
        parts.append(f"{METHOD}: attribution is not required")
    return replace(statement, statement=" | ".join(parts))


def _creator(values: Mapping[str, str | None], uploader: str | None) -> tuple[str | None, str | None]:
    """Name and address to credit: the artist, else the requested attribution, else the file's source.

    If the source is "own work", it is the uploader.
    """
    for field in ("Artist", "Attribution"):
        words, address = _linked_text(values[field])
        if words:
            return words, address
    source, address = _linked_text(values["Credit"])
    if source and _OWN_WORK in source.lower():
        return uploader, None
    if source:
        return source, address
    return (UNNAMED if _is_waived(values) else None), None


def _is_waived(values: Mapping[str, str | None]) -> bool:
    return (values["AttributionRequired"] or "").strip().lower() == "false"


def _value(metadata: object, field: str) -> str | None:
    entry = metadata.get(field) if isinstance(metadata, dict) else None
    return text(entry.get("value")) if isinstance(entry, dict) else None


def _linked_text(html: str | None) -> tuple[str | None, str | None]:
    """Visible text of some HTML, and the first address that it links to."""
    if html is None or not ("<" in html or "&" in html):
        return html, None
    from bs4 import BeautifulSoup  # not needed to read params.yaml

    soup = BeautifulSoup(html, "lxml")
    for hidden in soup.select('[style*="display:none"], [style*="display: none"]'):
        hidden.decompose()
    link = soup.select_one("a[href]")
    return soup.get_text(" ", strip=True) or None, address_of(str(link["href"])) if link else None
