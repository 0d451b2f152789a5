"""Export of the evidence of a crawl, as a person runs it."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from warcio.archiveiterator import ArchiveIterator

import timestamp_authority
from crawl_project import CC_BY, HTML, Project, licensed_page, picture_bytes
from mtf import config
from mtf.core import shards
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import evidence_export, heard_signals
from mtf.rights.web_archive import erasure, reading, warc
from mtf.rights.web_archive.verification import Trust, verify
from projects import mtf

PRIVATE = "A Name Of The Roster"


@pytest.fixture
def crawled(project: Project) -> Project:
    """Two people, three pictures on pages, one of them a page with a hostile header."""
    for name, numbers in (("ana", (1, 2)), ("bo", (3,))):
        project.person(name, f"{PRIVATE} {name}")
        results = [
            project.picture(f"https://a.example/{n}.jpg", picture_bytes(n), f"https://a.example/view/{n}")
            for n in numbers
        ]
        project.finds(f"{PRIVATE} {name}", results)
    hostile = licensed_page(head="<script>alert(1)</script>")
    project.answer("https://a.example/view/2", hostile, headers=HTML | {"X-Evil": "WARC/1.1\tWARC-Type: metadata"})
    project.run()
    raw = project.params().model_dump(mode="json", exclude_unset=True) | {"compute": {"engine": "local", "workers": 1}}
    (project.root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return project


def exported(project: Project, *options: str) -> str:
    done = mtf(project.root, "evidence", "export", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def warc_of(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("archive/data.warc.gz")


def write_key(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP384R1())
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return path


def test_each_identity_has_a_file_with_its_pages_and_statements(crawled: Project) -> None:
    assert exported(crawled).splitlines()[0] == "build/evidence: 2 written"
    folder = crawled.workspace.evidence
    assert [path.name for path in sorted(folder.iterdir())] == ["ana.wacz", "bo.wacz"]
    found = [
        (record.rec_type, record.rec_headers.get_header("WARC-Target-URI"), record.content_stream().read())
        for record in ArchiveIterator(io.BytesIO(warc_of(folder / "ana.wacz")), check_digests="raise")
    ]
    pages = {uri: body for kind, uri, body in found if kind == "response" and body}
    assert pages == {
        "https://a.example/view/1": licensed_page(),
        "https://a.example/view/2": licensed_page(head="<script>alert(1)</script>"),
    }
    statements = [json.loads(body) for kind, _, body in found if kind == "metadata"]
    assert {(each["url"], each["license"]) for each in statements} == {
        (f"https://a.example/{number}.jpg", "CC-BY-4.0") for number in (1, 2)
    }
    assert all(each["statement"].endswith(CC_BY) for each in statements)
    assert all(result.faults == [] for result in verify(folder, Trust()))


def test_nothing_of_the_roster_but_the_slug_and_no_pixels_are_exported(crawled: Project) -> None:
    exported(crawled)
    for path in crawled.workspace.evidence.iterdir():
        with zipfile.ZipFile(path) as archive:
            contents = b"".join(archive.read(name) for name in archive.namelist())
        text = contents + gzip.decompress(warc_of(path))
        assert PRIVATE.encode() not in text and b"Males" not in text and b"Amber" not in text
        assert picture_bytes(1)[:64] not in text and picture_bytes(3)[:64] not in text
    exported(crawled, "--pictures", "--to", "with-pictures")
    assert picture_bytes(3) in gzip.decompress(warc_of(crawled.root / "with-pictures" / "bo.wacz"))


def test_what_did_not_change_is_left_alone_and_the_same_evidence_gives_the_same_bytes(crawled: Project) -> None:
    exported(crawled)
    folder = crawled.workspace.evidence
    before = {path.name: (path.read_bytes(), path.stat().st_ino) for path in folder.iterdir()}
    assert exported(crawled).splitlines()[0] == "build/evidence: 2 unchanged"
    assert {path.name: (path.read_bytes(), path.stat().st_ino) for path in folder.iterdir()} == before
    exported(crawled, "--to", "again")
    assert all((crawled.root / "again" / name).read_bytes() == data for name, (data, _) in before.items())

    crawled.answer("https://a.example/view/3", licensed_page(head="<title>new</title>"), headers=HTML)
    crawled.run_with({}, refresh=True)
    said = exported(crawled)
    assert "written" in said
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after["bo.wacz"] != before["bo.wacz"][0]
    assert b"<title>new</title>" in gzip.decompress(warc_of(folder / "bo.wacz"))


def test_an_earlier_statement_of_a_source_is_exported_too(crawled: Project) -> None:
    later = licensed_page(CC_BY.replace("/by/", "/by-nc/"))
    crawled.answer("https://a.example/view/3", later, headers=HTML)
    crawled.run_with({}, refresh=True)
    exported(crawled)
    records = ArchiveIterator(io.BytesIO(warc_of(crawled.workspace.evidence / "bo.wacz")))
    found = [json.loads(record.content_stream().read()) for record in records if record.rec_type == "metadata"]
    assert [(each["is_earlier"], "/by/" in each["statement"]) for each in found] == [(True, True), (False, False)]


def test_what_each_carrier_said_to_machines_stands_in_the_statement_of_its_picture(crawled: Project) -> None:
    """With source and digest, as in the record of the audit: a file that outlives the project has it, too."""
    crawled.answer("https://a.example/robots.txt", b"User-agent: *\nAllow: /\nContent-Usage: train-ai=y\n")
    crawled.run_with({}, refresh=True)
    exported(crawled)
    path = crawled.workspace.evidence / "bo.wacz"
    records = ArchiveIterator(io.BytesIO(warc_of(path)))
    found = [json.loads(record.content_stream().read()) for record in records if record.rec_type == "metadata"]
    (said,) = (each for each in found if not each["is_earlier"])
    heard = {(each["signal"], each["use"], each["answer"]): each for each in said["signals"]}
    usage = heard["aipref", "training of models", "allow"]
    assert usage["found_at"] == "https://a.example/robots.txt"
    assert (usage["said_by"], len(usage["sha256"]), usage["heard_at"][:2]) == ("a.example", 64, "20")
    assert not {"identity", "url", "image_id"} & set(usage)
    erased = mtf(crawled.root, "evidence", "erase", str(path), said["image_id"])
    assert erased.returncode == 0, erased.stderr
    assert b"Content-Usage" not in gzip.decompress(warc_of(path))


def test_a_statement_with_as_many_signals_as_are_kept_can_be_erased() -> None:
    found = warc.statement(
        "https://a.example/1.jpg",
        "2026-01-01T00:00:00Z",
        {
            "signals": [
                dict.fromkeys(("statement", "found_in", "found_at", "said_by"), "é" * heard_signals.MAX_TEXT_CHARS)
            ]
            * heard_signals.MAX_ROWS_PER_ADDRESS
        },
        refers_to=None,
    )
    assert warc.read_block(found.data, max_bytes=erasure.MAX_STATEMENT_BYTES)


def test_a_damaged_file_is_written_again(crawled: Project) -> None:
    exported(crawled)
    path = crawled.workspace.evidence / "bo.wacz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert exported(crawled).splitlines()[0] == "build/evidence: 1 written, 1 unchanged"
    assert path.read_bytes() == whole


def test_a_person_who_is_no_longer_crawled_loses_their_file(crawled: Project) -> None:
    exported(crawled, "--format", "wacz", "--format", "warc")
    crawled.people = crawled.people[:1]
    crawled.run()
    said = exported(crawled)
    assert "bo.wacz removed: its person is no longer crawled" in said
    assert sorted(path.name for path in crawled.workspace.evidence.iterdir()) == [
        "ana.evidence.json",
        "ana.wacz",
        "ana.warc.gz",
    ]


def test_a_signed_and_stamped_export_verifies_from_the_command_line(crawled: Project, tmp_path: Path) -> None:
    key = write_key(tmp_path / "key.pem")
    with timestamp_authority.running() as authority:
        root = authority.write_root(tmp_path / "root.pem")
        raw = yaml.safe_load((crawled.root / "params.yaml").read_text())
        raw["evidence"] = {"timestamp_url": authority.url, "timestamp_certificates": str(root)}
        (crawled.root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
        exported(crawled, "--key", str(key))
        assert len(authority.asked) == 2
        assert exported(crawled, "--key", str(key)).startswith("build/evidence: 2 unchanged")
        assert len(authority.asked) == 2
    options = ("--public-key", str(key), "--certificates", str(root))
    done = mtf(crawled.root, "evidence", "verify", "build/evidence", *options)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ana.wacz: 7 records hold, signed by key ") and ", timestamp 20" in lines[0]
    assert "not checked" not in lines[0] and lines[-1] == "2 files, 11 records, 0 erased: all hold"

    path = crawled.workspace.evidence / "bo.wacz"
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    done = mtf(crawled.root, "evidence", "verify", "build/evidence", *options)
    assert done.returncode == 1
    assert [line.split(" (")[0].rpartition(" ")[0] for line in done.stdout.splitlines() if "bo.wacz" in line] == [
        "bo.wacz: record"
    ]
    assert done.stdout.splitlines()[-1] == "2 files, 10 records, 0 erased: 1 fault"
    assert mtf(crawled.root, "evidence", "verify", "build/evidence", "--quiet").stdout == ""
    assert mtf(crawled.root, "evidence", "verify", "nowhere").returncode == 2


def test_a_signed_file_is_not_replaced_by_an_unsigned_one(crawled: Project, tmp_path: Path) -> None:
    key = write_key(tmp_path / "key.pem")
    exported(crawled, "--key", str(key))
    signed = (crawled.workspace.evidence / "bo.wacz").read_bytes()
    crawled.answer("https://a.example/view/3", licensed_page(head="<title>new</title>"), headers=HTML)
    crawled.run_with({}, refresh=True)
    done = mtf(crawled.root, "evidence", "export")
    assert done.returncode == 2
    assert "bo: bo.wacz is signed and its evidence changed; name its key with --key" in done.stdout
    assert (crawled.workspace.evidence / "bo.wacz").read_bytes() == signed
    assert "written" in exported(crawled, "--key", str(key))


def test_a_key_that_git_tracks_is_refused(crawled: Project) -> None:
    key = write_key(crawled.root / "key.pem")
    subprocess.run(["git", "init", "-q"], cwd=crawled.root, check=True)
    exported(crawled, "--key", str(key))
    subprocess.run(["git", "add", "key.pem"], cwd=crawled.root, check=True)
    done = mtf(crawled.root, "evidence", "export", "--key", str(key))
    assert done.returncode == 2 and "key.pem: git tracks this private key" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "zip"), "--format: 'zip' is not permitted; permitted: wacz, warc"),
        (("--key", "gone.pem"), "gone.pem: cannot be read"),
        (("nobody",), "nobody: no shard in build/crawl/shards"),
        (("--to", "params.yaml"), "params.yaml: cannot be written: File exists"),
    ],
)
def test_a_bad_option_is_one_line(crawled: Project, options: tuple[str, ...], message: str) -> None:
    done = mtf(crawled.root, "evidence", "export", *options)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_one_damaged_shard_stops_no_other(crawled: Project) -> None:
    shard = crawled.workspace.shard("crawl", "bo")
    shard.write_bytes(shard.read_bytes()[:2000])
    done = mtf(crawled.root, "evidence", "export")
    assert done.returncode == 2
    assert "bo: bo.tar: no readable shard" in done.stdout
    assert [path.name for path in crawled.workspace.evidence.iterdir()] == ["ana.wacz"]


def test_a_copy_that_was_handed_on_is_erased_from_by_hand_and_an_export_keeps_it_erased(crawled: Project) -> None:
    exported(crawled)
    done = mtf(crawled.root, "evidence", "erase", "build/evidence/ana.wacz", "https://a.example/1.jpg")
    assert done.stdout == "ana.wacz: 3 records erased\n"
    assert exported(crawled).startswith("build/evidence: 2 unchanged")
    (result,) = verify(crawled.workspace.evidence / "ana.wacz", Trust())
    assert (result.faults, result.records, result.erased) == ([], 4, 3)
    crawled.answer("https://a.example/view/2", licensed_page(head="<title>new</title>"), headers=HTML)
    crawled.run_with({})
    params = config.load(crawled.root / "params.yaml")
    (crawled.workspace.evidence / "ana.wacz").touch()
    with_pictures = params.evidence.model_copy(update={"pictures": True})
    results, _ = evidence_export.export(crawled.workspace, params.model_copy(update={"evidence": with_pictures}))
    assert {each.state for each in results} == {"written"}
    records, _ = reading.records_of(crawled.workspace.evidence / "ana.wacz")
    gone = b"https://a.example/view/1"
    assert records.erased_on and gone not in gzip.decompress(warc_of(crawled.workspace.evidence / "ana.wacz")).split(
        b"\n"
    )


def test_a_folder_of_ones_own_has_statements_without_a_path_of_the_machine(project: Project) -> None:
    (project.root / "own").mkdir()
    (project.root / "own" / "1.png").write_bytes(picture_bytes(1, "PNG"))
    source = {"kind": "folder", "path": str(project.root / "own"), "license": "CC0-1.0", "creator": "A. Photographer"}
    project.crawl = {"sources": [source], "web": None}
    project.person("ana", files="*.png")
    project.run()
    results, _ = evidence_export.export(ProjectPaths(project.root), project.params())
    assert [(each.state, each.detail) for each in results] == [("written", "2 records")]
    text = gzip.decompress(warc_of(project.workspace.evidence / "ana.wacz"))
    assert b'"url": "file:1.png"' in text and os.fsencode(project.root) not in text
    assert shards.digest_of(project.workspace.shard("crawl", "ana")) is not None
