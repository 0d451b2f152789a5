"""Every kind of picture in the sample, clean or dirty, and how many there are of each."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What is special about one search result."""

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


FORMATS = (Kind.PNG, Kind.WEBP, Kind.GREY, Kind.CMYK, Kind.PNG_16_BIT, Kind.ANIMATED_GIF, Kind.ROTATED)
REPETITIONS = (Kind.BURST, Kind.RESAVED, Kind.SECOND_ADDRESS)
OPT_OUTS = (Kind.ROBOTS_TXT, Kind.ROBOTS_HEADER, Kind.ROBOTS_META, Kind.TDM_RESERVED)
WITHOUT_PICTURE = (
    Kind.NOT_FOUND,
    Kind.NO_SUCH_HOST,
    Kind.SLOW,
    Kind.PRIVATE_REDIRECT,
    Kind.TRUNCATED,
    Kind.EMPTY,
    Kind.HTML,
    Kind.TOO_SMALL,
    Kind.BOMB,
)

CLEAN_PER_IDENTITY = (14, 18)
"""Least and most clean pictures of each identity of the cast."""
CLEAN_IF_RARE = 3

DIRT: dict[Kind, int] = {
    Kind.PNG: 2,
    Kind.WEBP: 3,
    Kind.GREY: 4,
    Kind.CMYK: 2,
    Kind.PNG_16_BIT: 1,
    Kind.ANIMATED_GIF: 2,
    Kind.ROTATED: 4,
    Kind.BURST: 26,
    Kind.RESAVED: 6,
    Kind.SECOND_ADDRESS: 8,
    Kind.SECOND_IDENTITY: 4,
    Kind.STRANGER: 26,
    Kind.OTHER_MEMBER: 10,
    Kind.GROUP: 14,
    Kind.NO_FACE: 18,
    Kind.FACE_LIKE: 8,
    Kind.SUNGLASSES: 12,
    Kind.HAND: 8,
    Kind.CARTOON: 12,
    Kind.STRANGE_COLOURS: 4,
    Kind.OUT_OF_FOCUS: 8,
    Kind.PIXELATED: 5,
    Kind.WRONG_AGE: 12,
    Kind.CHILDHOOD: 10,
    Kind.NON_COMMERCIAL: 6,
    Kind.NO_DERIVATIVES: 6,
    Kind.CLAIM_CONTRADICTED: 5,
    Kind.FILE_CONTRADICTS_PAGE: 2,
    Kind.UNSTATED: 5,
    Kind.CLAIM_ONLY: 4,
    Kind.DEAD_PAGE: 4,
    Kind.ROBOTS_TXT: 4,
    Kind.ROBOTS_HEADER: 4,
    Kind.ROBOTS_META: 4,
    Kind.TDM_RESERVED: 4,
    Kind.NOT_FOUND: 4,
    Kind.NO_SUCH_HOST: 3,
    Kind.SLOW: 1,
    Kind.PRIVATE_REDIRECT: 1,
    Kind.TRUNCATED: 3,
    Kind.EMPTY: 2,
    Kind.HTML: 3,
    Kind.TOO_SMALL: 3,
    Kind.BOMB: 1,
}
