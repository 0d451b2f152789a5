"""Assertions on training and mining in a file's C2PA manifest: what is heard, whatever was done to the file."""

import os
import signal
import socket
import threading

import numpy as np
import pytest

from c2pa_files import mining, picture, signed
from mtf.crawl import c2pa_reader
from mtf.rights.evidence.combination import read_picture
from mtf.rights.signals import c2pa_manifest
from mtf.rights.signals.preferences import Answer, opt_outs

NO = mining({"ai_training": "notAllowed"})


def heard(data: bytes, media_type: str = "image/jpeg") -> list[str]:
    return [text.partition(":")[0] for text in opt_outs(c2pa_reader.read(data, media_type))]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_a_no_is_heard_in_every_format_that_the_crawl_stores(kind: str) -> None:
    media_type = f"image/{kind.lower()}"
    assert heard(picture(kind), media_type) == []
    assert heard(signed(picture(kind), NO, media_type=media_type), media_type) == ["cawg"]


ENTRIES = [
    ([mining({"data_mining": "notAllowed"})], ["cawg"]),
    ([mining({"ai_training": "notAllowed"})], ["cawg"]),
    ([mining({"ai_generative_training": "notAllowed"})], ["cawg"]),
    ([mining({"ai_inference": "notAllowed"})], ["cawg"]),
    ([mining({"ai_training": "constrained"})], ["cawg"]),
    ([mining({"ai_training": "allowed"})], []),
    ([mining({"ai_training": "allowed", "data_mining": "notAllowed"})], ["cawg"]),
    ([mining({"ai_training": "perhaps"})], ["unknown"]),
    ([mining({"ai_other": "allowed"})], ["unknown"]),
    ([mining({})], ["unknown"]),
    ([{"label": "cawg.training-mining", "data": {"rows": []}}], ["unknown"]),
    ([{"label": "cawg.training-mining", "data": {"entries": {"com.example.use": {"use": "notAllowed"}}}}], []),
    ([mining({"ai_training": "notAllowed"}, vendor="c2pa")], ["c2pa"]),
    ([mining({"data_mining": "constrained"}, vendor="c2pa")], ["c2pa"]),
    ([mining({"ai_training": "allowed"}, vendor="c2pa")], []),
    ([mining({"ai_training": "allowed"}), mining({"ai_training": "notAllowed"}, vendor="c2pa")], ["c2pa"]),
    ([], []),
]


@pytest.mark.parametrize(("assertions", "signals"), ENTRIES)
def test_entries_of_the_assertions(assertions: list[dict[str, object]], signals: list[str]) -> None:
    assert heard(signed(picture(), *assertions)) == signals


def test_what_is_said_names_its_signer_its_terms_and_the_state_of_the_manifest() -> None:
    entries = {"cawg.ai_training": {"use": "constrained", "constraints_info": "ask\nus\u202e"}}
    (preference,) = c2pa_reader.read(
        signed(picture(), {"label": "cawg.training-mining", "data": {"entries": entries}}), "image/jpeg"
    )
    assert preference.statement == "cawg.ai_training constrained: ask us"
    assert (preference.said_by, preference.detail) == ("Easel Studio", "manifest valid, signer not checked")


def test_the_no_of_a_picture_counts_for_the_picture_that_was_made_from_it() -> None:
    child = signed(picture(), mining({"ai_training": "allowed"}), parent=signed(picture(), NO))
    stated = c2pa_reader.read(child, "image/jpeg")
    assert {(str(each.answer), each.found_in) for each in stated} == {
        ("allow", "file"),
        ("disallow", "file, ingredient"),
    }
    assert heard(child) == ["cawg"]


def test_changed_pixels_break_the_manifest_and_leave_the_no() -> None:
    both = signed(picture(), mining({"ai_training": "notAllowed", "data_mining": "allowed"}))
    changed = bytearray(both)
    changed[both.rfind(b"\xff\xda") + 40] ^= 1
    stated = {each.statement: each for each in c2pa_reader.read(bytes(changed), "image/jpeg")}
    no, yes = stated["cawg.ai_training notAllowed"], stated["cawg.data_mining allowed"]
    assert (no.answer, no.detail) == (Answer.DISALLOW, "manifest invalid: assertion.dataHash.mismatch")
    assert yes.answer == Answer.UNKNOWN, "nobody vouches for the permission"


def test_no_damage_to_a_manifest_turns_its_no_into_silence() -> None:
    whole = signed(picture(), NO)
    random = np.random.default_rng(0)
    begin, end = whole.find(b"jumb") - 4, whole.rfind(b"\xff\xdb")
    for place in random.integers(begin, end, 600):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        assert heard(bytes(damaged))[:1] in (["cawg"], ["c2pa"], ["unknown"]), f"bit of byte {place}"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_manifest_that_ends_early_is_no_silence(share: float) -> None:
    whole = signed(picture("PNG"), NO, media_type="image/png")
    start = whole.find(b"jumb")
    end = whole.find(b"IDAT")
    assert heard(whole[: start + int((end - start) * share)], "image/png") in (["cawg"], ["unknown"])


def test_a_file_of_another_kind_than_it_says_is_no_silence() -> None:
    assert heard(signed(picture(), NO), "image/png") in (["cawg"], ["unknown"])


def test_a_reader_that_dies_or_hangs_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    yes, no = signed(picture(), mining({"ai_training": "allowed"})), signed(picture(), NO)
    monkeypatch.setattr(c2pa_reader, "LIMIT_S", 1.0)
    reader = c2pa_reader._ReaderProcess()
    monkeypatch.setattr(c2pa_reader, "_PROCESS", reader)
    assert heard(yes) == []
    os.kill(reader._process.pid, signal.SIGSTOP)  # as if it never came back from a file
    assert [heard(yes), heard(no)] == [["unknown"], ["cawg"]]
    os.kill(reader._process.pid, signal.SIGSTOP)
    (preference,) = c2pa_reader.read(no, "image/jpeg")
    assert preference.detail == "manifest cannot be read: no answer in 1 s"
    assert heard(yes) == []
    reader._process.kill()
    reader._process.wait()
    assert heard(no) == ["cawg"]
    reader.close()


def test_a_reader_that_dies_with_a_file_makes_it_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    reader = c2pa_reader._ReaderProcess()
    monkeypatch.setattr(c2pa_reader, "_PROCESS", reader)
    monkeypatch.setattr(c2pa_reader.c2pa_process, "__file__", str(crash))
    (preference,) = c2pa_reader.read(signed(picture(), mining({"ai_training": "allowed"})), "image/jpeg")
    assert preference.answer == Answer.UNKNOWN
    assert preference.statement == "manifest cannot be read: the reader ended: signal 11"
    (preference,) = c2pa_reader.read(signed(picture(), NO), "image/jpeg")
    assert preference.answer == Answer.DISALLOW, "its bytes say so"


def test_without_the_library_a_manifest_is_unknown_and_never_a_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c2pa_reader, "find_spec", lambda _name: None)
    assert heard(picture()) == []
    for use in ("allowed", "notAllowed"):
        stated = c2pa_reader.read(signed(picture(), mining({"ai_training": use})), "image/jpeg")
        assert opt_outs(stated) == ["unknown: c2pa in file manifest cannot be read: c2pa-python is not installed"]


def test_an_oversized_file_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c2pa_reader, "MAX_FILE_BYTES", 1_000)
    assert heard(signed(picture(), mining({"ai_training": "allowed"}))) == ["unknown"]


def test_too_many_entries_are_unknown() -> None:
    many = {f"use{number}": "allowed" for number in range(c2pa_manifest.MAX_ENTRIES + 1)}
    assert heard(signed(picture(), mining(many))) == ["unknown"]


def test_a_manifest_at_another_address_is_unknown_and_not_requested() -> None:
    requests = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
        data = signed(picture(), NO, remote_url=url)
        assert url.encode() in data
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    requests.append(server.accept())
                except TimeoutError:
                    continue

        listener = threading.Thread(target=listen)
        listener.start()
        assert heard(data) == []
        stated = read_picture(data)
        # A file may name both: the manifest inside is read, and the other one is left alone.
        assert heard(data + signed(picture(), NO)) in (["cawg"], ["unknown"])
        ended.set()
        listener.join()
    assert stated.opt_out == "unknown: c2pa in file manifest cannot be read: it is at another address"
    assert requests == []
