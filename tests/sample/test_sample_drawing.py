"""The drawings: people who can be told apart, and files of every kind."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mtf.config import Params
from mtf.faces import crop
from mtf.sample import photograph, picture_files
from mtf.sample.finds import FORMATS, REPETITIONS, PictureKind
from mtf.sample.people import CAST, FEMALES, OLD, RARELY_PICTURED, STRANGERS, YOUNG
from mtf.sample.photograph import Photograph


def _only(sample, kind: PictureKind):
    return next(truth for truth in sample.truths if truth.kind is kind)


def _opened(sample, kind: PictureKind) -> Image.Image:
    return Image.open(io.BytesIO(sample.body(_only(sample, kind))))


def _skin(taken: Photograph) -> np.ndarray:
    """Mean colour (BGR) between the eyes and the mouth."""
    x, y, width, height = taken.faces[0][0]
    middle = taken.pixels[y + height // 2 : y + 2 * height // 3, x + width // 4 : x + 3 * width // 4]
    return middle.reshape(-1, 3).mean(axis=0)


def test_every_cell_of_race_gender_and_age_has_an_identity() -> None:
    cells = {(person.race, person.gender, person.age) for person in CAST}
    assert len(CAST) == 20
    assert len(cells) == 4 * 2 * 2


def test_no_two_people_look_the_same() -> None:
    people = (*CAST, *RARELY_PICTURED, *STRANGERS)
    assert len({person.traits() for person in people}) == len(people)


def test_a_look_belongs_to_its_person_for_good() -> None:
    assert CAST[0].traits() == CAST[0].traits()


def test_age_shows_in_grey_hair_and_lines_and_leaves_the_features_alone() -> None:
    old = next(person for person in CAST if person.age == OLD and person.gender == FEMALES)
    now, then = old.traits(), old.at_age(YOUNG)
    assert now.wrinkles > 0.5 > then.wrinkles
    assert min(now.hair) > max(then.hair)
    assert (now.eye_gap, now.nose_width, now.face_width) == (then.eye_gap, then.nose_width, then.face_width)


def test_a_palette_shows_in_the_skin_whatever_the_light() -> None:
    rng = np.random.default_rng(1)
    for race, strongest in {"Amber": 2, "Blue": 0, "Green": 1}.items():
        for person in [person for person in CAST if person.race == race][::3]:
            skin = _skin(photograph.portrait(person.traits(), person.identity, rng))
            assert int(skin.argmax()) == strongest, person.identity


def test_the_same_generator_gives_the_same_picture() -> None:
    one, other = (photograph.portrait(CAST[3].traits(), "x", np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.pixels, other.pixels)
    assert one.faces == other.faces


def test_a_group_shows_everyone_from_left_to_right() -> None:
    people = [(person.traits(), person.identity) for person in CAST[:3]]
    taken = photograph.group(people, np.random.default_rng(2))
    assert [who for _, who in taken.faces] == [person.identity for person in CAST[:3]]
    lefts = [box[0] for box, _ in taken.faces]
    assert lefts == sorted(lefts)


def test_true_boxes_lie_inside_their_pictures(small) -> None:
    for truth in small.truths:
        for (x, y, width, height), _ in truth.faces:
            assert x >= 0 <= y, truth
            assert x + width <= truth.width, truth
            assert y + height <= truth.height, truth


def test_the_detector_agrees_with_the_true_boxes(small, sample_params: Params) -> None:
    clean = [truth for truth in small.truths if truth.kind is PictureKind.CLEAN]
    for truth in clean:
        found = crop.cut_faces(small.body(truth), sample_params.crop, max_pixels=10**8)
        assert any(_iou(tuple(face.box), truth.faces[0][0]) >= 0.5 for face in found), truth


def _iou(one, other) -> float:
    shared = max(0, min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])) * max(
        0, min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    )
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def test_unusual_files_are_what_they_claim(small) -> None:
    assert _opened(small, PictureKind.PNG).format == "PNG"
    assert _opened(small, PictureKind.WEBP).format == "WEBP"
    assert _opened(small, PictureKind.GREY).mode == "L"
    assert _opened(small, PictureKind.CMYK).mode == "CMYK"
    assert _opened(small, PictureKind.ANIMATED_GIF).n_frames == 2
    deep = cv2.imdecode(np.frombuffer(small.body(_only(small, PictureKind.PNG_16_BIT)), np.uint8), cv2.IMREAD_UNCHANGED)
    assert deep.dtype == np.uint16


def test_a_telephones_picture_is_stored_turned_and_says_where_it_was_taken(small) -> None:
    truth = _only(small, PictureKind.ROTATED)
    stored = _opened(small, PictureKind.ROTATED)
    assert stored.getexif()[0x0112] == 6
    assert stored.getexif().get_ifd(0x8825)
    assert stored.size == (truth.height, truth.width)


def test_a_resaved_picture_has_other_bytes_and_the_same_pixels(small) -> None:
    again = _only(small, PictureKind.RESAVED)
    original = next(truth for truth in small.truths if truth.url == again.repeats)
    one, other = small.body(again), small.body(original)
    assert one != other
    assert np.array_equal(*(cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR) for body in (one, other)))


def test_a_burst_is_nearly_its_original(small) -> None:
    again = _only(small, PictureKind.BURST)
    original = next(truth for truth in small.truths if truth.url == again.repeats)
    one, other = (
        cv2.imdecode(np.frombuffer(small.body(truth), np.uint8), cv2.IMREAD_GRAYSCALE).astype(float)
        for truth in (again, original)
    )
    assert not np.array_equal(one, other)
    assert np.abs(one - other).mean() < 20


def test_the_bomb_is_small_until_it_is_opened(small) -> None:
    body = small.body(_only(small, PictureKind.BOMB))
    assert len(body) < 150_000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(body))
    assert int.from_bytes(body[16:20], "big") == picture_files.BOMB_SIDE_PX


def test_formats_and_repetitions_are_planted_too(small) -> None:
    assert {*FORMATS, *REPETITIONS} <= {truth.kind for truth in small.truths}
