"""Timestamps of an authority (RFC 3161): proof that a text existed at a time.

An authority is configured by its address (`evidence.timestamp_url`). It gets the digest of the text and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from rfc3161_client import TimestampRequestBuilder, TimeStampResponse, VerifierBuilder, decode_timestamp_response
from rfc3161_client.errors import VerificationError

from mtf.core.errors import BadInput, MtfError, bad_value

TIMEOUT_S = 30.0
MAX_RESPONSE_BYTES = 2**18
_MAX_CERTIFICATE_BYTES = 2**20
_DIGESTS = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}


@dataclass(frozen=True)
class CheckedTimestamp:
    """Result of a check.

    fault: in words; None if the timestamp holds.
    when: time in UTC, ISO 8601.
    is_trusted: True if it was checked against certificates that the caller named.
    """

    fault: str | None
    when: str = ""
    is_trusted: bool = False


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Certificates of an authority in a PEM file. Raises BadInput."""
    try:
        with path.open("rb") as file:
            return x509.load_pem_x509_certificates(file.read(_MAX_CERTIFICATE_BYTES))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadInput(f"{path.name}: no readable certificate in PEM: {' '.join(str(error).split())[:120]}") from None


def request(text: str, url: str, *, certificates: Sequence[x509.Certificate] = ()) -> str:
    """Timestamp over `text`, in base64. The answer is checked; with `certificates` also whose it is.

    Raises BadInput for an address that is not http(s), MtfError if the authority does not answer with a timestamp.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise bad_value("evidence.timestamp_url", url, "an http(s) address")
    asked = TimestampRequestBuilder().data(text.encode("ascii")).build()
    post = urllib.request.Request(  # noqa: S310 (the scheme is checked above)
        url, data=asked.as_bytes(), headers={"Content-Type": "application/timestamp-query"}, method="POST"
    )
    try:
        with urllib.request.urlopen(post, timeout=TIMEOUT_S) as answer:  # noqa: S310
            data = answer.read(MAX_RESPONSE_BYTES + 1)
        if len(data) > MAX_RESPONSE_BYTES:
            raise ValueError(f"more than {MAX_RESPONSE_BYTES} bytes")
        response = decode_timestamp_response(data)
        _verify(response, text, certificates, nonce=asked.nonce)
    except (OSError, ValueError, VerificationError, urllib.error.URLError) as error:
        raise MtfError(f"{url}: no timestamp: {' '.join(str(error).split())[:200]}") from None
    return base64.b64encode(data).decode("ascii")


def check(encoded: str, text: str, *, certificates: Sequence[x509.Certificate] = ()) -> CheckedTimestamp:
    """Check a timestamp in base64 over `text`. Without `certificates` only that it is over the text."""
    try:
        data = base64.b64decode(encoded, validate=True)
        response = decode_timestamp_response(data)
        _verify(response, text, certificates, nonce=None)
    except (ValueError, binascii.Error, VerificationError) as error:
        return CheckedTimestamp(" ".join(str(error).split())[:200] or "not readable")
    when = response.tst_info.gen_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return CheckedTimestamp(None, when, is_trusted=bool(certificates))


def _verify(
    response: TimeStampResponse, text: str, certificates: Sequence[x509.Certificate], *, nonce: int | None
) -> None:
    """Raise VerificationError or ValueError unless `response` is a valid timestamp over `text`."""
    if response.status not in (0, 1):
        raise VerificationError(f"the authority refused: status {response.status}")
    if not certificates:
        return _verify_imprint(response, text, nonce)
    embedded = [x509.load_der_x509_certificate(each) for each in response.signed_data.certificates]
    builder = VerifierBuilder(roots=list(certificates), intermediates=embedded, nonce=nonce)
    try:
        builder.build().verify_message(response, text.encode("ascii"))
    except VerificationError as error:
        is_chain = "verifying certificates" in str(error)
        raise VerificationError("not signed by the named authority" if is_chain else str(error)) from None
    return None


def _verify_imprint(response: TimeStampResponse, text: str, nonce: int | None) -> None:
    """Raise VerificationError unless a timestamp is over `text`; whose it is cannot be told without certificates."""
    imprint = response.tst_info.message_imprint
    digest = _DIGESTS.get(imprint.hash_algorithm.dotted_string)
    if digest is None or digest(text.encode("ascii")).digest() != imprint.message:
        raise VerificationError("it is over another text")
    if nonce is not None and response.tst_info.nonce != nonce:
        raise VerificationError("it answers another request")
