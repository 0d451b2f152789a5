"""Exported evidence in the answer to a person: all that the sources said, and no picture that was not masked."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from held_project import SHOTS, make, params

from mtf.core.project_paths import ProjectPaths
from mtf.rights.web_archive import files, verification, warc
from mtf.rights.web_archive.files import Proof
from mtf.subject import answer
from projects import mtf

DATE = "2026-01-02T03:04:05Z"
PAGE = b"<html><title>A portrait</title></html>"
SHOT = SHOTS[1]


def records(*, with_picture: bool) -> Iterator[warc.WarcRecord]:
    yield warc.warcinfo("ada", DATE, "mtf test")
    html, jpeg = ([("Content-Type", kind)] for kind in ("text/html", "image/jpeg"))
    page = warc.response("https://page.example/one", DATE, status=200, fields=html, body=PAGE, is_page=True)
    yield page
    body = SHOT.jpeg if with_picture else None
    own = warc.response("https://media.example/2.jpg", DATE, status=200, fields=jpeg, body=body)
    yield own
    said = {"image_id": SHOT.image_id, "records": [page.record_id], "own_record": own.record_id}
    yield warc.statement("https://media.example/2.jpg", DATE, said, refers_to=page.record_id)


@pytest.fixture
def project(tmp_path: Path) -> ProjectPaths:
    return make(tmp_path / "project")


def export(project: ProjectPaths, suffix: str, *, with_picture: bool) -> Path:
    path = project.evidence / f"ada{suffix}"
    path.parent.mkdir(exist_ok=True)
    files.write(
        path,
        records(with_picture=with_picture),
        identity="ada",
        evidence="0" * 64,
        software="mtf test",
        created=DATE,
        proof=Proof(ec.generate_private_key(ec.SECP384R1())),
        erased={},
    )
    return path


def answered(project: ProjectPaths) -> tuple[answer.Written, zipfile.ZipFile]:
    done = answer.write("ada", project, params(), folder=project.root / "out")
    return done, zipfile.ZipFile(done.archive)


def test_a_file_without_pictures_is_in_the_answer_as_it_stands(project: ProjectPaths) -> None:
    path = export(project, ".wacz", with_picture=False)
    done, packed = answered(project)
    assert done.evidence == ["ada.wacz"]
    assert packed.read("evidence/ada.wacz") == path.read_bytes()
    assert "evidence/ada.wacz" in packed.read("index.html").decode()


@pytest.mark.parametrize("suffix", [".wacz", ".warc.gz"])
def test_the_bytes_of_a_picture_are_erased_from_the_copy_which_still_verifies(
    project: ProjectPaths, tmp_path: Path, suffix: str
) -> None:
    path = export(project, suffix, with_picture=True)
    before = path.read_bytes()
    _, packed = answered(project)
    for name in packed.namelist():
        if name.startswith("evidence/"):
            (tmp_path / Path(name).name).write_bytes(packed.read(name))
    copy = tmp_path / path.name
    data = zipfile.ZipFile(copy).read(files.ARCHIVE) if suffix == ".wacz" else copy.read_bytes()
    assert SHOT.jpeg not in gzip.decompress(data)
    assert PAGE in gzip.decompress(data)
    (result,) = verification.verify(copy, verification.Trust())
    assert (result.faults, result.erased, result.records) == ([], 1, 3)
    assert result.signed_by is not None
    assert path.read_bytes() == before, "the project's own file is left alone"
    assert not [each for each in (project.root / "out").iterdir() if each.name.startswith(".")]


def test_a_damaged_file_is_named_instead(project: ProjectPaths) -> None:
    path = export(project, ".wacz", with_picture=True)
    path.write_bytes(path.read_bytes()[:-40])
    done = mtf(project.root, "subject", "ada")
    assert done.returncode == 0, done.stderr
    assert "not in the ZIP: ada.wacz: " in done.stdout
    assert str(project.root) not in done.stdout
    packed = zipfile.ZipFile(io.BytesIO((project.stage("subject") / "ada.zip").read_bytes()))
    assert "ada.wacz" in packed.read("index.html").decode()
    assert not any(name.startswith("evidence/") for name in packed.namelist())
    assert json.loads(packed.read("data.json"))["identity"] == "ada"


def test_evidence_of_others_stays_where_it_is(project: ProjectPaths) -> None:
    export(project, ".wacz", with_picture=False).rename(project.evidence / "bea.wacz")
    done, packed = answered(project)
    assert done.evidence == []
    assert "No evidence about this person was exported." in packed.read("index.html").decode()
