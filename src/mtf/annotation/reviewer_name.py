"""Names of reviewers: any that a person has, and the folder of the ledger that each has.

A name in a-z, 0-9 and single - _ . between them is its own folder, as it always was. Any other name has a folder of
the letters that are left in ASCII, and a digest, so that two names do not share one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from mtf.core.errors import bad_value
from mtf.schemas import SLUG

JOINT_REVIEWER = "together"
MAX_NAME = 100
PERMITTED = f"a name as people write it: letters, digits, spaces and ' ’ - . _ ·; at most {MAX_NAME} characters"
_MARKS = " '’-._·"
_MAX_ASCII = 40
_DIGEST = 8


def checked_reviewer(name: str, *, is_person: bool = False) -> str:
    """Name of a reviewer in its one spelling (Unicode NFC, single spaces). Raises BadInput if it is not permitted.

    `is_person` also refuses the name reserved for the joint session.
    """
    spelt = spelling(name)
    if not is_reviewer_name(spelt):
        raise bad_value("reviewer", name, PERMITTED)
    if is_person and spelt.casefold() == JOINT_REVIEWER:
        raise bad_value("reviewer", name, "a person's name: this one stands for the joint session")
    return spelt


def spelling(name: str) -> str:
    """The one spelling of a name: Unicode NFC, and single spaces between its words."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def is_reviewer_name(name: str) -> bool:
    """True for a name in its one spelling that begins and ends with a letter, mark, digit or dot."""
    if not name or len(name) > MAX_NAME or name != spelling(name) or not _is_of_word(name[0]):
        return False
    is_ended = _is_of_word(name[-1]) or (name[-1] == "." and " " in name)
    return is_ended and ".." not in name and all(_is_of_word(one) or one in _MARKS for one in name)


def _is_of_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM" or unicodedata.category(character) == "Nd"


def reviewer_folder(name: str) -> str:
    """Folder of a reviewer's files: a slug, of which one is derived from each name."""
    return name if re.fullmatch(SLUG, name) else _with_digest(name)


def folders_of_any_case(name: str) -> tuple[str, ...]:
    """Folders that the name has in any capitalisation: `Anna` is not another person than `anna`."""
    folded = name.casefold()
    return (folded, _with_digest(name)) if re.fullmatch(SLUG, folded) else (_with_digest(name),)


def _with_digest(name: str) -> str:
    folded = unicodedata.normalize("NFC", name.casefold())
    bare = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", bare).strip("-")[:_MAX_ASCII].strip("-")
    return f"{words or 'reviewer'}-{hashlib.sha256(folded.encode()).hexdigest()[:_DIGEST]}"
