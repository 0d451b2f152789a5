"""Pictures with C2PA manifests, signed by a certificate of the tests' own."""

import datetime
import io
import json
from functools import cache

import c2pa
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

OFFLINE = {"verify": {"verify_after_sign": False, "remote_manifest_fetch": False}}
SETTINGS = OFFLINE | {"builder": {"thumbnail": {"enabled": False}}}
CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
CREATED = {
    "label": "c2pa.actions",
    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": CAPTURE}]},
}


def picture(kind: str = "JPEG", seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (80, 96, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def mining(uses: dict[str, str], *, vendor: str = "cawg") -> dict[str, object]:
    """Assertion on training and data mining: use → allowed, notAllowed or constrained."""
    entries = {f"{vendor}.{name}": {"use": use} for name, use in uses.items()}
    return {"label": f"{vendor}.training-mining", "data": {"entries": entries}}


@cache
def identity(name: str = "Easel Studio") -> tuple[bytes, bytes]:
    """Certificate chain and private key (PEM) of a signer whom nobody trusts."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("An own authority", "An own authority", root_key.public_key(), root_key, is_root=True)
    leaf = _certificate(name, "An own authority", key.public_key(), root_key, is_root=False)
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, root))
    plain = serialization.NoEncryption()
    return chain, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _certificate(subject, issuer, public_key, root_key, *, is_root):
    def named(text):
        parts = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        return x509.Name([x509.NameAttribute(part, text) for part in parts])

    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=is_root, crl_sign=is_root, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )
    if not is_root:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(root_key, hashes.SHA256())


def signed(
    data: bytes,
    *assertions: dict[str, object],
    media_type: str = "image/jpeg",
    parent: bytes | None = None,
    remote_url: str | None = None,
    signer: str = "Easel Studio",
) -> bytes:
    """The picture with a signed manifest; with `remote_url` it holds the manifest's address alone."""
    chain, key = identity(signer)
    definition = {
        "claim_generator_info": [{"name": "tests", "version": "1"}],
        "title": "portrait",
        "format": media_type,
        "assertions": [*([CREATED] if parent is None else []), *assertions],
    }
    settings = (
        SETTINGS if parent is None else SETTINGS | {"builder": {"thumbnail": {"enabled": False}, "intent": "edit"}}
    )
    builder = c2pa.Builder(json.dumps(definition), context=c2pa.Context.from_dict(settings))
    if parent is not None:
        builder.add_ingredient(
            json.dumps({"title": "before", "relationship": "parentOf"}), media_type, io.BytesIO(parent)
        )
    if remote_url is not None:
        builder.set_remote_url(remote_url)
        builder.set_no_embed()
    out = io.BytesIO()
    info = c2pa.C2paSignerInfo(b"es256", chain, key, None)
    builder.sign(c2pa.Signer.from_info(info), media_type, io.BytesIO(data), out)
    return out.getvalue()
