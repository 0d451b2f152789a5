"""Verification of exported evidence: time for 100,000 records, and changes of single bytes that are noticed.

    .venv/bin/python benchmarks/evidence.py [RECORDS]

Targets: under 5 minutes for 100,000 records; 1,000 of 1,000 changes noticed. The evidence is made up: pages of 20 to
60 KB with text that compresses as HTML does, two records for each (the page and the statement), in files of 200
records, signed, as WACZ. Each file lies there ten times, to spend no time on making more. The changes are at random
places of all bytes of one signed WACZ, and of one WARC with its records file.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from mtf.rights.web_archive import files, verification, warc
from mtf.rights.web_archive.files import Proof
from mtf.rights.web_archive.verification import Trust

RECORDS_OF_A_FILE = 200
COPIES = 10
TARGET_S = 300.0
CHANGES = 1000
DATE = "2026-01-02T03:04:05Z"
WORDS = [f"<p class='w{number}'>word{number * number}</p>" for number in range(2_000)]


def records(identity: str, count: int, generator: random.Random) -> Iterator[warc.WarcRecord]:
    yield warc.warcinfo(identity, DATE, "mtf benchmark")
    for number in range(count // 2):
        url = f"https://photos.example/{identity}/{number}"
        body = "".join(generator.choices(WORDS, k=generator.randint(700, 2_000))).encode()
        fields = [("Content-Type", "text/html"), ("Server", "x")]
        page = warc.response(url, DATE, status=200, fields=fields, body=body, is_page=True)
        yield page
        content = {"image_id": f"{number:064x}", "url": f"{url}.jpg", "records": [page.record_id]}
        yield warc.statement(f"{url}.jpg", DATE, content, refers_to=page.record_id)


def write(path: Path, count: int, generator: random.Random, proof: Proof) -> None:
    identity = path.name.partition(".")[0]
    files.write(
        path,
        records(identity, count, generator),
        identity=identity,
        evidence="0" * 64,
        software="mtf benchmark",
        created=DATE,
        proof=proof,
        erased={},
    )


def noticed(path: Path, generator: random.Random) -> int:
    """Number of CHANGES single-byte changes, at random places of all bytes of an export, that verification notices."""
    targets = [path] if path.name.endswith(files.WACZ) else [path, files.records_path(path)]
    originals = {target: target.read_bytes() for target in targets}
    places = [(target, place) for target, data in originals.items() for place in range(len(data))]
    found = 0
    for target, place in generator.sample(places, CHANGES):
        data = bytearray(originals[target])
        data[place] ^= generator.randrange(1, 256)
        target.write_bytes(data)
        found += any(result.faults for result in verification.verify(path, Trust()))
        target.write_bytes(originals[target])
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    generator = random.Random(7)
    proof = Proof(ec.generate_private_key(ec.SECP384R1()))
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        start = time.perf_counter()
        for number in range(-(-count // (COPIES * RECORDS_OF_A_FILE))):
            first = root / f"person-{number}-0{files.WACZ}"
            write(first, RECORDS_OF_A_FILE, generator, proof)
            for copy in range(1, COPIES):
                shutil.copyfile(first, root / f"person-{number}-{copy}{files.WACZ}")
        written_s = time.perf_counter() - start
        size = sum(path.stat().st_size for path in root.iterdir())
        start, used = time.perf_counter(), time.process_time()
        results = verification.verify(root, Trust())
        verified_s, used_s = time.perf_counter() - start, time.process_time() - used
        assert not any(result.faults for result in results)
        verified = sum(result.records for result in results)
        print(f"written: a tenth of {verified:,} records, of {size / 2**20:,.0f} MiB, in {written_s:.0f} s")
        print(
            f"verified: {verified:,} records in {verified_s:.1f} s ({used_s:.1f} s of processor time), "
            f"{TARGET_S / verified_s:.0f} times faster than the target of {TARGET_S:.0f} s"
        )
    for suffix in (files.WACZ, files.WARC):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"person{suffix}"
            write(path, 20, generator, proof)
            print(f"{suffix}: {noticed(path, generator):,} of {CHANGES:,} single-byte changes noticed")


if __name__ == "__main__":
    main()
