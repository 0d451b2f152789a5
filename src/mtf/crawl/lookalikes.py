"""Pictures that look like one that was taken down: known again when they come from elsewhere, resized or recompressed.

Perceptual hashes are worked out only where a takedown asks for them, and then remembered with the picture: the
first such request looks at every picture once, later ones at none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mtf.crawl.failure import Failed
from mtf.crawl.fetched import Fetch
from mtf.tables import Fetched
from mtf.takedowns import PERCEPTUAL_HASH_DETAIL, Kind, Takedown, Takedowns

_REFUSAL = re.compile(PERCEPTUAL_HASH_DETAIL)


def content_hash(data: bytes, *, max_pixels: int) -> int | None:
    """The perceptual hash of a picture; None for one that cannot be decoded, which looks like nothing."""
    from mtf.faces import decode, picture

    try:
        return picture.picture_hash(data, max_pixels=max_pixels)
    except decode.Unreadable:
        return None


def refuse(found: int | None, takedowns: Takedowns, *, image_id: str) -> None:
    """Raises Failed(TAKEN_DOWN) for a hash near one that was taken down."""
    request = None if found is None else _request_near(found, takedowns)
    if request is None or found is None:
        return
    bits = _differing_bits(found, request)
    detail = f"{request.kind} {request.value}, asked for on {request.added_at}: differs in {bits} of 64 bits"
    raise Failed(Fetched.TAKEN_DOWN, detail, image_id=image_id)


def refuse_again(earlier: Fetch, takedowns: Takedowns) -> None:
    """Raises Failed(TAKEN_DOWN) for what an earlier run refused, while the request stands: it is not fetched again."""
    if (request := _refused_for(earlier, takedowns)) is not None:
        raise Failed(Fetched.TAKEN_DOWN, earlier.detail or str(request.kind), image_id=earlier.image_id)


def concerned(fetches: Iterable[Fetch], takedowns: Takedowns) -> list[list[str]]:
    """What decides anew about these fetches when it changes: the requests that one of them is near to, or is gone
    for; and, while there are requests at all, that a picture has no hash yet.
    """
    if not takedowns.perceptual_hashes:
        return []
    fetches = list(fetches)
    hashes = {fetch.picture.content_hash for fetch in fetches if fetch.picture is not None}
    near = {_request_near(each, takedowns) for each in hashes if each is not None}
    gone = {_refused_for(fetch, takedowns) for fetch in fetches}
    unknown = [[str(Kind.PERCEPTUAL_HASH), "unknown"]] if None in hashes else []
    return unknown + [[str(request.kind), request.value] for request in (near | gone) - {None} if request]


def _request_near(found: int, takedowns: Takedowns) -> Takedown | None:
    from mtf.faces.picture import SAME_PICTURE_BITS

    near = (request for request in _requests(takedowns) if _differing_bits(found, request) <= SAME_PICTURE_BITS)
    return next(near, None)


def _differing_bits(found: int, request: Takedown) -> int:
    from mtf.faces.picture import differing_bits

    return differing_bits(found, int(request.value, 16))


def _requests(takedowns: Takedowns) -> list[Takedown]:
    return [request for request in takedowns.records if request.kind == Kind.PERCEPTUAL_HASH]


def _refused_for(fetch: Fetch, takedowns: Takedowns) -> Takedown | None:
    """The request that an earlier fetch was refused for, if it stands."""
    found = _REFUSAL.match(fetch.detail or "") if fetch.outcome == Fetched.TAKEN_DOWN else None
    standing = (request for request in _requests(takedowns) if found and request.value == found[1])
    return next(standing, None)
