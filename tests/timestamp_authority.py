"""A timestamp authority (RFC 3161) on loopback, with certificates and answers made here."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_SEQUENCE, _SET, _INTEGER, _OCTETS, _OID, _TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x18
_SHA256 = bytes.fromhex("608648016503040201")
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("2a864886f70d010910022f")
_ECDSA_SHA256 = bytes.fromhex("2a8648ce3d040302")
_POLICY = bytes.fromhex("2a0304")


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def elements(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """(tag, content, whole) of each element in `data`."""
    found, place = [], 0
    while place < len(data):
        size, start = data[place + 1], place + 2
        if size & 0x80:
            width = size & 0x7F
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
        found.append((data[place], data[start : start + size], data[place : start + size]))
        place = start + size
    return found


def integer(value: int) -> bytes:
    return der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def algorithm(oid: bytes) -> bytes:
    return der(_SEQUENCE, der(_OID, oid))


@dataclass
class Authority:
    """Key and certificates of an authority.

    when: time that its timestamps state.
    asked: requests that it received.
    """

    when: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC).replace(microsecond=0))
    status: int = 0
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._root_key, self._key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.root = _certificate("Root of the tests", self._root_key, "Root of the tests", self._root_key, is_root=True)
        self.certificate = _certificate("Authority", self._key, "Root of the tests", self._root_key, is_root=False)

    def write_root(self, path: Path) -> Path:
        path.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        return path

    def answer(self, request: bytes) -> bytes:
        self.asked.append(request)
        if self.status:
            return der(_SEQUENCE, der(_SEQUENCE, integer(self.status)))
        (_, body, _), *_ = elements(request)
        _, (_, _, imprint), *others = elements(body)
        nonce = next((whole for tag, _, whole in others if tag == _INTEGER), b"")
        info = der(
            _SEQUENCE,
            integer(1),
            der(_OID, _POLICY),
            imprint,
            integer(len(self.asked)),
            der(_TIME, self.when.strftime("%Y%m%d%H%M%SZ").encode()),
            nonce,
        )
        return der(_SEQUENCE, der(_SEQUENCE, integer(0)), self._signed(info))

    def _signed(self, info: bytes) -> bytes:
        own = self.certificate.public_bytes(serialization.Encoding.DER)
        by_digest = der(_SEQUENCE, der(_SEQUENCE, der(_SEQUENCE, der(_OCTETS, hashlib.sha256(own).digest()))))
        attributes = sorted(
            [
                der(_SEQUENCE, der(_OID, _CONTENT_TYPE), der(_SET, der(_OID, _TST_INFO))),
                der(_SEQUENCE, der(_OID, _MESSAGE_DIGEST), der(_SET, der(_OCTETS, hashlib.sha256(info).digest()))),
                der(_SEQUENCE, der(_OID, _SIGNING_CERTIFICATE_V2), der(_SET, by_digest)),
            ]
        )
        signature = self._key.sign(der(_SET, *attributes), ec.ECDSA(hashes.SHA256()))
        signer = der(
            _SEQUENCE,
            integer(1),
            der(_SEQUENCE, self.certificate.issuer.public_bytes(), integer(self.certificate.serial_number)),
            algorithm(_SHA256),
            der(0xA0, *attributes),
            algorithm(_ECDSA_SHA256),
            der(_OCTETS, signature),
        )
        content = der(
            _SEQUENCE,
            integer(3),
            der(_SET, algorithm(_SHA256)),
            der(_SEQUENCE, der(_OID, _TST_INFO), der(0xA0, der(_OCTETS, info))),
            der(0xA0, own),
            der(_SET, signer),
        )
        return der(_SEQUENCE, der(_OID, _SIGNED_DATA), der(0xA0, content))


@contextmanager
def running() -> Generator[Authority]:
    """An authority that answers on a free port of loopback."""
    authority = Authority()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = authority.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, is_root: bool
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(_key_usage(is_root=is_root), critical=True)
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(by, hashes.SHA256())


def _key_usage(*, is_root: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_root,
        crl_sign=is_root,
        encipher_only=False,
        decipher_only=False,
    )
