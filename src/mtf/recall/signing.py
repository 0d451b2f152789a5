"""Signature of a withdrawal list, made with `ssh-keygen` or `minisign`; recall.py only verifies it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from mtf.recall.signatures import NAMESPACE, BadSignature, verify

TIMEOUT_S = 120
_MINISIGN = b"untrusted comment:"


def sign(data: bytes, key: Path) -> tuple[bytes, bytes]:
    """Signature of `data` and the public key, as the content of a .sig and a .pub file.

    key: private key of ssh, or the public one of a key that ssh-agent has; or secret key of minisign. The public key
        lies beside it as `KEY.pub`, as `ssh-keygen` writes it and `minisign -G -p KEY.pub -s KEY` does.

    Raises BadSignature if the key is missing, the program is not installed, or it asks for a password that nobody can
    type.
    """
    public = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
    for path in (key, public):
        if not path.is_file():
            raise BadSignature(f"{path}: no such file; a key and its public part beside it are wanted")
    is_minisign = key.read_bytes().startswith(_MINISIGN)
    with tempfile.TemporaryDirectory() as folder:
        file, signature = Path(folder) / "list", Path(folder) / "list.sig"
        file.write_bytes(data)
        command = (
            ["minisign", "-S", "-s", key, "-m", file, "-x", signature, "-t", NAMESPACE]
            if is_minisign
            else ["ssh-keygen", "-Y", "sign", "-f", key, "-n", NAMESPACE, file]
        )
        _run(command, key)
        made = signature.read_bytes()
    verify(data, made, public.read_bytes())
    return made, public.read_bytes()


def _run(command: list[str | Path], key: Path) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"},
            start_new_session=True,  # without a terminal, a program fails instead of waiting for a password
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError:
        raise BadSignature(f"{command[0]} is not installed, and {key} needs it") from None
    except subprocess.TimeoutExpired:
        raise BadSignature(f"{command[0]} did not end within {TIMEOUT_S} s") from None
    if done.returncode != 0:
        why = " ".join(done.stderr.split())[:200]
        raise BadSignature(f"{key}: {command[0]} could not sign: {why}; ssh-agent can hold a key with a password")
