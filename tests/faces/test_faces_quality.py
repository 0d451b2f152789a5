"""Measures of a face put pictures in the order in which people would."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mtf.config import Crop
from mtf.faces import crop as cut
from mtf.faces import quality
from mtf.faces.box import Box


@pytest.fixture(scope="module")
def crop_of(as_jpeg):
    """A picture's one crop and the face's box in it."""

    def find(pixels):
        [face] = cut.cut_faces(as_jpeg(pixels, quality=97), Crop(detector="haar"), max_pixels=10**8)
        box = face.box._replace(x=face.box.x - face.place.x, y=face.box.y - face.place.y)
        return cut.cut(pixels, face.place), box

    return find


@pytest.fixture(scope="module")
def crop(crop_of, drawn_face):
    return crop_of(drawn_face)


def test_sharpness_falls_with_blur(crop):
    pixels, box = crop
    blurred = [pixels, *(cv2.GaussianBlur(pixels, (0, 0), sigma) for sigma in (1, 2, 4, 8))]
    values = [quality.measure(picture, box).sharpness for picture in blurred]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0] / 10


def test_sharpness_does_not_hang_on_the_resolution(crop):
    pixels, box = crop
    double = cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    twice = quality.measure(double, Box(*(2 * value for value in box)))
    assert twice.sharpness == pytest.approx(quality.measure(pixels, box).sharpness, rel=0.3)
    assert twice.size_px == 2 * quality.measure(pixels, box).size_px


def test_brightness_and_clipping_follow_the_light(crop):
    pixels, box = crop
    measures = [
        quality.measure(np.clip(pixels.astype(int) + light, 0, 255).astype(np.uint8), box)
        for light in (-120, -40, 0, 40, 120)
    ]
    light = [measure.brightness for measure in measures]
    assert light == sorted(light)
    assert measures[2].clipped_share < 0.01
    assert measures[0].clipped_share > 0.1
    assert measures[4].clipped_share > 0.1


def test_eyes_are_found_open_and_not_behind_dark_glasses(crop):
    pixels, box = crop
    assert quality.measure(pixels, box).eyes == 2
    hidden = pixels.copy()
    top = box.y + round(0.25 * box.height)
    hidden[top : top + round(0.25 * box.height)] = (25, 25, 25)
    assert quality.measure(hidden, box).eyes == 0


def test_one_covered_eye_leaves_one(crop):
    pixels, box = crop
    covered = pixels.copy()
    top, middle = box.y + round(0.2 * box.height), box.x + box.width // 2
    covered[top : top + round(0.3 * box.height), middle:] = (25, 25, 25)
    assert quality.measure(covered, box).eyes == 1


def test_a_flat_drawing_looks_less_like_a_photograph_than_a_noisy_picture(crop, as_jpeg):
    pixels, _ = crop
    drawn = cv2.medianBlur(pixels, 15) // 32 * 32
    assert quality.not_photograph(pixels) == 0
    assert quality.not_photograph(drawn) > 0.8
    compressed = cut.decoded(as_jpeg(drawn, quality=92))
    assert 0.3 < quality.not_photograph(compressed) < quality.not_photograph(drawn), "JPEG's ringing hides some of it"


def test_a_soft_gradient_of_many_colours_is_only_half_suspect():
    across = np.linspace(0, 255, 300)
    gradient = np.dstack(np.broadcast_arrays(across[:, None], across[None, :], (across[:, None] + across) / 2))
    assert 0.3 < quality.not_photograph(gradient.astype(np.uint8)) <= 0.6


def test_the_hash_keeps_through_light_size_and_compression(crop, as_jpeg):
    pixels, _ = crop
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    first = quality.perceptual_hash(grey)
    others = {
        "light": np.clip(grey * 0.8 + 10, 0, 255).astype(np.uint8),
        "size": cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "compression": cv2.cvtColor(cut.decoded(as_jpeg(pixels, quality=50)), cv2.COLOR_BGR2GRAY),
    }
    apart = {name: (first ^ quality.perceptual_hash(other)).bit_count() for name, other in others.items()}
    assert max(apart.values()) <= 8, apart
    assert (first ^ quality.perceptual_hash(grey.T)).bit_count() > 20
    assert 0 <= first < 2**64


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (20, 21)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_smallest_and_emptiest_crops_are_measured_without_an_error(shape, level):
    pixels = np.full((*shape, 3), level, np.uint8)
    measured = quality.measure(pixels, Box(0, 0, shape[1], shape[0]))
    assert measured.sharpness == 0
    assert measured.eyes == 0
    assert measured.brightness == level


@pytest.mark.real
def test_photographs_pass_for_photographs_and_show_their_eyes(orl_people):
    faces = [
        (cut.decoded(face.jpeg), face.box._replace(x=face.box.x - face.place.x, y=face.box.y - face.place.y))
        for shots in orl_people
        for face in cut.cut_faces(shots[0], Crop(detector="haar"), max_pixels=10**6)
    ]
    measures = [quality.measure(*face) for face in faces]
    assert len(measures) >= 9
    assert max(measure.not_photograph for measure in measures) < 0.2
    assert np.mean([measure.eyes > 0 for measure in measures]) > 0.85
