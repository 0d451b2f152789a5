"""Exported evidence of a project whose pictures are taken down: single records go, the rest still verifies."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from small_project import Small, erasing, image_id

from mtf.rights.web_archive import files, signature, verification, warc
from mtf.rights.web_archive.files import Proof
from mtf.rights.web_archive.verification import Trust, Verified
from mtf.takedown.execution import erase

PEOPLE = {"ann": ["ann-0", "ann-1"], "bob": ["bob-0"]}
WITHOUT = {"ann": ["ann-0"], "bob": ["bob-0"]}
DATE = "2026-01-02T03:04:05Z"
KEY = ec.generate_private_key(ec.SECP384R1())
SIGNED = Trust(signature.public_text(KEY))


def export(project: Small, people: dict[str, list[str]], suffix: str = files.WACZ) -> Path:
    """Signed evidence on each person's pictures, a page and a statement each."""
    for identity, names in people.items():
        records = [warc.warcinfo(identity, DATE, "mtf test")]
        for name in names:
            url = f"https://x.example/of/{name}"
            page = warc.response(url, DATE, status=200, fields=[], body=f"page of {name}".encode(), is_page=True)
            content = {"image_id": image_id(name), "url": url, "page_url": url, "records": [page.record_id]}
            records += [page, warc.statement(url, DATE, content, refers_to=page.record_id)]
        files.write(
            project.workspace.evidence / f"{identity}{suffix}",
            records,
            identity=identity,
            evidence="0" * 64,
            software="mtf test",
            created=DATE,
            proof=Proof(KEY),
            erased={},
        )
    return project.workspace.evidence


def verified(folder: Path) -> dict[str, Verified]:
    return {result.name: result for result in verification.verify(folder, SIGNED)}


@pytest.mark.parametrize("suffix", [files.WACZ, files.WARC])
def test_an_erasure_takes_the_records_of_a_picture_and_leaves_the_signed_rest(project: Small, suffix: str) -> None:
    project.run(PEOPLE)
    project.commit()
    folder = export(project, PEOPLE, suffix)
    bob = (folder / f"bob{suffix}").read_bytes()
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit()

    (receipt,) = erase(project.workspace, signed_by="The officer")

    results = verified(folder)
    assert {name: (each.faults, each.records, each.erased) for name, each in results.items()} == {
        f"ann{suffix}": ([], 3, 2),
        f"bob{suffix}": ([], 3, 0),
    }
    assert results[f"ann{suffix}"].signed_by is not None
    assert (folder / f"bob{suffix}").read_bytes() == bob
    assert receipt["originals"] == [f"build/evidence/ann{suffix}: 2 records"]
    assert receipt["finished_at"]
    code, output = erasing()
    assert code == 0 and "Nothing to erase" in output


def test_the_evidence_of_a_person_who_is_erased_goes_as_a_whole(project: Small) -> None:
    project.run(PEOPLE)
    project.commit()
    folder = export(project, PEOPLE)
    export(project, {"ann": PEOPLE["ann"]}, files.WARC)
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit()
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert [path.name for path in folder.iterdir()] == ["bob.wacz"]
    assert [name for name in receipt["originals"] if "evidence" in name] == [
        "build/evidence/ann.evidence.json",
        "build/evidence/ann.wacz",
        "build/evidence/ann.warc.gz",
    ]


def test_a_file_that_no_longer_verifies_goes_as_a_whole_with_what_a_killed_export_left(project: Small) -> None:
    project.run(PEOPLE)
    project.commit()
    folder = export(project, PEOPLE)
    (folder / ".ann.wacz.00000000.part").write_bytes(b"half")
    data = bytearray((folder / "ann.wacz").read_bytes())
    data[300] ^= 1
    (folder / "ann.wacz").write_bytes(data)
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit()
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert [path.name for path in folder.iterdir()] == ["bob.wacz"]
    assert receipt["originals"] == ["build/evidence/ann.wacz"]
    assert "build/evidence/.ann.wacz.00000000.part" in receipt["workspace"]
    assert receipt["finished_at"]


def test_a_strangers_damaged_file_is_still_owed(project: Small) -> None:
    project.run(PEOPLE)
    project.commit()
    folder = export(project, PEOPLE)
    (folder / "bob.wacz").write_bytes(b"no ZIP")
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit()
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert not receipt["finished_at"]
    assert any("build/evidence/bob.wacz" in line for line in receipt["unreadable"])
    (folder / "bob.wacz").unlink()
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert receipt["finished_at"]


def test_a_dry_run_says_what_would_go_and_changes_nothing(project: Small) -> None:
    project.run(PEOPLE)
    project.commit()
    folder = export(project, PEOPLE)
    before = (folder / "ann.wacz").read_bytes()
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit()
    code, output = erasing("--dry-run")
    assert code == 0 and "build/evidence/ann.wacz: 2 records" in output
    assert (folder / "ann.wacz").read_bytes() == before
