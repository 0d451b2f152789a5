"""Verification of a file's signature: minisign, or ssh (`ssh-keygen -Y sign`) with an Ed25519 key.

The check needs no program: Ed25519 is verified here as RFC 8032 defines it. Signatures of other kinds of ssh keys are
handed to `ssh-keygen -Y verify`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import subprocess
import tempfile
from pathlib import Path

NAMESPACE = "mtf-recall"
_ARMOR = ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----")
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]


class BadSignature(Exception):
    """Error: a signature is missing, is not of this key, or does not fit the data."""


def verify(data: bytes, signature: bytes, public_key: bytes) -> None:
    """Check that `signature` (the content of a .sig file) is one of `data` by `public_key` (of a .pub file).

    Raises BadSignature.
    """
    try:
        key, text = public_key.decode("utf-8").strip(), signature.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise BadSignature("the key or the signature is not text") from None
    try:
        if key.startswith(("ssh-", "ecdsa-", "sk-")):
            _verify_ssh(data, text, key)
        else:
            _verify_minisign(data, text, key)
    except (binascii.Error, ValueError, IndexError) as error:
        raise BadSignature(f"the signature cannot be read: {error}") from None


def _verify_minisign(data: bytes, text: str, key: str) -> None:
    """Minisign's format: https://jedisct1.github.io/minisign/#signature-format."""
    public = base64.b64decode(key.splitlines()[-1], validate=True)
    lines = text.splitlines()
    if len(public) != 42 or public[:2] != b"Ed" or len(lines) != 4:
        raise BadSignature("neither an ssh key nor a key and signature of minisign")
    blob, comment = base64.b64decode(lines[1], validate=True), lines[2].removeprefix("trusted comment: ")
    if len(blob) != 74 or blob[2:10] != public[2:10]:
        raise BadSignature("the signature is of another key")
    message = {b"Ed": data, b"ED": hashlib.blake2b(data).digest()}.get(blob[:2])
    if message is None or not is_ed25519(message, blob[10:], public[10:]):
        raise BadSignature("the signature does not fit")
    whole = base64.b64decode(lines[3], validate=True)
    if not is_ed25519(blob[10:] + comment.encode("utf-8"), whole, public[10:]):
        raise BadSignature("the signature's comment was changed")


def _verify_ssh(data: bytes, text: str, key: str) -> None:
    """OpenSSH's format: PROTOCOL.sshsig."""
    lines = text.splitlines()
    if len(lines) < 3 or (lines[0], lines[-1]) != _ARMOR:
        raise BadSignature("not a signature of ssh")
    blob = base64.b64decode("".join(lines[1:-1]), validate=True)
    if blob[:10] != b"SSHSIG\0\0\0\1":
        raise BadSignature("not a signature of ssh, version 1")
    public, namespace, reserved, hash_name, signed = _strings(blob[10:], 5)
    if not hmac.compare_digest(public, base64.b64decode(key.split()[1], validate=True)):
        raise BadSignature("the signature is of another key")
    if namespace.decode("utf-8", "replace") != NAMESPACE or hash_name not in (b"sha256", b"sha512"):
        raise BadSignature(f"the signature was not made for {NAMESPACE}")
    if not key.startswith("ssh-ed25519 "):
        _verify_by_program(data, text, key)
        return
    digest = hashlib.new(hash_name.decode("ascii"), data).digest()
    message = b"SSHSIG" + b"".join(map(_string, (namespace, reserved, hash_name, digest)))
    _, point = _strings(public, 2)
    kind, value = _strings(signed, 2)
    if kind != b"ssh-ed25519" or not is_ed25519(message, value, point):
        raise BadSignature("the signature does not fit")


def _verify_by_program(data: bytes, text: str, key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        signers, signature = Path(folder) / "signers", Path(folder) / "signature"
        signers.write_text(f"mtf {' '.join(key.split()[:2])}\n", encoding="utf-8")
        signature.write_text(text + "\n", encoding="utf-8")
        command = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "mtf", "-n", NAMESPACE, "-s", signature]
        try:
            done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BadSignature(f"ssh-keygen, which this kind of key needs, could not run: {error}") from None
    if done.returncode != 0:
        raise BadSignature("the signature does not fit")


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _strings(blob: bytes, count: int) -> list[bytes]:
    found: list[bytes] = []
    for _ in range(count):
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError("it ends early")
        found.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return found


def is_ed25519(message: bytes, signature: bytes, public: bytes) -> bool:
    """True if `signature` (64 bytes) is one of `message` by the Ed25519 key `public` (32 bytes): RFC 8032, 5.1.7."""
    if len(signature) != 64 or len(public) != 32:
        return False
    key, commitment = _decoded(public), _decoded(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= _ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _ORDER
    left, right = _times(scalar, _base()), _sum(commitment, _times(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (left[1] * right[2] - right[1] * left[2]) % _P == 0


def _base() -> _Point:
    point = _decoded((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))
    assert point is not None  # noqa: S101 (a constant)
    return point


def _decoded(data: bytes) -> _Point | None:
    """Point of the curve: RFC 8032, 5.1.3."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _sum(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _sum(result, point)
        point, factor = _sum(point, point), factor >> 1
    return result
