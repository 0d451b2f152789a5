"""Signatures as in WACZ Signing and Verification 0.1.0 (https://specs.webrecorder.net/wacz-auth/0.1.0/).

The anonymous form: ECDSA over the text of a digest, with the public key beside it.

ReplayWeb.page verifies keys on the curve P-384 with SHA-256. Whose key it is must be known from elsewhere: `verify`
takes the expected public key. The same key signs the same text with the same bytes (RFC 6979).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from mtf.core.errors import BadInput

VERSION = "0.1.0"
HOW_TO_MAKE_A_KEY = "`openssl ecparam -name secp384r1 -genkey -noout -out evidence-key.pem` makes one"
_KEYS = {"hash", "created", "software", "version", "signature", "publicKey"}
_COORDINATE_BYTES = 48
_MAX_KEY_BYTES = 65_536


def load_key(path: Path, *, password: str | None = None) -> ec.EllipticCurvePrivateKey:
    """Private key in a PEM file. Raises BadInput unless it is an ECDSA key on the curve P-384."""
    try:
        key = serialization.load_pem_private_key(_read(path), password.encode() if password else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadInput(
            f"{path.name}: no readable private key in PEM: {_one_line(error)}; {HOW_TO_MAKE_A_KEY}"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise BadInput(f"{path.name}: not an ECDSA key on the curve P-384 (secp384r1); {HOW_TO_MAKE_A_KEY}")
    return key


def load_public_key(path: Path) -> str:
    """Public key in a PEM file (a public or a private key), as it stands in a signature. Raises BadInput."""
    data = _read(path)
    if b"PRIVATE KEY" in data:
        return public_text(load_key(path))
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(f"{path.name}: no readable public key in PEM: {_one_line(error)}") from None
    return base64.b64encode(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).decode("ascii")


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """Public key of `key` in base64 (SubjectPublicKeyInfo)."""
    return _public_text(key.public_key())


def sign(text: str, key: ec.EllipticCurvePrivateKey, *, created: str, software: str) -> dict[str, str]:
    """Signature data over `text`, a digest `sha256:…`."""
    der = key.sign(text.encode("ascii"), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")
    return {
        "hash": text,
        "created": created,
        "software": software,
        "version": VERSION,
        "signature": base64.b64encode(raw).decode("ascii"),
        "publicKey": public_text(key),
    }


def fault(
    signed: Mapping[str, object], text: str, *, created: str, software: str, public_key: str | None = None
) -> str | None:
    """Fault of signature data over `text`, in words; None if it holds.

    `created` and `software` are those of the signed file: the format does not sign them. `public_key` is the expected
    one; None accepts any.
    """
    if set(signed) != _KEYS or not all(isinstance(value, str) for value in signed.values()):
        return f"its fields are not {', '.join(sorted(_KEYS))}"
    values = {name: str(value) for name, value in signed.items()}
    if (values["hash"], values["created"], values["software"], values["version"]) != (text, created, software, VERSION):
        return "hash, created, software or version is not that of the signed file"
    if public_key is not None and values["publicKey"] != public_key:
        return "signed with another key than the expected one"
    return _cryptographic_fault(values, text)


def _cryptographic_fault(values: Mapping[str, str], text: str) -> str | None:
    try:
        key = serialization.load_der_public_key(_base64(values["publicKey"]))
        raw = _base64(values["signature"])
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        return "public key or signature is not readable"
    is_on_curve = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1)
    # One text for each key: another encoding of the same point would be a change that nobody notices.
    if not is_on_curve or _public_text(key) != values["publicKey"] or len(raw) != 2 * _COORDINATE_BYTES:
        return "public key or signature is not in its canonical form, or not on the curve P-384"
    r, s = (int.from_bytes(raw[:_COORDINATE_BYTES], "big"), int.from_bytes(raw[_COORDINATE_BYTES:], "big"))
    try:
        key.verify(encode_dss_signature(r, s), text.encode("ascii"), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return "the signature does not match"
    return None


def _public_text(key: ec.EllipticCurvePublicKey) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode("ascii")


def _base64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("not canonical")
    return data


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
