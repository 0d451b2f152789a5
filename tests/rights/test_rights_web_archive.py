"""Files of evidence: what they hold, that no byte of them changes unnoticed, and what an erasure leaves."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from warcio.archiveiterator import ArchiveIterator

import timestamp_authority
from mtf.core.errors import BadInput, MtfError
from mtf.rights.web_archive import cdxj, erasure, files, records_file, signature, timestamp, verification, warc
from mtf.rights.web_archive.files import RECORDS, Proof
from mtf.rights.web_archive.verification import Trust, Verified
from projects import run_in
from timestamp_authority import Authority

DATE = "2026-01-02T03:04:05Z"
IMAGES = ("a" * 64, "b" * 64)
PAGE = b"<html><title>A portrait</title><a rel=license href=https://creativecommons.org/licenses/by/4.0/>CC</a></html>"
EVIDENCE = "0" * 64


def records() -> Iterator[warc.WarcRecord]:
    """Evidence on two pictures of one page, and on a third of another."""
    yield warc.warcinfo("amber-moon", DATE, "mtf test")
    pages = []
    for number in (1, 2):
        fields = [("Content-Type", "text/html; charset=utf-8"), ("Content-Encoding", "gzip")]
        url = f"https://photos.example/view/{number}"
        page = warc.response(
            url, DATE, status=200, fields=fields, body=PAGE + b"%d" % number, is_page=True, title="A portrait"
        )
        pages.append(page)
        yield page
    for image_id, page in zip((*IMAGES, "c" * 64), (pages[0], pages[0], pages[1]), strict=True):
        url = f"https://photos.example/{image_id[:2]}.jpg"
        own = warc.response(url, DATE, status=200, fields=[("Content-Type", "image/jpeg")], body=None)
        yield own
        content = {
            "identity": "amber-moon",
            "image_id": image_id,
            "url": url,
            "page_url": page.capture.url if page.capture else None,
            "records": [page.record_id],
            "own_record": own.record_id,
        }
        yield warc.statement(url, DATE, content, refers_to=page.record_id)


def write(path: Path, proof: Proof | None = None, **options: object) -> Path:
    arguments = {"identity": "amber-moon", "evidence": EVIDENCE, "software": "mtf test", "created": DATE, "erased": {}}
    files.write(path, records(), proof=proof or Proof(), **arguments | options)
    return path


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with timestamp_authority.running() as running:
        yield running


@pytest.fixture
def proof(key: ec.EllipticCurvePrivateKey, authority: Authority) -> Proof:
    authority.status = 0
    return Proof(key, authority.url, (authority.root,))


@pytest.fixture(params=[files.WACZ, files.WARC])
def suffix(request: pytest.FixtureRequest) -> str:
    return request.param


def verified(path: Path, trust: Trust | None = None) -> Verified:
    (result,) = verification.verify(path, trust or Trust())
    return result


def warc_of(path: Path) -> bytes:
    if path.name.endswith(files.WARC):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(files.ARCHIVE)


def test_a_file_holds_what_the_sources_said_in_the_form_that_other_programs_read(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"amber-moon{suffix}")
    found = []
    for record in ArchiveIterator(io.BytesIO(warc_of(path)), check_digests="raise"):
        body = record.content_stream().read()
        found.append((record.rec_type, record.rec_headers.get_header("WARC-Target-URI"), body))
        if record.rec_type == "response" and body:
            assert record.http_headers.get_header("X-Archive-Orig-Content-Encoding") == "gzip"
            assert record.http_headers.get_header("Content-Length") == str(len(body))
    kinds = [kind for kind, *_ in found]
    assert (kinds.count("warcinfo"), kinds.count("response"), kinds.count("metadata")) == (1, 5, 3)
    assert ("response", "https://photos.example/view/1", PAGE + b"1") in found
    assert json.loads(found[-1][2])["image_id"] == "c" * 64


def test_a_wacz_has_the_files_of_its_specification_and_an_index_that_finds_its_pages(tmp_path: Path) -> None:
    path = write(tmp_path / "amber-moon.wacz")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        package = json.loads(archive.read("datapackage.json"))
        pages = [json.loads(line) for line in archive.read("pages/pages.jsonl").splitlines()]
        lines = gzip.decompress(archive.read("indexes/index.cdx.gz")).decode().splitlines()
        blocks = archive.read("indexes/index.idx").decode().splitlines()
        data = archive.read("archive/data.warc.gz")
        assert [info.compress_type for info in archive.infolist()] == [zipfile.ZIP_STORED] * 7
    assert (package["profile"], package["wacz_version"]) == ("data-package", "1.1.1")
    assert {each["path"] for each in package["resources"]} | {"datapackage.json", "datapackage-digest.json"} == {
        info.filename for info in zipfile.ZipFile(path).infolist()
    }
    assert [page["url"] for page in pages[1:]] == [f"https://photos.example/view/{number}" for number in (1, 2)]
    assert [page["ts"] for page in pages[1:]] == [DATE, DATE]
    assert [line.split(" ", 2)[:2] for line in lines] == [
        ["example,photos)/view/1", "20260102030405"],
        ["example,photos)/view/2", "20260102030405"],
    ]
    assert blocks[0] == '!meta 0 {"format": "cdxj-gzip-1.0", "filename": "index.cdx.gz"}'
    row = json.loads(lines[1].split(" ", 2)[2])
    member = data[int(row["offset"]) :][: int(row["length"])]
    assert gzip.decompress(member).rstrip().endswith(PAGE + b"2")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://www.Example.org/Index.html", "org,example)/index.html"),
        ("http://www2.example.org:80/?b=2&a=1", "org,example)/?a=1&b=2"),
        ("https://example.org:8443", "org,example:8443)/"),
        ("file:ana/1.jpg", "file:ana/1.jpg"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_searchable_addresses_are_reversed_and_sorted(url: str, key: str) -> None:
    assert cdxj.searchable(url) == key


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path, suffix: str, key: ec.EllipticCurvePrivateKey) -> None:
    one, other = (write(tmp_path / place / f"amber-moon{suffix}", Proof(key)) for place in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_hostile_headers_and_addresses_stay_data(tmp_path: Path) -> None:
    fields = [("X-Evil", "a\r\n\r\nWARC/1.1\r\nWARC-Type: metadata"), ("Bad Name:", "x"), ("A", "é\x00\x1b[31m" * 9000)]
    fields += [("F", "x")] * 10_000
    address = "https://a.example/\r\nWARC-Type: warcinfo\r\n\r\n <b>"
    record = warc.response(address, DATE, status=999, fields=fields, body=b"WARC/1.1\r\n\r\n" * 3, title="\x1b[31m")
    (read,) = ArchiveIterator(io.BytesIO(record.data), check_digests="raise")
    uri = read.rec_headers.get_header("WARC-Target-URI")
    assert read.rec_type == "response" and " " not in uri and "\r" not in uri
    assert read.http_headers.get_header("X-Evil") == "a    WARC/1.1  WARC-Type: metadata"
    assert read.http_headers.get_header("Bad Name:") is None
    assert len(read.http_headers.headers) <= warc.MAX_FIELDS + 1
    assert len(gzip.decompress(record.data)) < 200_000


def test_an_untouched_file_verifies_and_says_who_signed_and_when(
    tmp_path: Path, suffix: str, proof: Proof, key: ec.EllipticCurvePrivateKey, authority: Authority
) -> None:
    result = verified(
        write(tmp_path / f"amber-moon{suffix}", proof), Trust(signature.public_text(key), (authority.root,))
    )
    assert result.faults == []
    assert (result.records, result.erased, result.is_timestamp_trusted) == (9, 0, True)
    assert result.signed_by == verification.fingerprint(signature.public_text(key))
    assert result.timestamp == authority.when.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_all_of_1000_single_byte_changes_are_noticed(tmp_path: Path, suffix: str, proof: Proof) -> None:
    """At random places of all files of an export: archive, index, signature, timestamp, container."""
    path = write(tmp_path / f"amber-moon{suffix}", proof)
    erasure.erase(path, erasure.Named({IMAGES[0]}), day="2026-02-03")
    assert verified(path).faults == []
    targets = [path] if suffix == files.WACZ else [path, files.records_path(path)]
    originals = {target: target.read_bytes() for target in targets}
    places = [(target, place) for target, data in originals.items() for place in range(len(data))]
    generator = random.Random(7)
    chosen = generator.sample(places, 1000)
    unnoticed = []
    for target, place in chosen:
        data = bytearray(originals[target])
        data[place] ^= generator.randrange(1, 256)
        target.write_bytes(data)
        if not verified(path).faults:
            unnoticed.append((target.name, place))
        target.write_bytes(originals[target])
    assert unnoticed == []
    assert verified(path).faults == []


def test_a_changed_record_is_named_once(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"amber-moon{suffix}")
    data = bytearray(path.read_bytes())
    member = next(each.data for each in records() if each.kind == "response")
    data[bytes(data).index(member) + 40] ^= 1
    path.write_bytes(data)
    (fault,) = verified(path).faults
    record_id = next(each.record_id for each in records() if each.kind == "response")
    assert fault == f"amber-moon{suffix}: record {record_id} (response of {DATE}): its bytes changed"


@pytest.mark.parametrize("cut", [1, 700, 3_000])
def test_a_file_that_was_cut_or_grew_is_noticed(tmp_path: Path, suffix: str, cut: int) -> None:
    path = write(tmp_path / f"amber-moon{suffix}")
    data = path.read_bytes()
    for changed in (data[:-cut], data + b"\0" * cut, data[cut:], b""):
        path.write_bytes(changed)
        assert verified(path).faults


def test_a_signature_by_another_key_and_a_missing_one_are_faults(
    tmp_path: Path, suffix: str, key: ec.EllipticCurvePrivateKey
) -> None:
    other = signature.public_text(ec.generate_private_key(ec.SECP384R1()))
    signed = write(tmp_path / f"signed{suffix}", Proof(key))
    assert "another key than the expected one" in verified(signed, Trust(other)).faults[0]
    unsigned = write(tmp_path / f"unsigned{suffix}")
    assert "not signed, while a key was named" in verified(unsigned, Trust(other)).faults[0]


def test_records_signed_by_another_person_do_not_pass_as_the_same_file(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    """A forger who writes the file anew can only sign with a key of their own."""
    forged = write(tmp_path / "amber-moon.wacz", Proof(ec.generate_private_key(ec.SECP384R1())))
    assert verified(forged).faults == []
    assert verified(forged, Trust(signature.public_text(key))).faults != []


def test_a_timestamp_of_another_authority_or_over_another_text_is_a_fault(
    tmp_path: Path, suffix: str, proof: Proof, authority: Authority
) -> None:
    path = write(tmp_path / f"amber-moon{suffix}", proof)
    stranger = Authority().root
    assert any("timestamp" in fault for fault in verified(path, Trust(None, (stranger,))).faults)
    over_another = timestamp.request("another text", authority.url)
    assert timestamp.check(over_another, "this text").fault == "it is over another text"
    unstamped = write(tmp_path / f"plain{suffix}")
    assert "none, while certificates" in verified(unstamped, Trust(None, (authority.root,))).faults[0]


def test_an_authority_that_refuses_or_answers_nonsense_stops_the_file(
    tmp_path: Path, suffix: str, authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    authority.status = 2
    path = tmp_path / f"amber-moon{suffix}"
    with pytest.raises(MtfError, match="no timestamp"):
        write(path, Proof(key, authority.url))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadInput, match="an http"):
        write(path, Proof(key, "file:///etc/passwd"))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP521R1()])
def test_only_keys_that_replay_programs_can_check_are_taken(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    pem = ec.generate_private_key(curve).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    with pytest.raises(BadInput, match=r"key\.pem: not an ECDSA key on the curve P-384.*openssl ecparam"):
        signature.load_key(path)
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    with pytest.raises(BadInput, match=r"key\.pem: no readable private key"):
        signature.load_key(path)


def test_a_browser_verifies_the_signature(tmp_path: Path, node: str, key: ec.EllipticCurvePrivateKey) -> None:
    """As ReplayWeb.page does it, with the browser's own cryptography."""
    path = write(tmp_path / "amber-moon.wacz", Proof(key))
    with zipfile.ZipFile(path) as archive:
        signed = json.loads(archive.read("datapackage-digest.json"))["signedData"]
    script = """
        const signed = JSON.parse(process.argv[1]), bytes = (text) => Buffer.from(text, "base64");
        const curve = {name: "ECDSA", namedCurve: "P-384"}, hash = {name: "ECDSA", hash: "SHA-256"};
        crypto.subtle.importKey("spki", bytes(signed.publicKey), curve, true, ["verify"])
            .then((key) => crypto.subtle.verify(hash, key, bytes(signed.signature), Buffer.from(signed.hash)))
            .then((holds) => console.log(holds));
    """
    for content, holds in ((signed, "true"), (signed | {"hash": signed["hash"][:-1] + "x"}, "false")):
        assert run_in(tmp_path, node, "-e", script, json.dumps(content)).strip() == holds


def test_an_erasure_takes_single_records_and_the_rest_still_verifies(
    tmp_path: Path, suffix: str, proof: Proof, key: ec.EllipticCurvePrivateKey, authority: Authority
) -> None:
    path = write(tmp_path / f"amber-moon{suffix}", proof)
    trust = Trust(signature.public_text(key), (authority.root,))
    first = erasure.erase(path, erasure.Named({IMAGES[0]}), day="2026-02-03")
    assert len(first) == 2, "the statement and the picture's response; the page tells of another picture, too"
    result = verified(path, trust)
    assert (result.faults, result.records, result.erased) == ([], 7, 2)
    assert result.signed_by is not None and result.is_timestamp_trusted
    text = b"".join(gzip.decompress(warc_of(path)).split(b"\r\n"))
    assert IMAGES[0].encode() not in text and b"aa.jpg" not in text
    assert b"erased-sha256: " in text and PAGE + b"1" in text

    second = erasure.erase(path, erasure.Named(addresses=["https://photos.example/bb.jpg"]), day="2026-02-04")
    assert len(second) == 3, "now the page goes, too"
    result = verified(path, trust)
    assert (result.faults, result.records, result.erased) == ([], 4, 5)
    assert PAGE + b"1" not in gzip.decompress(warc_of(path))
    assert b"view/1" not in path.read_bytes() and PAGE + b"2" in gzip.decompress(warc_of(path))
    assert erasure.erase(path, erasure.Named({IMAGES[0]}), day="2026-02-05") == []


def test_after_an_erasure_the_index_still_finds_what_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "amber-moon.wacz")
    erasure.erase(path, erasure.Named(IMAGES), day="2026-02-03")
    with zipfile.ZipFile(path) as archive:
        (line,) = gzip.decompress(archive.read("indexes/index.cdx.gz")).decode().splitlines()
        row = json.loads(line.split(" ", 2)[2])
        member = archive.read("archive/data.warc.gz")[int(row["offset"]) :][: int(row["length"])]
        _, *pages = archive.read("pages/pages.jsonl").splitlines()
        package = json.loads(archive.read("datapackage.json"))
    assert gzip.decompress(member).rstrip().endswith(PAGE + b"2")
    assert [json.loads(page)["url"] for page in pages] == ["https://photos.example/view/2"]
    assert (package["modified"], package["mainPageUrl"]) == ("2026-02-03T00:00:00Z", "https://photos.example/view/2")
    kinds = [record.rec_type for record in ArchiveIterator(io.BytesIO(warc_of(path)))]
    assert len(kinds) == 9


def test_nobody_can_claim_an_erasure_of_a_record_without_a_trace(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    """A tombstone says what is gone; the signed list of records cannot lose one."""
    path = write(tmp_path / f"amber-moon{files.WARC}", Proof(key))
    beside = files.records_path(path)
    found = records_file.parse(beside.read_bytes())
    beside.write_bytes(replace(found, records=found.records[:-1]).to_bytes())
    path.write_bytes(path.read_bytes()[: -found.records[-1].bytes])
    assert ["signature" in fault for fault in verified(path).faults] == [True]


def test_a_file_that_does_not_verify_is_not_changed_by_an_erasure(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"amber-moon{suffix}")
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match="nothing was erased from it"):
        erasure.erase(path, erasure.Named({IMAGES[0]}), day="2026-02-03")
    assert path.read_bytes() == bytes(data)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"manifest": {"format": "mtf-evidence/9"}}',
        b'{"manifest": {"format": "mtf-evidence/1", "identity": "../../etc", "records": []}}',
        b'{"manifest": {"format": "mtf-evidence/1", "identity": "a", "records": [{"bytes": 1e400}]}}',
    ],
)
def test_a_strangers_records_file_is_a_fault_of_one_line(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / f"amber-moon{files.WARC}")
    files.records_path(path).write_bytes(content)
    (fault,) = verified(path).faults
    assert fault.startswith(f"amber-moon{files.WARC}: amber-moon.evidence.json: ") and "\n" not in fault


def strangers_zips() -> Iterator[tuple[str, bytes]]:
    for name, names, compression in (
        ("compressed", files_in_a_wacz(), zipfile.ZIP_DEFLATED),
        ("other files", ["../../evil", "archive/data.warc.gz"], zipfile.ZIP_STORED),
        ("no files", [], zipfile.ZIP_STORED),
    ):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", compression) as archive:
            for each in names:
                archive.writestr(each, b"\0" * 1_000_000)
        yield name, out.getvalue()
    yield "no ZIP", b"PK\x03\x04" + b"x" * 1000


def files_in_a_wacz() -> list[str]:
    return [files.ARCHIVE, files.INDEX, files.BLOCKS, files.PAGES, RECORDS, files.PACKAGE, files.DIGEST]


@pytest.mark.parametrize(
    ("name", "data"), [*strangers_zips()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_strangers_zip_is_a_fault_and_nothing_is_unpacked(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / "amber-moon.wacz"
    path.write_bytes(data)
    assert verified(path).faults, name
    assert [each.name for each in tmp_path.iterdir()] == ["amber-moon.wacz"]


def test_a_folder_is_verified_file_by_file_and_an_empty_one_is_no_evidence(tmp_path: Path) -> None:
    for name in ("one.wacz", "two.warc.gz"):
        write(tmp_path / name)
    assert [(each.name, each.faults) for each in verification.verify(tmp_path, Trust())] == [
        ("one.wacz", []),
        ("two.warc.gz", []),
    ]
    (tmp_path / "two.warc.gz").unlink()
    assert verification.verify(tmp_path, Trust())[1].faults == [
        "two.warc.gz: file: missing, while two.evidence.json is there"
    ]
    (tmp_path / "empty").mkdir()
    for bad in (tmp_path / "empty", tmp_path / "gone.wacz", tmp_path / "two.evidence.json"):
        with pytest.raises(BadInput):
            verification.verify(bad, Trust())
