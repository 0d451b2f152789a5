"""Drawing of a find: its picture, its file and the boxes of its faces; and pictures without faces.

One of the pictures without faces, a house front, looks like a face to a detector.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mtf.sample import photograph, picture_files
from mtf.sample.finds import Find, PictureKind
from mtf.sample.paint import Canvas, Points, circle, curve, hsv, mixed, shade
from mtf.sample.people import CAST, RARELY_PICTURED, STRANGERS
from mtf.sample.photograph import SIDE_PX, Hidden, Photograph
from mtf.sample.picture_files import File
from mtf.sample.portrait import Box

# Side of pictures in formats that compress badly.
SMALL_SIDE_PX = 240
TOO_SMALL_PX = 40
SIGN_IN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
_HIDDEN = {PictureKind.SUNGLASSES: Hidden.SUNGLASSES, PictureKind.HAND: Hidden.HAND}
_SIDES_PX = {
    PictureKind.PNG: SMALL_SIDE_PX,
    PictureKind.PNG_16_BIT: SMALL_SIDE_PX,
    PictureKind.ANIMATED_GIF: SMALL_SIDE_PX,
    PictureKind.TOO_SMALL: TOO_SMALL_PX,
}
_EFFECTS = {
    PictureKind.STRANGE_COLOURS: photograph.strange_colours,
    PictureKind.OUT_OF_FOCUS: photograph.out_of_focus,
    PictureKind.PIXELATED: photograph.pixelated,
}
_WRITERS = {
    PictureKind.PNG: picture_files.png,
    PictureKind.WEBP: picture_files.webp,
    PictureKind.GREY: picture_files.grey_jpeg,
    PictureKind.CMYK: picture_files.cmyk_jpeg,
    PictureKind.PNG_16_BIT: picture_files.png_16_bit,
    PictureKind.ROTATED: picture_files.rotated_jpeg,
}
_PEOPLE = {person.identity: person for person in (*CAST, *RARELY_PICTURED, *STRANGERS)}


@dataclass(frozen=True)
class DrawnFile:
    """File of a find.

    - `find`: the find;
    - `file`: content of its address;
    - `width`, `height`: of the upright picture in pixels, 0 if there is none;
    - `faces`: box (x, y, width, height) and identity of each face.
    """

    find: Find
    file: File
    width: int
    height: int
    faces: tuple[tuple[Box, str], ...]


@dataclass(frozen=True)
class DrawingJob:
    """Finds of one identity to draw.

    - `seed`: seed of the sample;
    - `finds`: the finds;
    - `rights`: number of a find → XMP packet to embed.
    """

    seed: int
    finds: tuple[Find, ...]
    rights: dict[int, str]


def draw(job: DrawingJob) -> list[DrawnFile]:
    """Draw the files of one identity, without those taken from others. The same job gives the same bytes."""
    cv2.setNumThreads(1)
    by_number = {find.number: find for find in job.finds}
    return [_drawn(find, job, by_number) for find in job.finds if find.taken_from is None]


def _drawn(find: Find, job: DrawingJob, by_number: dict[int, Find]) -> DrawnFile:
    if find.repeats is not None:
        return _repeated(find, by_number[find.repeats], job)
    taken = _photograph(find, job.seed)
    return _with_file(find, _file(find, taken, job), taken)


def _repeated(find: Find, original: Find, job: DrawingJob) -> DrawnFile:
    taken = _photograph(original, job.seed)
    if taken is None:
        raise ValueError(f"{original} has no picture to repeat")
    if find.kind is PictureKind.BURST:
        following = photograph.next_frame(taken, _generator(find, job.seed, purpose=2))
        return _with_file(find, picture_files.jpeg(following.pixels, xmp=job.rights.get(find.number)), following)
    file = _file(original, taken, job)
    return _with_file(find, picture_files.resaved(file) if find.kind is PictureKind.RESAVED else file, taken)


def _with_file(find: Find, file: File, taken: Photograph | None) -> DrawnFile:
    if taken is None:
        return DrawnFile(find, file, 0, 0, ())
    height, width = taken.pixels.shape[:2]
    return DrawnFile(find, file, width, height, taken.faces)


def _generator(find: Find, seed: int, *, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, purpose, zlib.crc32(find.identity.encode()), find.number])


def _photograph(find: Find, seed: int) -> Photograph | None:
    """Photograph of a find; None if its address has no picture."""
    rng = _generator(find, seed, purpose=1)
    if find.kind in (PictureKind.EMPTY, PictureKind.HTML, PictureKind.BOMB):
        return None
    if find.kind is PictureKind.NO_FACE:
        things = (landscape, pattern, poster)
        return things[find.number % len(things)](rng)
    if find.kind is PictureKind.FACE_LIKE:
        return house_front(rng)
    if find.kind is PictureKind.GROUP:
        return photograph.group([(_PEOPLE[who].traits(), who) for who in find.people], rng)
    return _of_one_person(find, find.people[0], rng)


def _of_one_person(find: Find, who: str, rng: np.random.Generator) -> Photograph:
    person = _PEOPLE[who]
    traits = {PictureKind.WRONG_AGE: person.at_other_age, PictureKind.CHILDHOOD: person.as_child}.get(
        find.kind, person.traits
    )()
    if find.kind is PictureKind.CARTOON:
        return photograph.cartoon(traits, who, rng)
    taken = photograph.portrait(
        traits, who, rng, hidden=_HIDDEN.get(find.kind), side_px=_SIDES_PX.get(find.kind, photograph.SIDE_PX)
    )
    effect = _EFFECTS.get(find.kind)
    return effect(taken, rng) if effect else taken


def _file(find: Find, taken: Photograph | None, job: DrawingJob) -> File:
    if taken is None:
        return _without_picture(find)
    if find.kind is PictureKind.ANIMATED_GIF:
        following = photograph.next_frame(taken, _generator(find, job.seed, purpose=2))
        return picture_files.animated_gif([taken.pixels, following.pixels])
    if find.kind in _WRITERS:
        return _WRITERS[find.kind](taken.pixels)
    if find.kind is PictureKind.IPTC_MINING:
        return picture_files.jpeg(taken.pixels, xmp=picture_files.mining_packet())
    written = picture_files.jpeg(taken.pixels, xmp=job.rights.get(find.number))
    if find.kind is PictureKind.C2PA_MINING:
        return picture_files.with_manifest(written)
    return picture_files.truncated(written) if find.kind is PictureKind.TRUNCATED else written


def _without_picture(find: Find) -> File:
    if find.kind is PictureKind.BOMB:
        return picture_files.bomb()
    return File(SIGN_IN_PAGE if find.kind is PictureKind.HTML else b"", "jpg")


def landscape(rng: np.random.Generator, *, side_px: int = SIDE_PX) -> Photograph:
    """Landscape of hills, sky, sun and trees."""
    width, height = round(1.2 * side_px), round(0.85 * side_px)
    canvas = Canvas(width, height, hsv(rng.uniform(190, 220), rng.uniform(0.15, 0.4), 0.95))
    sun = np.array([rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.3) * height])
    canvas.disc(sun, 0.06 * side_px, (200, 240, 255), soft_px=4)
    for layer in range(4):
        level = height * (0.42 + 0.14 * layer)
        ridge = [(x, level + rng.normal(0, 0.045) * height) for x in np.linspace(0, width, 8)]
        hill = np.concatenate([curve(ridge), [(width, height), (0, height)]])
        canvas.fill(hill, hsv(rng.uniform(70, 150), 0.15 + 0.09 * layer, 0.8 - 0.12 * layer))
    for _ in range(14):
        x, y = rng.uniform(0, width), rng.uniform(0.72, 0.97) * height
        canvas.stroke(np.array([(x, y), (x, y - 0.05 * side_px)]), (50, 70, 90), width_px=4)
        canvas.disc(np.array([x, y - 0.08 * side_px]), 0.045 * side_px, hsv(110, 0.5, rng.uniform(0.3, 0.6)))
    return _taken(canvas, rng)


def pattern(rng: np.random.Generator, *, side_px: int = SIDE_PX) -> Photograph:
    """Tiles or dots in two colours."""
    ground = hsv(rng.uniform(0, 360), rng.uniform(0.2, 0.6), rng.uniform(0.6, 0.95))
    figure = hsv(rng.uniform(0, 360), rng.uniform(0.2, 0.7), rng.uniform(0.25, 0.7))
    canvas = Canvas(side_px, side_px, ground)
    step = side_px / int(rng.integers(5, 10))
    dots = rng.random() < 0.5
    for row in range(10):
        for column in range(10):
            middle = step * np.array([column + 0.5 + 0.5 * (row % 2), row + 0.5])
            if dots:
                canvas.disc(middle, 0.3 * step, figure)
            else:
                canvas.fill(middle + 0.42 * step * np.array([(0, -1), (1, 0), (0, 1), (-1, 0)]), figure)
    return _taken(canvas, rng)


def poster(rng: np.random.Generator, *, side_px: int = SIDE_PX) -> Photograph:
    """Poster with shapes and large letters."""
    width, height = round(0.8 * side_px), round(1.1 * side_px)
    paper = hsv(rng.uniform(0, 360), rng.uniform(0.1, 0.35), 0.92)
    canvas = Canvas(width, height, paper)
    for _ in range(5):
        middle, radius = rng.uniform(0.1, 0.9, 2) * (width, height), rng.uniform(0.06, 0.2) * side_px
        colour = hsv(rng.uniform(0, 360), 0.6, rng.uniform(0.4, 0.9))
        canvas.fill(circle(middle, radius, height=radius * rng.uniform(0.4, 1.2)), colour, opacity=0.85)
    taken = _taken(canvas, rng)
    ink = tuple(round(value) for value in shade(paper, 0.25))
    for line, word in enumerate(("OPEN", "TODAY", "10-18")):
        place = (round(0.12 * width), round((0.25 + 0.27 * line) * height))
        cv2.putText(taken.pixels, word, place, cv2.FONT_HERSHEY_DUPLEX, width / 150, ink, 5, cv2.LINE_AA)
    return taken


def house_front(rng: np.random.Generator, *, side_px: int = SIDE_PX) -> Photograph:
    """House with two windows, a lamp and a wide door, which detectors take for a face."""
    canvas = Canvas(side_px, side_px, hsv(rng.uniform(190, 220), 0.25, 0.85))
    unit = rng.uniform(0.26, 0.32) * side_px
    middle = np.array([0.5 * side_px + rng.normal(0, 12), 0.50 * side_px])
    wall = hsv(rng.uniform(25, 55), rng.uniform(0.1, 0.3), 0.9)
    at = _scaled(middle, unit)
    canvas.fill(at([(-2, 1.02), (2, 1.02), (2, 4), (-2, 4)]), hsv(100, 0.35, 0.5))
    canvas.fill(at([(-1.05, -0.75), (0, -1.35), (1.05, -0.75)]), hsv(rng.uniform(0, 30), 0.5, 0.35))
    canvas.fill(at([(-0.85, -0.8), (0.85, -0.8), (0.88, 1.05), (-0.88, 1.05)]), wall)
    for side in (-1, 1):
        canvas.fill(at(circle((side * 0.40, -0.12), 0.30, height=0.16)), shade(wall, 0.5), soft_px=0.05 * unit)
        canvas.fill(at(circle((side * 0.40, -0.10), 0.20, height=0.10)), (45, 40, 38))
        canvas.fill(
            at([(side * 0.16, -0.30), (side * 0.64, -0.34), (side * 0.66, -0.26), (side * 0.15, -0.22)]),
            shade(wall, 0.35),
        )
    canvas.fill(
        at([(-0.07, -0.2), (0.07, -0.2), (0.08, 0.32), (-0.08, 0.32)]),
        mixed(wall, (255, 255, 255), 0.7),
        soft_px=0.03 * unit,
    )
    canvas.fill(at(circle((0, 0.38), 0.16, height=0.06)), shade(wall, 0.5), soft_px=0.03 * unit)
    canvas.fill(at([(-0.32, 0.60), (0.32, 0.60), (0.30, 0.76), (-0.30, 0.76)]), (60, 50, 90), soft_px=0.02 * unit)
    canvas.stroke(at([(-0.9, 1.0), (0.9, 1.0)]), shade(wall, 0.45), width_px=0.12 * unit, soft_px=0.05 * unit)
    return _taken(canvas, rng)


def _scaled(middle: np.ndarray, unit_px: float) -> Callable[[Points | list[tuple[float, float]]], Points]:
    """Function that scales points, in units around `middle`, to pixels."""
    return lambda points: np.asarray(points, float) * unit_px + middle


def _taken(canvas: Canvas, rng: np.random.Generator) -> Photograph:
    pixels = cv2.GaussianBlur(canvas.pixels, (0, 0), 0.8)
    grain = rng.standard_normal((*pixels.shape[:2], 1), np.float32) * np.float32(1.5)
    return Photograph(np.clip(pixels + grain, 0, 255).astype(np.uint8))
