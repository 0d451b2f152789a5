"""Withdrawal list: what identifies the withdrawn pictures of a data set, and nothing that names a person.

A text file to which lines are only ever added, so the newest list covers every earlier release, and an older list is
the beginning of a newer one:

    mtf-withdrawals 1
    salt SALT                      32 hexadecimal digits, the same in all lists of a data set
    picture BYTES PIXELS CODE      of one withdrawn file, each `-` if it is not known

- BYTES, PIXELS: SHA-256 over the salt and the file's SHA-256, and over the salt, the size and the RGB pixels.
- CODE: perceptual code, base64.

The salt keeps the digests from being compared with lists of digests made for other ends. It hides nothing from somebody
who has the picture or its SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from mtf.recall.perceptual_code import CODE_BYTES, NotAPicture, code_of, grey_grid, rgb_pixels

HEADER = "mtf-withdrawals 1"
LIST_NAME = "withdrawals.txt"
SIGNATURE_NAME = f"{LIST_NAME}.sig"
KEY_NAME = "withdrawals.pub"
ADDRESS_NAME = "withdrawals.url"
MAX_LIST_BYTES = 1 << 28
_DIGEST = re.compile(r"[0-9a-f]{64}")
_UNKNOWN = "-"


class BadList(Exception):
    """Error: a withdrawal list that is not one, with the line and what is permitted."""


class Withdrawal(NamedTuple):
    """Withdrawn file.

    data_digest, pixel_digest: salted SHA-256 (hex) of its bytes and of its pixels; None if not known.
    code: perceptual code (CODE_BYTES bytes); None if the picture is too small or too plain for one.
    """

    data_digest: str | None
    pixel_digest: str | None
    code: bytes | None


@dataclass
class WithdrawalList:
    """Withdrawal list.

    salt: 16 bytes.
    withdrawals: in the order of the file.
    """

    salt: bytes
    withdrawals: list[Withdrawal] = field(default_factory=list)

    def digest(self, sha256: bytes) -> str:
        """Salted digest (hex) of a file with this SHA-256 (32 bytes)."""
        return hashlib.sha256(self.salt + sha256).hexdigest()

    def pixel_digest(self, size: tuple[int, int], rgb: bytes) -> str:
        """Salted digest (hex) of a picture's pixels (`perceptual_code.rgb_pixels`)."""
        return hashlib.sha256(self.salt + f"pixels {size[0]} {size[1]} ".encode() + rgb).hexdigest()

    def describe(self, data: bytes) -> Withdrawal:
        """Withdrawal of a file with the content `data`; of what is no picture, only the digest of its bytes."""
        digest = self.digest(hashlib.sha256(data).digest())
        try:
            grid, pixels = grey_grid(data), rgb_pixels(data)
        except NotAPicture:
            return Withdrawal(digest, None, None)
        return Withdrawal(digest, self.pixel_digest(*pixels), None if grid is None else code_of(grid))


def empty_list(salt: bytes) -> bytes:
    """Text of a list without withdrawals. `salt` has 16 bytes."""
    return f"{HEADER}\nsalt {salt.hex()}\n".encode("ascii")


def withdrawal_line(each: Withdrawal) -> bytes:
    """Line of one withdrawal."""
    code = _UNKNOWN if each.code is None else base64.b64encode(each.code).decode("ascii")
    return f"picture {each.data_digest or _UNKNOWN} {each.pixel_digest or _UNKNOWN} {code}\n".encode("ascii")


def parse(data: bytes, name: str = LIST_NAME) -> WithdrawalList:
    """Withdrawal list in `data`; `name` is its name in messages. Raises BadList with the line and what is permitted."""
    if len(data) > MAX_LIST_BYTES:
        raise BadList(f"{name}: larger than {MAX_LIST_BYTES} bytes, the largest permitted size")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BadList(f"{name}: not UTF-8 at byte {error.start}") from None
    if lines[0] != HEADER or lines[-1] != "":
        raise BadList(
            f"{name}: not a withdrawal list, or cut off: it begins with `{HEADER}` and ends with a line break"
        )
    words = lines[1].split(" ")
    if len(words) != 2 or words[0] != "salt" or not re.fullmatch(r"[0-9a-f]{32}", words[1]):
        raise BadList(f"{name} line 2: `salt` and 32 hexadecimal digits are permitted")
    found = WithdrawalList(bytes.fromhex(words[1]))
    for number, line in enumerate(lines[2:-1], 3):
        _add(found, line, f"{name} line {number}")
    return found


def _add(found: WithdrawalList, line: str, where: str) -> None:
    words = line.split(" ")
    if words[0] != "picture" or len(words) != 4:
        raise BadList(f"{where}: `picture BYTES PIXELS CODE` is permitted; a newer recall.py may know more")
    digests = [None if word == _UNKNOWN else word for word in words[1:3]]
    if any(each is not None and not _DIGEST.fullmatch(each) for each in digests):
        raise BadList(f"{where}: 64 hexadecimal digits or `-` are permitted as digest")
    found.withdrawals.append(Withdrawal(digests[0], digests[1], _code(words[3], where)))


def _code(word: str, where: str) -> bytes | None:
    if word == _UNKNOWN:
        return None
    try:
        code = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        code = b""
    if len(code) != CODE_BYTES:
        raise BadList(f"{where}: {CODE_BYTES} bytes in base64, or `-`, are permitted as code")
    return code
