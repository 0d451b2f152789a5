"""C2PA manifests: assertions `c2pa.training-mining` (C2PA 1.x) and `cawg.training-mining` (CAWG 1.1) as preferences.

An assertion maps uses to `allowed`, `notAllowed` or `constrained`. Constrained is not allowed unless one knows and
keeps the constraint (CAWG Training and Data Mining Assertion 1.1), so it is DISALLOW. Each manifest of the store
counts, those of ingredients as well, since their pixels are in the picture: where two differ, the stricter one binds.

A broken signature takes no "no" back: it may be the work of whoever wants the picture. It turns a "yes" into UNKNOWN.
The state of the manifest is recorded; whether the signer is who the certificate says is not checked.
"""

from __future__ import annotations

from typing import Any

from mtf.rights.signals.preferences import Answer, Preference, Signal, Use

# Start of a manifest store in any format: JUMBF's description box with the type `c2pa` (C2PA 2.1, section 11.1).
_STORE = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
_USES = {
    "data_mining": Use.ANY,
    "ai_training": Use.TRAIN_AI,
    "ai_generative_training": Use.TRAIN_AI,
    "ai_inference": Use.INFERENCE,
}
_ANSWERS = {"allowed": Answer.ALLOW, "notAllowed": Answer.DISALLOW, "constrained": Answer.DISALLOW}
_SIGNALS = {"c2pa": Signal.C2PA, "cawg": Signal.CAWG}
_VALID = ("Valid", "Trusted")
_HARMLESS = (
    "assertion.dataHash.",
    "assertion.bmffHash.",
    "assertion.boxesHash.",
    "assertion.action.",
    "signingCredential.",
    "timeStamp.",
)
_IN_FILE = "file"
_ASSERTION = b".training-mining"
MAX_ENTRIES = 50
_MAX_NAME_CHARS = 120


def is_present(data: bytes) -> bool:
    """True if a file has a C2PA manifest store, or the remains of one with an assertion on training."""
    if _STORE in data:
        return True
    # One search through the file for most files, not one for each name.
    return _ASSERTION in data and any(name.encode("ascii") + _ASSERTION in data for name in _SIGNALS)


def unknown(reason: str) -> Preference:
    """Preference for a manifest that cannot be read."""
    return Preference(Signal.C2PA, Use.ANY, Answer.UNKNOWN, f"manifest cannot be read: {_plain(reason)}", _IN_FILE)


def preferences(answer: dict[str, Any], data: bytes) -> list[Preference]:
    """Preferences in the answer of `c2pa_process` on the file `data`.

    If the manifest cannot be read, but its bytes say `notAllowed` or `constrained` after the name of the assertion,
    that counts.
    """
    if "error" in answer:
        return [_of_bytes(data, str(answer["error"])) or unknown(str(answer["error"]))]
    manifests = answer.get("manifests") or []
    stated = [each for manifest in manifests for each in _of_manifest(manifest, answer)]
    if answer.get("is_cut"):
        stated.append(unknown("too many manifests"))
    if (damage := _damage(answer)) and not any(each.answer == Answer.DISALLOW for each in stated):
        stated.append(_of_bytes(data, damage) or unknown(damage))
    return stated


def _damage(answer: dict[str, Any]) -> str:
    """Failures that may hide an assertion: all but those of the pixels, the certificate, times and actions."""
    codes = [str(code) for code in answer.get("failures") or ()]
    return ", ".join(code for code in codes if not code.startswith(_HARMLESS))


def _of_bytes(data: bytes, error: str) -> Preference | None:
    for name, signal in _SIGNALS.items():
        start = data.find(f"{name}.training-mining".encode("ascii"))
        if start >= 0:
            for word in ("notAllowed", "constrained"):
                if data.find(word.encode("ascii"), start) >= 0:
                    detail = f"manifest cannot be read: {_plain(error)}"
                    return Preference(signal, Use.ANY, Answer.DISALLOW, word, _IN_FILE, detail=detail)
    return None


def _of_manifest(manifest: dict[str, Any], answer: dict[str, Any]) -> list[Preference]:
    is_valid = answer.get("state") in _VALID
    failures = ", ".join(str(code) for code in answer.get("failures") or ())
    state = "manifest valid, signer not checked" if is_valid else f"manifest invalid: {_plain(failures or 'no state')}"
    where = _IN_FILE if manifest.get("label") == answer.get("active") else f"{_IN_FILE}, ingredient"
    signer = _plain(str(manifest.get("signer") or "")) or None
    stated = []
    for assertion in manifest.get("assertions") or ():
        prefix = str(assertion.get("label")).partition(".")[0]
        signal = _SIGNALS.get(prefix, Signal.C2PA)
        for statement, use, entry in _entries(assertion.get("data"), prefix):
            is_doubtful = entry == Answer.ALLOW and not is_valid
            kept = Answer.UNKNOWN if is_doubtful else entry
            stated.append(Preference(signal, use, kept, statement, where, said_by=signer, detail=state))
    return stated


def _entries(data: object, prefix: str) -> list[tuple[str, Use, Answer]]:
    """Statement, use and answer of each entry; one UNKNOWN if there are no entries, or too many."""
    entries = data.get("entries") if isinstance(data, dict) else None
    if not isinstance(entries, dict) or not entries or len(entries) > MAX_ENTRIES:
        return [(f"{prefix}.training-mining without readable entries", Use.ANY, Answer.UNKNOWN)]
    stated = []
    for name, entry in entries.items():
        vendor, _, use = str(name).partition(".")
        value = entry.get("use") if isinstance(entry, dict) else None
        if vendor in _SIGNALS:  # other names are claim generators' own
            answer = _ANSWERS.get(str(value), Answer.UNKNOWN) if use in _USES else Answer.UNKNOWN
            stated.append((_plain(f"{name} {value}{_constraint(entry)}"), _USES.get(use, Use.ANY), answer))
    return stated


def _constraint(entry: object) -> str:
    """Text of a constraint: `constraint_info` in C2PA 1.x, `constraints_info` in CAWG 1.1."""
    texts = [entry.get(key) for key in ("constraint_info", "constraints_info")] if isinstance(entry, dict) else []
    return "".join(f": {text}" for text in texts if isinstance(text, str) and text)


def _plain(text: str) -> str:
    """Text from a stranger's file on one line, without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text[:1000]).split())[:_MAX_NAME_CHARS]
