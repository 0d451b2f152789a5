"""`mtf subject`: a person gets all that is held about them, and sees nobody else."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from held_project import BLUE, HOSTILE, OTHER, OWN, RED, SHOTS, Shot, decided, make, params
from PIL import Image

from mtf.annotation.decision import Verdict
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.subject import answer, decisions, holdings, lookup
from projects import mtf


@pytest.fixture
def project(tmp_path: Path) -> ProjectPaths:
    return make(tmp_path / "project")


def written(project: ProjectPaths, identity: str = "ada") -> tuple[answer.Written, zipfile.ZipFile]:
    done = answer.write(identity, project, params(), folder=project.root / "out")
    return done, zipfile.ZipFile(done.archive)


def pixels(packed: zipfile.ZipFile, shot: Shot) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(packed.read(f"pictures/{shot.image_id}.jpg"))).convert("RGB")).astype(int)


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """True if a patch of the picture has this colour, give or take JPEG's noise."""
    return int((np.abs(picture - np.array(colour)).max(axis=2) < 30).sum()) > 100


def middle(box: tuple[int, int, int, int]) -> tuple[int, int]:
    x, y, width, height = box
    return y + height // 2, x + width // 2


def test_a_picture_of_the_person_alone_is_the_very_file(project: ProjectPaths) -> None:
    _, packed = written(project)
    assert packed.read(f"pictures/{SHOTS[0].image_id}.jpg") == SHOTS[0].jpeg


def test_other_faces_are_masked_and_the_persons_own_is_not(project: ProjectPaths) -> None:
    _, packed = written(project)
    picture = pixels(packed, SHOTS[1])
    assert not has(picture, BLUE)
    assert has(picture, RED)
    assert np.abs(picture[middle(OTHER)] - 128).max() < 12


def test_of_several_faces_that_nobody_has_judged_all_are_masked(project: ProjectPaths) -> None:
    _, packed = written(project)
    picture = pixels(packed, SHOTS[2])
    assert not has(picture, BLUE)
    assert not has(picture, RED)


def test_without_a_review_nobody_knows_which_of_two_faces_is_the_persons(project: ProjectPaths) -> None:
    settings = params()
    unreviewed = settings.model_copy(update={"curate": settings.curate.model_copy(update={"mode": "non_curated"})})
    by_image = {each.row["image_id"]: each for each in holdings.gather("ada", project, unreviewed).pictures}
    assert len(by_image[SHOTS[1].image_id].masked) == 2
    assert by_image[SHOTS[0].image_id].masked == []


def test_a_face_that_reviewers_took_for_somebody_else_is_masked_even_if_it_is_alone(project: ProjectPaths) -> None:
    done, packed = written(project)
    assert not has(pixels(packed, SHOTS[3]), BLUE)
    states = [face.state for picture in done.holdings.pictures for face in picture.faces]
    assert "left out at the step identity: wrong person" in states


def test_a_picture_that_cannot_be_decoded_is_left_out_where_it_would_show_others(project: ProjectPaths) -> None:
    shard = project.shard("crawl", "ada")
    data = shard.read_bytes()
    shard.write_bytes(data.replace(SHOTS[1].jpeg, b"\0" * len(SHOTS[1].jpeg)))
    done, packed = written(project)
    assert done.left_out == {SHOTS[1].image_id: "it shows other people, and cannot be decoded to mask them"}
    assert f"pictures/{SHOTS[1].image_id}.jpg" not in packed.namelist()
    assert "cannot be decoded to mask them" in packed.read("index.html").decode()


def test_a_face_that_is_listed_under_another_person_is_masked(tmp_path: Path) -> None:
    shared = Shot("ada", 7, faces=(OWN, OTHER), kept=(OWN,), wrong=())
    project = make(tmp_path / "project", (shared, Shot("bea", 8)))
    path = project.table("crop", "faces")
    rows = pl.read_parquet(path)
    is_other = pl.col("face_id") == shared.face_id(OTHER)
    rows.with_columns(identity=pl.when(is_other).then(pl.lit("bea")).otherwise("identity")).write_parquet(path)
    done, packed = written(project)
    assert not has(pixels(packed, shared), BLUE)
    assert "listed as another person" in [face.state for each in done.holdings.pictures for face in each.faces]


def test_nothing_of_another_person_is_in_the_answer(project: ProjectPaths) -> None:
    _, packed = written(project)
    everything = b"".join(packed.read(name) for name in packed.namelist())
    for trace in (b'"bea"', SHOTS[4].image_id.encode(), SHOTS[4].jpeg):
        assert trace not in everything


def test_decisions_are_all_there_and_no_reviewer_is_named(project: ProjectPaths) -> None:
    decided(project, "carla", SHOTS[0], hour=9)
    decided(project, "dan", SHOTS[0], hour=10, verdict=Verdict.REJECT)
    decided(project, "carla", SHOTS[1], hour=11)
    decided(project, "dan", SHOTS[4], hour=12)
    done, packed = written(project)
    found = [(each["reviewer"], each["verdict"], each.get("reason")) for each in done.holdings.decisions]
    assert found == [
        ("reviewer 1", "accept", None), ("reviewer 2", "reject", "wrong_person"), ("reviewer 1", "accept", None),
    ]  # fmt: skip
    for name in ("index.html", "data.json"):
        assert not re.search(rb"carla|\bdan\b", packed.read(name))
    page = packed.read("index.html").decode()
    assert page.count("<td>reviewer 1</td>") == 2


def test_a_torn_line_of_the_ledger_stops_no_answer(project: ProjectPaths) -> None:
    decided(project, "carla", SHOTS[0], hour=9)
    [path] = project.review.glob("*/*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"identity":"ada","step"')
    assert len(decisions.about("ada", project.review)) == 1


def test_the_page_says_since_when_from_where_and_on_what_basis(project: ProjectPaths) -> None:
    _, packed = written(project)
    page = packed.read("index.html").decode()
    assert "2025-04-02" in page
    assert 'href="https://media.example/1.jpg"' in page
    assert "license: CC-BY-4.0 (found by page: rel=license)" in page
    assert "in the data set, train split" in page
    assert (project.root / "out" / "ada.html").read_text() == page


def test_the_basis_of_a_project_by_consent_is_the_consent(project: ProjectPaths) -> None:
    import datetime as dt

    from mtf.rights import consent_records

    given = {"subject": "ada", "form": "release", "form_version": "1", "scopes": ["training"], "given_by": "self"}
    rest = {"age": 40, "reference": "cabinet", "valid_until": None, "revoked_on": None}
    consent_records.add(project.consent, given | rest | {"given_on": dt.date(2025, 1, 1)})
    held = holdings.gather("ada", project, params())
    settings = params()
    by_consent = settings.model_copy(update={"licenses": settings.licenses.model_copy(update={"basis": "consent"})})
    assert holdings.basis(held.pictures[0], held, by_consent) == "consent: release 1 of 2025-01-01"
    assert held.consents[0]["reference"] == "cabinet"


def test_takedowns_and_authors_that_people_recorded_are_there(project: ProjectPaths) -> None:
    takedown = f"2026-01-02,image_id,{SHOTS[0].image_id},asked,somebody,letter\n2026-01-02,identity,bea,asked,x,y\n"
    project.takedowns.write_text(project.takedowns.read_text() + takedown)
    project.attribution.write_text(
        "added_at,kind,value,creator,creator_url,title,page_url,found_by,source\n"
        "2026-01-02,picture,https://media.example/1.jpg,A Painter,,,,finder-name,a catalogue\n"
    )
    done, packed = written(project)
    assert [row["value"] for row in done.holdings.takedowns] == [SHOTS[0].image_id]
    assert [row["creator"] for row in done.holdings.attributions] == ["A Painter"]
    assert b"finder-name" not in packed.read("index.html") + packed.read("data.json")


def test_every_table_with_rows_about_the_person_is_in_the_data(project: ProjectPaths) -> None:
    path = project.stage("evaluate") / "gender" / "predictions.parquet"
    path.parent.mkdir(parents=True)
    pl.DataFrame({"identity": ["ada", "bea"], "predicted": ["Males", "Females"]}).write_parquet(path)
    (project.build / "broken.parquet").write_bytes(b"PAR1 not a table")
    _, packed = written(project)
    tables = json.loads(packed.read("data.json"))["tables"]
    assert tables["build/evaluate/gender/predictions.parquet"] == [{"identity": "ada", "predicted": "Males"}]
    assert set(tables) >= {"build/crawl/images.parquet", "build/crop/faces.parquet", "build/screen/screening.parquet"}


def test_the_files_in_the_folder_are_a_version_with_their_release_and_models(project: ProjectPaths) -> None:
    model = project.stage("models") / "small_cnn" / "gender" / "model.pt"
    model.parent.mkdir(parents=True)
    model.write_text("weights")
    pl.DataFrame({"identity": ["ada"]}).write_parquet(_below(project.stage("release") / "metadata.parquet"))
    [current] = written(project)[0].versions
    assert (current.commit, current.release) == ("current files", "0.1.0")
    assert current.models == ("build/models/small_cnn/gender",)
    assert current.faces == {"train": 2}


def _below(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


class Active(HTMLParser):
    """Elements and attributes that could run or fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "script" or any(name.startswith("on") for name in values):
            self.found.append(tag)
        if tag == "img" and not values["src"].startswith("data:image/jpeg;base64,"):
            self.found.append(values["src"])
        if tag == "a" and not values["href"].startswith(("http://", "https://", "#")):
            self.found.append(values["href"])


def test_hostile_titles_addresses_and_names_run_nothing(project: ProjectPaths) -> None:
    path = project.table("crawl", "images")
    rows = pl.read_parquet(path)
    rows.with_columns(url=pl.lit("javascript:alert(1)"), source=pl.lit(HOSTILE)).write_parquet(path)
    _, packed = written(project)
    page = Active()
    page.feed(packed.read("index.html").decode())
    assert page.found == []
    assert "<script" not in packed.read("index.html").decode()


def test_the_same_data_give_the_same_bytes(project: ProjectPaths) -> None:
    first = written(project)[0].archive.read_bytes()
    assert written(project)[0].archive.read_bytes() == first


@pytest.mark.parametrize("value", ["ada", SHOTS[0].image_id])
def test_a_person_is_found_by_slug_and_by_image_id(project: ProjectPaths, value: str) -> None:
    assert lookup.identity_of(value, project, params()) == "ada"


def test_a_person_is_found_by_the_very_file_and_by_a_published_face(project: ProjectPaths, tmp_path: Path) -> None:
    for name, data in (
        ("letter.jpg", SHOTS[1].jpeg),
        (f"train_{SHOTS[0].face_id(OWN)}.jpg", Shot("x", 60).jpeg),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        assert lookup.identity_of(str(path), project, params()) == "ada"


def resaved(data: bytes, width: int) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).resize((width, width * 3 // 4)).save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def test_a_resized_copy_is_found_by_the_hash_that_the_crawl_has_stored(tmp_path: Path) -> None:
    project = make(tmp_path / "project", hashed=True)
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(resaved(SHOTS[0].jpeg, 400))
    assert hashlib.sha256(copy.read_bytes()).hexdigest() != SHOTS[0].image_id
    assert lookup.identity_of(str(copy), project, params()) == "ada"


def test_a_crop_is_found_by_its_hash_in_the_table_of_measures(project: ProjectPaths, tmp_path: Path) -> None:
    import cv2

    from mtf.faces.quality import perceptual_hash

    crop = cv2.imread(str(_saved(tmp_path / "crop.jpg", resaved(Shot("x", 90).jpeg, 120))))
    path = project.table("screen", "screening")
    value = perceptual_hash(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY))
    rows = pl.read_parquet(path)
    is_bea = pl.col("identity") == "bea"
    near = pl.lit(value ^ 1, pl.UInt64).cast(rows.schema["hash"], wrap_numerical=True)
    rows.with_columns(hash=pl.when(is_bea).then(near).otherwise("hash")).write_parquet(path)
    assert lookup.identity_of(str(tmp_path / "crop.jpg"), project, params()) == "bea"


def _saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_picture_of_several_people_asks_which_one_is_meant(project: ProjectPaths) -> None:
    path = project.table("crawl", "images")
    rows = pl.read_parquet(path)
    pl.concat([rows, rows.head(1).with_columns(identity=pl.lit("bea"))]).write_parquet(path)
    with pytest.raises(BadInput, match=r"is held of 2 people: ada, bea; name one of them"):
        lookup.identity_of(SHOTS[0].image_id, project, params())


@pytest.mark.parametrize("value", ["nobody", "../ada", "0" * 64])
def test_an_unknown_value_is_refused_with_what_is_permitted(project: ProjectPaths, value: str) -> None:
    with pytest.raises(BadInput, match=r"subject: .* is not permitted; permitted: an"):
        lookup.identity_of(value, project, params())


def test_a_file_that_is_no_picture_is_refused(project: ProjectPaths, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"letter\.jpg: not readable as a picture"):
        lookup.identity_of(str(_saved(tmp_path / "letter.jpg", b"Dear Sirs")), project, params())


def test_the_command_writes_one_zip_and_one_page(project: ProjectPaths) -> None:
    done = mtf(project.root, "subject", "ada")
    assert done.returncode == 0, done.stderr
    assert "ada: 4 pictures, other faces masked in 3" in done.stdout
    assert "in 1 version, 0 releases, 0 trained models" in done.stdout
    assert sorted(path.name for path in project.stage("subject").iterdir()) == ["ada.html", "ada.zip"]
    # A second answer does not answer for the first.
    assert mtf(project.root, "subject", "ada").stdout == done.stdout
