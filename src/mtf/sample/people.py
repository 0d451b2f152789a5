"""Drawn people: their roster and appearance; and the pose and expression of a head on a picture.

The people are invented.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtf.sample.paint import Colour, Points, hsv

YOUNG, OLD = "Young", "Old"
MALES, FEMALES = "Males", "Females"

# Race → hue in degrees, saturation and value of the skin.
PALETTES = {
    "Amber": (27, 0.50, 0.93),
    "Blue": (208, 0.42, 0.90),
    "Green": (112, 0.36, 0.86),
    "Violet": (283, 0.32, 0.90),
}
YOUNG_HAIR = ((20, 0.55, 0.16), (18, 0.62, 0.32), (28, 0.60, 0.55), (12, 0.75, 0.48), (230, 0.35, 0.20))
OLD_HAIR = ((220, 0.03, 0.88), (35, 0.06, 0.80), (215, 0.06, 0.68), (30, 0.10, 0.74))
IRISES = ((25, 0.65, 0.35), (205, 0.60, 0.55), (120, 0.45, 0.45), (35, 0.75, 0.50), (220, 0.15, 0.40))

HAIR_STYLES = {
    (MALES, YOUNG): ("short", "side_part", "curly_short", "swept", "crew"),
    (MALES, OLD): ("receding", "side_part", "sides_only", "swept"),
    (FEMALES, YOUNG): ("long", "fringe", "wavy", "curly_long", "bob"),
    (FEMALES, OLD): ("bob", "bun", "wavy", "curly_long"),
}
BEARDS = {YOUNG: ("none", "none", "stubble", "goatee"), OLD: ("full", "moustache", "none", "stubble")}


@dataclass(frozen=True)
class FacialTraits:
    """Facial traits of a person, the same on all pictures.

    Lengths are in head units: the chin is about 1 below the middle of the face.

    - `skin`, `hair`, `iris`, `lips`: colours;
    - `face_width`, `jaw`, `chin`: shape of the face; a larger `jaw` is more square;
    - `eye_gap`, `eye_size`, `eye_tilt`, `eye_height`: shape and position of the eyes; `eye_gap` is from the middle;
    - `brow_thickness`, `brow_arch`: shape of the brows;
    - `nose_length`, `nose_width`, `mouth_width`, `lip_fullness`: shape of nose and mouth;
    - `hair_style`: one of HAIR_STYLES;
    - `hair_length`, `hair_volume`, `part`: shape of the hair; `part` is the position of the parting;
    - `beard`: one of BEARDS;
    - `lashes`, `wrinkles`: strength, 0 to 1;
    - `mole`: position, or None;
    - `glasses`, `freckles`, `scar`, `earrings`: true if the person has them.
    """

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    face_width: float
    jaw: float
    chin: float
    eye_gap: float
    eye_size: float
    eye_tilt: float
    eye_height: float
    brow_thickness: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip_fullness: float
    hair_style: str
    hair_length: float
    hair_volume: float
    part: float
    beard: str
    lashes: float
    wrinkles: float
    glasses: bool
    freckles: bool
    mole: tuple[float, float] | None
    scar: bool
    earrings: bool


@dataclass(frozen=True)
class Person:
    """Drawn person, a row of the roster.

    - `identity`: slug;
    - `name`: full name, the search query;
    - `race`, `gender`, `age`: labels.
    """

    identity: str
    name: str
    race: str
    gender: str
    age: str

    def traits(self) -> FacialTraits:
        """Traits in the age group of the roster."""
        return self.at_age(self.age)

    def at_age(self, age: str) -> FacialTraits:
        """Traits in an age group: the same face with young or grey hair, smooth or lined skin."""
        rng = _generator(self.identity)
        traits = _young(self.race, self.gender, rng)
        return traits if age == YOUNG else _aged(traits, self.gender, rng)

    def at_other_age(self) -> FacialTraits:
        """Traits in the other age group."""
        return self.at_age(YOUNG if self.age == OLD else OLD)

    def as_child(self) -> FacialTraits:
        """Traits at about six years: a rounder face with large, low eyes."""
        traits = self.at_age(YOUNG)
        return replace(
            traits,
            face_width=0.93,
            jaw=0.18,
            chin=0.86,
            eye_size=traits.eye_size * 1.28,
            eye_height=traits.eye_height + 0.13,
            nose_length=traits.nose_length * 0.72,
            nose_width=traits.nose_width * 0.85,
            mouth_width=traits.mouth_width * 0.8,
            brow_thickness=traits.brow_thickness * 0.6,
            beard="none",
            glasses=False,
            earrings=False,
        )


CAST = (
    Person("amber-lozenge", "Amber Lozenge", "Amber", MALES, YOUNG),
    Person("copper-chevron", "Copper Chevron", "Amber", MALES, YOUNG),
    Person("ochre-trapezoid", "Ochre Trapezoid", "Amber", MALES, OLD),
    Person("saffron-ellipse", "Saffron Ellipse", "Amber", FEMALES, YOUNG),
    Person("honey-of-the-long-arc", "Honey of the Long Arc", "Amber", FEMALES, OLD),
    Person("cobalt-ocircle", "Cobalt O'Circle", "Blue", MALES, YOUNG),
    Person("indigo-octagon", "Indigo Octagon", "Blue", MALES, OLD),
    Person("azure-crescent", "Azure Crescent", "Blue", FEMALES, YOUNG),
    Person("cerulean-helix", "Cerulean Helix", "Blue", FEMALES, YOUNG),
    Person("teal-rhombus", "Teal Rhombus", "Blue", FEMALES, OLD),
    Person("prasinos-kyvos", "Πράσινος Κύβος", "Green", MALES, YOUNG),
    Person("moss-hexagon", "Moss Hexagon", "Green", MALES, OLD),
    Person("jade-spiral", "Jade Spiral", "Green", FEMALES, YOUNG),
    Person("fern-parabola", "Fern Parabola", "Green", FEMALES, OLD),
    Person("olive-torus", "Olive Torus", "Green", FEMALES, OLD),
    Person("plum-pentagon", "Plum Pentagon", "Violet", MALES, YOUNG),
    Person("mauve-cylinder", "Mauve Cylinder", "Violet", MALES, OLD),
    Person("thistle-prism", "Thistle Prism", "Violet", MALES, OLD),
    Person("zi-sanjiao", "紫 三角", "Violet", FEMALES, YOUNG),
    Person("lilac-ellipsoid", "Lilac Ellipsoid", "Violet", FEMALES, OLD),
)

# Identities with fewer usable pictures than the funnel's last step requires.
RARELY_PICTURED = (
    Person("russet-cusp", "Russet Cusp", "Amber", FEMALES, YOUNG),
    Person("slate-wedge", "Slate Wedge", "Blue", MALES, YOUNG),
)

# People of no roster who appear in search results.
STRANGERS = tuple(
    Person(f"stranger-{number}", f"Stranger {number}", race, gender, age)
    for number, (race, gender, age) in enumerate(
        (
            ("Amber", MALES, YOUNG),
            ("Blue", FEMALES, YOUNG),
            ("Green", MALES, OLD),
            ("Violet", FEMALES, OLD),
            ("Amber", FEMALES, OLD),
            ("Violet", MALES, YOUNG),
            ("Green", FEMALES, YOUNG),
            ("Blue", MALES, OLD),
        ),
        start=1,
    )
)


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode("utf-8")))


def _young(race: str, gender: str, rng: np.random.Generator) -> FacialTraits:
    female = gender == FEMALES
    hue, saturation, value = PALETTES[race]
    skin = hsv(hue + rng.uniform(-7, 7), saturation + rng.uniform(-0.09, 0.09), value + rng.uniform(-0.07, 0.05))
    lips_hue = 352 if race == "Amber" else hue + (25 if race == "Violet" else 0)
    return FacialTraits(
        skin=skin,
        hair=hsv(*_pick(YOUNG_HAIR, rng)),
        iris=hsv(*_pick(IRISES, rng)),
        lips=hsv(lips_hue, saturation + (0.30 if female else 0.12), value - (0.22 if female else 0.27)),
        face_width=rng.uniform(0.72, 0.80) if female else rng.uniform(0.76, 0.88),
        jaw=rng.uniform(0.05, 0.35) if female else rng.uniform(0.45, 0.95),
        chin=rng.uniform(0.93, 1.0) if female else rng.uniform(0.97, 1.06),
        eye_gap=rng.uniform(0.31, 0.38),
        eye_size=rng.uniform(0.165, 0.20) if female else rng.uniform(0.145, 0.175),
        eye_tilt=rng.uniform(-0.10, 0.18),
        eye_height=rng.uniform(-0.14, -0.06),
        brow_thickness=rng.uniform(0.035, 0.05) if female else rng.uniform(0.06, 0.095),
        brow_arch=rng.uniform(0.05, 0.12) if female else rng.uniform(0.0, 0.06),
        nose_length=rng.uniform(0.36, 0.46),
        nose_width=rng.uniform(0.12, 0.16) if female else rng.uniform(0.145, 0.20),
        mouth_width=rng.uniform(0.25, 0.32),
        lip_fullness=rng.uniform(0.085, 0.11) if female else rng.uniform(0.05, 0.075),
        hair_style=str(rng.choice(HAIR_STYLES[gender, YOUNG])),
        hair_length=rng.uniform(1.0, 1.7),
        hair_volume=rng.uniform(0.10, 0.24),
        part=float(rng.choice([-0.35, 0.0, 0.35])),
        beard="none" if female else str(rng.choice(BEARDS[YOUNG])),
        lashes=1.0 if female else 0.35,
        wrinkles=0.0,
        glasses=bool(rng.random() < 0.22),
        freckles=bool(rng.random() < 0.25),
        mole=(float(rng.uniform(-0.4, 0.4)), float(rng.uniform(0.25, 0.5))) if rng.random() < 0.3 else None,
        scar=bool(rng.random() < 0.15),
        earrings=female and bool(rng.random() < 0.55),
    )


def _aged(traits: FacialTraits, gender: str, rng: np.random.Generator) -> FacialTraits:
    return replace(
        traits,
        hair=hsv(*_pick(OLD_HAIR, rng)),
        hair_style=str(rng.choice(HAIR_STYLES[gender, OLD])),
        hair_length=rng.uniform(0.7, 1.1),
        beard="none" if gender == FEMALES else str(rng.choice(BEARDS[OLD])),
        wrinkles=rng.uniform(0.75, 1.0),
        lip_fullness=traits.lip_fullness * 0.75,
        eye_size=traits.eye_size * 0.93,
    )


def _pick(colours: tuple[tuple[float, float, float], ...], rng: np.random.Generator) -> tuple[float, float, float]:
    return colours[int(rng.integers(len(colours)))]


@dataclass(frozen=True)
class Pose:
    """Pose of a head.

    - `x_px`, `y_px`: middle of the face;
    - `size_px`: one head unit, from the middle of the face to the chin;
    - `yaw`, `pitch`, `roll`: in degrees.
    """

    x_px: float
    y_px: float
    size_px: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True)
class Expression:
    """Expression of a face, and its light.

    - `smile`: -1 to 1;
    - `open`: opening of the mouth, 0 to 1;
    - `lids`: 0 (shut) to 1;
    - `gaze`: -1 (left) to 1 (right);
    - `brows`: how far the brows are raised;
    - `light_from`: -1 left, 1 right;
    - `light_strength`: 0 to 1.
    """

    smile: float = 0.3
    open: float = 0.0
    lids: float = 1.0
    gaze: float = 0.0
    brows: float = 0.0
    light_from: int = 1
    light_strength: float = 0.6


class HeadProjection:
    """Projection of the points of a posed head onto the canvas."""

    def __init__(self, pose: Pose, face_width: float) -> None:
        self.pose = pose
        self._face_width = face_width
        self._yaw, self._pitch, self._roll = map(math.radians, (pose.yaw, pose.pitch, pose.roll))

    def px(self, length: float) -> float:
        """Pixels of a length in head units."""
        return length * self.pose.size_px

    def points(self, points: Points | Sequence[tuple[float, float]], *, depth: float | None = None) -> Points:
        """Points (n, 2) in head units → pixels. `depth` is towards the viewer; None: on the surface of the face."""
        x, y = np.asarray(points, float).T
        z = self._surface(x, y) if depth is None else depth
        turned = x * math.cos(self._yaw) + z * math.sin(self._yaw)
        tilted = y * math.cos(self._pitch) + z * math.sin(self._pitch)
        across = turned * math.cos(self._roll) - tilted * math.sin(self._roll)
        down = turned * math.sin(self._roll) + tilted * math.cos(self._roll)
        return np.stack([across, down], axis=1) * self.pose.size_px + (self.pose.x_px, self.pose.y_px)

    def _surface(self, x: Points, y: Points) -> Points:
        inside = 1 - (x / (1.02 * self._face_width)) ** 2 * 0.9 - (y / 1.15) ** 2 * 0.6
        return 0.72 * np.sqrt(np.clip(inside, 0, 1))
