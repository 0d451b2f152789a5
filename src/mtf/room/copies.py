"""A group of duplicates at a desk: one of it has to stay, and the latest choice of a keeper is the one that holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from mtf.room.material import Key, Material
from mtf.room.queue import DUPLICATE, KEEP, NOTHING, REJECT, SKIP, Words
from mtf.room.said import Said
from mtf.tables import Reason

ONE_STAYS = "one of a group of duplicates has to stay: keep one (k), or reject the last one for another reason"


def kind_of_duplicate(material: Material, face: Key, others: Iterable[Key]) -> Reason:
    """Why a face is a duplicate of `others`: one of them is the same picture, or they are only alike."""
    same = (material.are_the_same_picture(face, other) for other in others)
    return Reason.EXACT_DUPLICATE if any(same) else Reason.NEAR_DUPLICATE


def none_stays(material: Material, said: Said, face: Key, *, rejected: Collection[Key], joint: bool) -> bool:
    """Whether nothing of the face's group would stay, were these `rejected` as duplicates; False where it has none.

    A face whose copies are gone, such as those that were taken down, is the last of its group.
    """
    left = [one for one in (face, *material.rivals(face)) if one not in rejected]
    return material.has_copies(face) and all(
        (_words(material, said, one, joint=joint)[: DUPLICATE + 1] == REJECT).any() for one in left
    )


def is_kept(material: Material, said: Said, face: Key, *, joint: bool) -> bool:
    """Whether the face is its group's keeper by this desk's word: a reviewer's own, or the joint over the panel's."""
    return bool(_words(material, said, face, joint=joint)[DUPLICATE] == KEEP)


def _words(material: Material, said: Said, face: Key, *, joint: bool) -> Words:
    """A verdict per step, as they hold at this desk.

    In the joint session its own words are above the panel's. A reviewer goes by the panel before duplicates, as the
    queue does, and by their own word there: nobody is told what others said of a group.
    """
    row = material.row(face)
    own, settled = said.words[row], material.words.words[row]
    if joint:
        return np.where((own == NOTHING) | (own == SKIP), settled, own)
    before = np.arange(len(own)) < DUPLICATE
    return np.where(before & (settled != NOTHING), settled, own)
