"""Process that reads C2PA manifests for `c2pa_reader`. A hostile file may crash the native library, or hang it.

A program of its own: it imports nothing of mtf, and is started with the number of a socket. A request is the length of
the media type and of the file (two big-endian numbers of 8 bytes), the media type and the file. The answer is its
length (8 bytes) and JSON: `{"error": …}`, or `{"state": …, "active": …, "manifests": […], "failures": […]}`. Nothing is
requested over the network: neither manifests nor revocation lists nor trust lists.
"""

from __future__ import annotations

import io
import json
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

LENGTH = struct.Struct(">Q")
LABELS = ("c2pa.training-mining", "cawg.training-mining")
MAX_MANIFESTS = 200
MAX_ANSWER_BYTES = 1_000_000
MEMORY_BYTES = 3 * 2**30

OFFLINE: dict[str, Any] = {
    "core": {"allowed_network_hosts": [], "backing_store_memory_threshold_in_mb": 256},
    "verify": {
        "remote_manifest_fetch": False,
        "ocsp_fetch": False,
        "verify_trust": False,
        "verify_timestamp_trust": False,
        "skip_ingredient_conflict_resolution": True,
    },
}


def main() -> None:
    _limit()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        while (lengths := _received(channel, 2 * LENGTH.size)) is not None:
            name_bytes, file_bytes = LENGTH.unpack_from(lengths), LENGTH.unpack_from(lengths, LENGTH.size)
            name, data = _received(channel, name_bytes[0]), _received(channel, file_bytes[0])
            if name is None or data is None:
                return
            answer = json.dumps(_read(data, name.decode("ascii"))).encode("ascii")
            if len(answer) > MAX_ANSWER_BYTES:
                answer = json.dumps({"error": f"{len(answer)} bytes of assertions"}).encode("ascii")
            channel.sendall(LENGTH.pack(len(answer)) + answer)


def _limit() -> None:
    """Bound the memory, and leave no core dump with a stranger's picture."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(ValueError, OSError):  # macOS knows no such limit
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _received(channel: socket.socket, size_bytes: int) -> bytes | None:
    """Next `size_bytes` bytes; None at the end."""
    data = bytearray(size_bytes)
    view = memoryview(data)
    while view:
        count = channel.recv_into(view)
        if not count:
            return None
        view = view[count:]
    return bytes(data)


def _read(data: bytes, media_type: str) -> dict[str, Any]:
    import c2pa

    try:
        context = c2pa.Context.from_dict(OFFLINE)
        with c2pa.Reader(media_type, io.BytesIO(data), context=context) as reader:
            store = json.loads(reader.json())
        return _answer(store)
    except MemoryError:
        return {"error": "too much memory"}
    except Exception as error:  # the library has some twenty kinds of errors
        return {"error": f"{type(error).__name__.lstrip('_')}: {error}"[:300]}


def _answer(store: dict[str, Any]) -> dict[str, Any]:
    manifests = store.get("manifests") or {}
    codes = [status.get("code") for status in store.get("validation_status") or ()]
    return {
        "state": store.get("validation_state"),
        "active": store.get("active_manifest"),
        "failures": list(dict.fromkeys(str(code) for code in codes))[:10],
        "is_cut": len(manifests) > MAX_MANIFESTS,
        "manifests": [_manifest(label, each) for label, each in list(manifests.items())[:MAX_MANIFESTS]],
    }


def _manifest(label: str, manifest: dict[str, Any]) -> dict[str, Any]:
    signature = manifest.get("signature_info") or {}
    assertions = manifest.get("assertions") or ()
    return {
        "label": label,
        "signer": signature.get("common_name") or signature.get("issuer"),
        "assertions": [each for each in assertions if str(each.get("label")).startswith(LABELS)],
    }


if __name__ == "__main__":
    main()
