"""Web and roster of the sample, written in the format that `mtf.crawl.recorded_web` serves."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import numpy as np

from mtf.config import Compute
from mtf.core import csv_files, parallel_map
from mtf.core.atomic_files import write_text
from mtf.crawl import recorded_web
from mtf.crawl.recorded_web import Response
from mtf.rights import attribution
from mtf.sample import picture_files, truth
from mtf.sample.drawing import DrawingJob, DrawnFile, draw
from mtf.sample.finds import WHOLE, PictureKind, SampleSize, plan
from mtf.sample.listing import (
    COMMERCIAL,
    HOSTS,
    HOSTS_OF_KIND,
    PUBLIC_DOMAIN,
    RESULTS_PER_PAGE,
    SEARCH_ADDRESS,
    Listing,
    listings,
    picture_page,
    result_page,
    robots_txt,
    search_address,
    site_files,
)
from mtf.sample.people import Person
from mtf.schemas.takedown_file import COLUMNS as TAKEDOWN_COLUMNS

# Before the first review of the panel. With it, each run of the pipeline on the sample gives the same bytes.
RECORDED_AT = datetime(2025, 12, 31, 12, tzinfo=UTC)
# Delay of the slow picture, above `crawl.timeout_s` of the sample's params.yaml.
SLOW_S = 8.0
PRIVATE_ADDRESS = "http://10.0.0.1/pictures/inside.jpg"
_HTML = {"Content-Type": "text/html; charset=utf-8"}
# Headers of a picture that state a preference.
_SIGNAL_HEADERS = {
    PictureKind.CONTENT_USAGE: {"Content-Usage": "train-ai=n, search=y"},
    PictureKind.RSL_LINK: {"Link": '</license.xml>; rel="license"; type="application/rsl+xml"'},
    PictureKind.TDM_POLICY: {"tdm-policy": f"https://{HOSTS_OF_KIND[PictureKind.TDM_POLICY]}/policy.json"},
    PictureKind.CC_SIGNALS: {"Content-Usage": "train-ai=y;exceptions=cc-cr"},
}
_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}


def write(data: Path, *, seed: int, compute: Compute, size: SampleSize = WHOLE) -> list[truth.Truth]:
    """Write the sample's `data` folder. Returns the ground truth of its pictures.

    Writes `roster.csv`, `takedowns.csv` and `attribution.csv` (both without rows), `card.yaml` and `web/`.
    """
    finds = plan(seed, size)
    listed = listings(seed, finds, size.people)
    drawn = {item.find.key: item for item in drawn_files(seed, listed, size.people, compute)}
    truths = [truth_of(listing, _source(listing, drawn), listed) for listing in listed]
    recorded_web.write(data / "web", responses(seed, listed, drawn, size.people), recorded_at=RECORDED_AT)
    truth.write(data / "web", truths)
    csv_files.write(data / "roster.csv", _roster(size.people))
    csv_files.write(data / "takedowns.csv", [TAKEDOWN_COLUMNS])
    csv_files.write(data / "attribution.csv", [attribution.COLUMNS])
    write_text(data / "card.yaml", (resources.files("mtf.sample") / "card.yaml").read_text(encoding="utf-8"))
    return truths


def drawn_files(seed: int, listed: Sequence[Listing], people: Iterable[Person], compute: Compute) -> list[DrawnFile]:
    jobs = []
    for person in people:
        own = [listing for listing in listed if listing.find.identity == person.identity]
        rights = {listing.find.number: _xmp(listing, url) for listing in own if (url := listing.license_url_in_file)}
        jobs.append(DrawingJob(seed, tuple(listing.find for listing in own), rights))
    return [item for drawn in parallel_map.map_items(draw, jobs, compute=compute, title="draw") for item in drawn]


def _xmp(listing: Listing, license_url: str) -> str:
    return picture_files.xmp_packet(license_url=license_url, creator=listing.creator, title=listing.title)


def _source(listing: Listing, drawn: dict[tuple[str, int], DrawnFile]) -> DrawnFile:
    return drawn[listing.find.taken_from or listing.find.key]


def truth_of(listing: Listing, item: DrawnFile, listed: Sequence[Listing]) -> truth.Truth:
    find = listing.find
    original = next((other for other in listed if other.find.key == (find.identity, find.repeats)), None)
    return truth.Truth(
        identity=find.identity,
        number=find.number,
        kind=find.kind,
        url=listing.url,
        page_url=listing.page_url,
        claim=listing.claim,
        license=listing.license,
        image_id=hashlib.sha256(item.file.data).hexdigest(),
        width=item.width,
        height=item.height,
        repeats=None if original is None else original.url,
        faces=item.faces,
    )


def responses(
    seed: int, listed: Sequence[Listing], drawn: dict[tuple[str, int], DrawnFile], people: Iterable[Person]
) -> Iterator[Response]:
    for person in people:
        yield from _searches(seed, person, [listing for listing in listed if listing.find.identity == person.identity])
    yield Response(SEARCH_ADDRESS, headers=_HTML, body=result_page([], first=0, name="").encode())
    for listing in listed:
        if listing.find.taken_from is None:
            yield from _picture(listing, _source(listing, drawn))
    for host in sorted({*HOSTS.values(), *HOSTS_OF_KIND.values()} - {HOSTS_OF_KIND[PictureKind.NO_SUCH_HOST]}):
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        yield Response(f"https://{host}/robots.txt", headers=plain, body=robots_txt(host).encode())
    for address, media_type, body in site_files():
        yield Response(address, headers={"Content-Type": media_type}, body=body)


def _searches(seed: int, person: Person, listed: Sequence[Listing]) -> Iterator[Response]:
    """Result pages of one identity, for each filter and for none, up to the empty last page."""
    rng = np.random.default_rng([seed, 4, zlib.crc32(person.identity.encode())])
    ranked = [listed[index] for index in rng.permutation(len(listed))]
    last = -(-len(ranked) // RESULTS_PER_PAGE) * RESULTS_PER_PAGE
    for claim in (COMMERCIAL, PUBLIC_DOMAIN, None):
        results = [listing for listing in ranked if claim in (None, listing.claim)]
        for first in range(0, last + 1, RESULTS_PER_PAGE):
            on_page = results[first : first + RESULTS_PER_PAGE]
            body = result_page(on_page, first=first, name=person.name).encode()
            yield Response(search_address(person.name, first, claim), headers=_HTML, body=body)


def _picture(listing: Listing, item: DrawnFile) -> Iterator[Response]:
    kind = listing.find.kind
    if kind is PictureKind.NO_SUCH_HOST:
        return
    if kind is PictureKind.DEAD_PAGE:
        yield Response(listing.page_url, status=404 if listing.find.number % 2 else 410, headers=_HTML, body=b"Gone.")
    else:
        yield Response(listing.page_url, headers=_HTML, body=picture_page(listing).encode())
    headers = {"Content-Type": _MEDIA_TYPES[item.file.extension]}
    match kind:
        case PictureKind.NOT_FOUND:
            yield Response(listing.url, status=404, headers=_HTML, body=b"Not found.")
        case PictureKind.PRIVATE_REDIRECT:
            yield Response(listing.url, status=302, headers={"Location": PRIVATE_ADDRESS})
        case PictureKind.SLOW:
            yield Response(listing.url, headers=headers, body=item.file.data, delay_s=SLOW_S)
        case PictureKind.HTML:
            yield Response(listing.url, headers=_HTML, body=item.file.data)
        case PictureKind.ROBOTS_HEADER:
            yield Response(listing.url, headers=headers | {"X-Robots-Tag": "noai, noimageai"}, body=item.file.data)
        case _:
            yield Response(listing.url, headers=headers | _SIGNAL_HEADERS.get(kind, {}), body=item.file.data)


def _roster(people: Iterable[Person]) -> list[Sequence[str]]:
    header = ("identity", "name", "race", "gender", "age")
    return [header, *((person.identity, person.name, person.race, person.gender, person.age) for person in people)]
