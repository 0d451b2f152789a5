"""The withdrawal list: only ever longer, signed, and read line by line."""

from __future__ import annotations

import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from copies import SALT, Copies

from mtf.recall import signatures, signing
from mtf.recall.list_source import load_list
from mtf.recall.signatures import BadSignature
from mtf.recall.withdrawal_list import ADDRESS_NAME, LIST_NAME, BadList, empty_list, parse, withdrawal_line

# The example of https://github.com/jedisct1/rust-minisign-verify.
MINISIGN_KEY = b"untrusted comment: minisign public key\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n"
MINISIGN_SIGNATURE = (
    b"untrusted comment: signature from minisign secret key\n"
    b"RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n"
    b"trusted comment: timestamp:1633700835\tfile:test\tprehashed\n"
    b"wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n"
)


def test_a_signature_of_minisign_is_verified() -> None:
    signatures.verify(b"test", MINISIGN_SIGNATURE, MINISIGN_KEY)
    for data, signature in (
        (b"Test", MINISIGN_SIGNATURE),
        (b"test", MINISIGN_SIGNATURE.replace(b"file:test", b"file:best")),
    ):
        with pytest.raises(BadSignature):
            signatures.verify(data, signature, MINISIGN_KEY)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_signature_of_ssh_is_made_and_verified(tmp_path: Path, kind: str) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True)
    signature, public = signing.sign(b"a list", key)
    signatures.verify(b"a list", signature, public)
    with pytest.raises(BadSignature):
        signatures.verify(b"another", signature, public)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "other"], check=True)
    with pytest.raises(BadSignature, match="another key"):
        signatures.verify(b"a list", signature, (tmp_path / "other.pub").read_bytes())


def test_a_key_with_a_password_that_nobody_can_type_is_refused_at_once(tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key], check=True)
    with pytest.raises(BadSignature, match="could not sign"):
        signing.sign(b"a list", key)


def test_with_a_key_beside_it_a_changed_list_removes_nothing(copies: Copies) -> None:
    folder = copies.folder()
    copies.sign()
    assert "signed" in copies.run(folder)[1]
    listed = copies.root / LIST_NAME
    listed.write_bytes(listed.read_bytes() + withdrawal_line(parse(empty_list(SALT)).describe(copies.files[5])))
    code, output = copies.run(folder, "--apply")
    assert code == 2
    assert "the signature does not fit" in output
    assert len(list(folder.rglob("*.jpg"))) == copies.count


def test_the_newest_list_is_fetched_and_must_continue_the_one_here(copies: Copies) -> None:
    folder = copies.folder()
    here = (copies.root / LIST_NAME).read_bytes()
    newer = here + withdrawal_line(parse(here).describe(copies.files[5]))
    answers = {
        "/list": newer,
        "/shorter": here[: here.rindex(b"picture")],
        "/other": newer.replace(b"picture", b"picture", 1),
    }
    lines = newer.splitlines(keepends=True)
    answers["/other"] = b"".join([*lines[:2], lines[-1], *lines[2:-1]])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(answers.get(self.path, b""))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        (copies.root / ADDRESS_NAME).write_text(f"{base}/list\n")
        assert "3 withdrawn" in copies.run(folder)[1]
        for path, message in (("/shorter", "older than"), ("/other", "not a continuation"), ("/none", "404")):
            code, output = copies.run(folder, "--list", base + path)
            assert code == 2
            assert message in output
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not a withdrawal list"),
        (b"mtf-withdrawals 1\nsalt 00\n", "line 2"),
        (empty_list(SALT) + b"picture - - !\n", "line 3"),
        (empty_list(SALT) + b"picture abc - -\n", "line 3"),
        (empty_list(SALT) + b"person x\n", "line 3"),
        (empty_list(SALT) + b"picture - - -", "cut off"),
        (empty_list(SALT) + b"\xff\n", "not UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_with_its_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / LIST_NAME).write_bytes(text)
    with pytest.raises(BadList, match=message):
        load_list(None, None, tmp_path)


def test_a_list_tells_nothing_of_pictures_that_were_not_withdrawn(copies: Copies) -> None:
    """A list is a function of the withdrawn files alone: the same whatever else the data set holds."""
    other = Copies(copies.root.parent / "other", count=3)
    assert (other.root / LIST_NAME).read_bytes() == (copies.root / LIST_NAME).read_bytes()
