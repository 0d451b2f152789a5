"""A group of duplicates at a desk: one of it has to stay, and the latest choice of a keeper is the one that holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from mtf.room.material import Key, Material
from mtf.room.queue import KEEP, NOTHING, REJECT, SKIP, Words, duplicate_place
from mtf.room.said import Said
from mtf.tables import Reason

ONE_STAYS = "one of a group of duplicates has to stay: keep one (k), or reject the last one for another reason"


def kind_of_duplicate(material: Material, face: Key, others: Iterable[Key]) -> Reason:
    """Reason for which a face is a duplicate of `others`: exact where one of them is the same picture, else near."""
    same = (material.are_the_same_picture(face, other) for other in others)
    return Reason.EXACT_DUPLICATE if any(same) else Reason.NEAR_DUPLICATE


def none_stays(material: Material, said: Said, face: Key, *, rejected: Collection[Key], joint: bool) -> bool:
    """True if nothing of the face's group would stay, were these `rejected` as duplicates; False where it has none.

    If all other faces of the group were removed, for instance taken down, this one counts as the last.
    """
    duplicate = duplicate_place()
    left = [one for one in (face, *material.rivals(face)) if one not in rejected]
    return material.has_copies(face) and all(
        (_words(material, said, one, joint=joint)[: duplicate + 1] == REJECT).any() for one in left
    )


def is_kept(material: Material, said: Said, face: Key, *, joint: bool) -> bool:
    """True if the face is its group's keeper by this desk's word: a reviewer's own, or the joint over the panel's."""
    return bool(_words(material, said, face, joint=joint)[duplicate_place()] == KEEP)


def _words(material: Material, said: Said, face: Key, *, joint: bool) -> Words:
    """A verdict per step, as they hold at this desk.

    In the joint session its own words are above the panel's. A reviewer goes by the panel before duplicates, as the
    queue does, and by their own word there: nobody is told what others said of a group.
    """
    row = material.row(face)
    own, settled = said.words[row], material.words.words[row]
    if joint:
        return np.where((own == NOTHING) | (own == SKIP), settled, own)
    before = np.arange(len(own)) < duplicate_place()
    return np.where(before & (settled != NOTHING), settled, own)
