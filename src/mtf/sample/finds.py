"""Plan of the sample: the kinds of pictures, their numbers (DIRT), and the finds of each identity's searches.

Each identity gets clean pictures, and its share of the unusable and unusual ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from mtf.sample.people import CAST, OLD, RARELY_PICTURED, STRANGERS, Person

# Minimum and maximum number of clean pictures of an identity of the cast.
CLEAN_PER_IDENTITY = (14, 18)
CLEAN_IF_RARE = 3


class PictureKind(StrEnum):
    """Kind of a picture that a search finds."""

    CLEAN = "clean"
    # Other files than colour JPEGs, all of them fit for use.
    PNG = "png"
    WEBP = "webp"
    GREY = "grey"
    CMYK = "cmyk"
    PNG_16_BIT = "png_16_bit"
    ANIMATED_GIF = "animated_gif"
    ROTATED = "rotated"
    # Repetitions.
    BURST = "burst"
    RESAVED = "resaved"
    SECOND_ADDRESS = "second_address"
    SECOND_IDENTITY = "second_identity"
    # Wrong people, or none.
    STRANGER = "stranger"
    OTHER_MEMBER = "other_member"
    GROUP = "group"
    NO_FACE = "no_face"
    FACE_LIKE = "face_like"
    # Faces that are not fit.
    SUNGLASSES = "sunglasses"
    HAND = "hand"
    CARTOON = "cartoon"
    STRANGE_COLOURS = "strange_colours"
    OUT_OF_FOCUS = "out_of_focus"
    PIXELATED = "pixelated"
    WRONG_AGE = "wrong_age"
    CHILDHOOD = "childhood"
    # Licenses.
    NON_COMMERCIAL = "non_commercial"
    NO_DERIVATIVES = "no_derivatives"
    CLAIM_CONTRADICTED = "claim_contradicted"
    FILE_CONTRADICTS_PAGE = "file_contradicts_page"
    UNSTATED = "unstated"
    CLAIM_ONLY = "claim_only"
    DEAD_PAGE = "dead_page"
    # Opt-outs.
    ROBOTS_TXT = "robots_txt"
    ROBOTS_HEADER = "robots_header"
    ROBOTS_META = "robots_meta"
    TDM_RESERVED = "tdm_reserved"
    CONTENT_USAGE = "content_usage"
    CONTENT_SIGNAL = "content_signal"
    RSL_LINK = "rsl_link"
    AI_TXT = "ai_txt"
    IPTC_MINING = "iptc_mining"
    C2PA_MINING = "c2pa_mining"
    # Signals that are recorded and bind nothing.
    TDM_POLICY = "tdm_policy"
    CC_SIGNALS = "cc_signals"
    UNREADABLE_TDMREP = "unreadable_tdmrep"
    # Addresses and files that yield no picture.
    NOT_FOUND = "not_found"
    NO_SUCH_HOST = "no_such_host"
    SLOW = "slow"
    PRIVATE_REDIRECT = "private_redirect"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    HTML = "html"
    TOO_SMALL = "too_small"
    BOMB = "bomb"


FORMATS = (
    PictureKind.PNG,
    PictureKind.WEBP,
    PictureKind.GREY,
    PictureKind.CMYK,
    PictureKind.PNG_16_BIT,
    PictureKind.ANIMATED_GIF,
    PictureKind.ROTATED,
)
REPETITIONS = (PictureKind.BURST, PictureKind.RESAVED, PictureKind.SECOND_ADDRESS)
OPT_OUTS = (
    PictureKind.ROBOTS_TXT,
    PictureKind.ROBOTS_HEADER,
    PictureKind.ROBOTS_META,
    PictureKind.TDM_RESERVED,
    PictureKind.CONTENT_USAGE,
    PictureKind.CONTENT_SIGNAL,
    PictureKind.RSL_LINK,
    PictureKind.AI_TXT,
    PictureKind.IPTC_MINING,
    PictureKind.C2PA_MINING,
)
RECORDED = (PictureKind.TDM_POLICY, PictureKind.CC_SIGNALS, PictureKind.UNREADABLE_TDMREP)
WITHOUT_PICTURE = (
    PictureKind.NOT_FOUND,
    PictureKind.NO_SUCH_HOST,
    PictureKind.SLOW,
    PictureKind.PRIVATE_REDIRECT,
    PictureKind.TRUNCATED,
    PictureKind.EMPTY,
    PictureKind.HTML,
    PictureKind.TOO_SMALL,
    PictureKind.BOMB,
)


DIRT: dict[PictureKind, int] = {
    PictureKind.PNG: 2,
    PictureKind.WEBP: 3,
    PictureKind.GREY: 4,
    PictureKind.CMYK: 2,
    PictureKind.PNG_16_BIT: 1,
    PictureKind.ANIMATED_GIF: 2,
    PictureKind.ROTATED: 4,
    PictureKind.BURST: 26,
    PictureKind.RESAVED: 6,
    PictureKind.SECOND_ADDRESS: 8,
    PictureKind.SECOND_IDENTITY: 4,
    PictureKind.STRANGER: 26,
    PictureKind.OTHER_MEMBER: 10,
    PictureKind.GROUP: 14,
    PictureKind.NO_FACE: 18,
    PictureKind.FACE_LIKE: 8,
    PictureKind.SUNGLASSES: 12,
    PictureKind.HAND: 8,
    PictureKind.CARTOON: 12,
    PictureKind.STRANGE_COLOURS: 4,
    PictureKind.OUT_OF_FOCUS: 8,
    PictureKind.PIXELATED: 5,
    PictureKind.WRONG_AGE: 12,
    PictureKind.CHILDHOOD: 10,
    PictureKind.NON_COMMERCIAL: 6,
    PictureKind.NO_DERIVATIVES: 6,
    PictureKind.CLAIM_CONTRADICTED: 5,
    PictureKind.FILE_CONTRADICTS_PAGE: 2,
    PictureKind.UNSTATED: 5,
    PictureKind.CLAIM_ONLY: 4,
    PictureKind.DEAD_PAGE: 4,
    PictureKind.ROBOTS_TXT: 4,
    PictureKind.ROBOTS_HEADER: 4,
    PictureKind.ROBOTS_META: 4,
    PictureKind.TDM_RESERVED: 4,
    PictureKind.NOT_FOUND: 4,
    PictureKind.NO_SUCH_HOST: 3,
    PictureKind.SLOW: 1,
    PictureKind.PRIVATE_REDIRECT: 1,
    PictureKind.TRUNCATED: 3,
    PictureKind.EMPTY: 2,
    PictureKind.HTML: 3,
    PictureKind.TOO_SMALL: 3,
    PictureKind.BOMB: 1,
    # At the end: what was drawn before stays as it was.
    **dict.fromkeys(
        (
            PictureKind.CONTENT_USAGE,
            PictureKind.CONTENT_SIGNAL,
            PictureKind.RSL_LINK,
            PictureKind.AI_TXT,
            PictureKind.IPTC_MINING,
            PictureKind.C2PA_MINING,
            PictureKind.TDM_POLICY,
            PictureKind.CC_SIGNALS,
            PictureKind.UNREADABLE_TDMREP,
        ),
        2,
    ),
}


_SHOWING_NOBODY = (PictureKind.NO_FACE, PictureKind.FACE_LIKE, PictureKind.EMPTY, PictureKind.HTML, PictureKind.BOMB)


@dataclass(frozen=True)
class Find:
    """Find: one search result.

    - `identity`: identity that was searched for;
    - `number`: number among the finds of the identity, from 0;
    - `kind`: kind of the picture;
    - `people`: identities on the picture;
    - `repeats`: number of the find of the same identity that it repeats, or None;
    - `taken_from`: key of the find of another identity that has the same picture, or None.
    """

    identity: str
    number: int
    kind: PictureKind
    people: tuple[str, ...] = ()
    repeats: int | None = None
    taken_from: tuple[str, int] | None = None

    @property
    def key(self) -> tuple[str, int]:
        """Identity and number, unique in the sample."""
        return self.identity, self.number


@dataclass(frozen=True)
class SampleSize:
    """Size of a sample. The default is the shipped sample; tests make smaller ones.

    - `cast`: identities with many pictures;
    - `rare`: identities with too few pictures;
    - `clean`: minimum and maximum number of clean pictures of an identity of the cast;
    - `dirt`: kind → number of pictures, None for DIRT.
    """

    cast: Sequence[Person] = CAST
    rare: Sequence[Person] = RARELY_PICTURED
    clean: tuple[int, int] = CLEAN_PER_IDENTITY
    dirt: Mapping[PictureKind, int] | None = None

    @property
    def people(self) -> list[Person]:
        """People of the roster."""
        return [*self.cast, *self.rare]


WHOLE = SampleSize()


def plan(seed: int, size: SampleSize = WHOLE) -> list[Find]:
    """Finds of all identities, in the order of the roster, then by number."""
    rng = np.random.default_rng([seed, 1])
    dirt = DIRT if size.dirt is None else size.dirt
    finds: dict[str, list[Find]] = {person.identity: [] for person in size.people}
    for person in size.people:
        count = int(rng.integers(size.clean[0], size.clean[1] + 1)) if person in size.cast else CLEAN_IF_RARE
        for _ in range(count):
            _append(finds, person, PictureKind.CLEAN, people=(person.identity,))
    for kind, count in dirt.items():
        for person in _receivers(kind, count, size, rng):
            _append(finds, person, kind, **_particulars(kind, person, finds, size, rng))
    return [find for person in size.people for find in finds[person.identity]]


def _append(finds: dict[str, list[Find]], person: Person, kind: PictureKind, **particulars: object) -> None:
    own = finds[person.identity]
    own.append(replace(Find(person.identity, len(own), kind), **particulars))


def _receivers(kind: PictureKind, count: int, size: SampleSize, rng: np.random.Generator) -> list[Person]:
    """People whose searches find the pictures of a kind, evenly distributed among those who can have it."""
    able: list[Person] = list(size.cast)
    if kind in (PictureKind.STRANGER, PictureKind.GROUP, PictureKind.SUNGLASSES):
        able += size.rare
    if kind is PictureKind.WRONG_AGE:
        able = [person for person in able if person.age == OLD]
    order: list[Person] = []
    while len(order) < count:
        order += [able[index] for index in rng.permutation(len(able))]
    return order[:count]


def _particulars(
    kind: PictureKind, person: Person, finds: dict[str, list[Find]], size: SampleSize, rng: np.random.Generator
) -> dict[str, object]:
    people: tuple[str, ...] = (person.identity,)
    if kind is PictureKind.STRANGER:
        people = (_any(STRANGERS, rng).identity,)
    elif kind is PictureKind.OTHER_MEMBER:
        people = (_any(_others(size.cast, person), rng).identity,)
    elif kind is PictureKind.GROUP:
        people = _company(person, size, rng)
    elif kind in _SHOWING_NOBODY:
        people = ()
    elif kind is PictureKind.SECOND_IDENTITY:
        other = _any(_others(size.cast, person), rng).identity
        return {"people": (other,), "taken_from": (other, _clean(finds[other], rng))}
    elif kind in REPETITIONS:
        return {"people": people, "repeats": _clean(finds[person.identity], rng)}
    return {"people": people}


def _company(person: Person, size: SampleSize, rng: np.random.Generator) -> tuple[str, ...]:
    """Identities on a group picture: the person, a stranger, and sometimes another of the roster, in random order."""
    beside = [_any(STRANGERS, rng).identity, _any(_others(size.cast, person), rng).identity]
    people = [person.identity, *beside[: int(rng.integers(1, 3))]]
    return tuple(people[index] for index in rng.permutation(len(people)))


def _others(people: Sequence[Person], person: Person) -> list[Person]:
    return [other for other in people if other != person]


def _any(people: Sequence[Person], rng: np.random.Generator) -> Person:
    return people[int(rng.integers(len(people)))]


def _clean(finds: list[Find], rng: np.random.Generator) -> int:
    clean = [find.number for find in finds if find.kind is PictureKind.CLEAN]
    return clean[int(rng.integers(len(clean)))]
