"""Two commands from a letter to a receipt: `mtf consent revoke`, then `mtf takedown erase`."""

from __future__ import annotations

import copy
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
from small_project import Small, erasing, holding, picture

from mtf.core.project_paths import ProjectPaths
from mtf.rights import consent_records
from mtf.schemas import consent_file, takedown_file
from mtf.takedown import receipt
from projects import environment, mtf, run_in

PEOPLE = {"ada": ["a1", "a2"], "bea": ["b1"]}
# A pipeline of one stage, which leaves out who is taken down, as the real stages do.
MAKE = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]}
from pathlib import Path
import polars as pl
from mtf.core import shards
from mtf.core.project_paths import ProjectPaths
from mtf.schemas import takedown_file
from small_project import Small

small = Small.__new__(Small)
small.root, small.contents, small.hashes, small.store = Path.cwd(), {{}}, {{}}, lambda: None
small.workspace = ProjectPaths(small.root)
gone = {{each.value for each in takedown_file.load(small.workspace.takedowns).records}}
small.run({{name: pictures for name, pictures in {PEOPLE}.items() if name not in gone}})
images = small.workspace.table("crawl", "images")
rows = pl.read_parquet(images)
places = [
    shards.members(small.workspace.shard("crawl", name))[f"{{image_id}}.jpg"][0]
    for name, image_id in rows.select("identity", "image_id").iter_rows()
]
rows.with_columns(offset=pl.Series(places)).write_parquet(images)
"""
OUTS = ("crawl", "crop", "split", "multitask", "release", "report")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Small:
    """A project of two people who consented, with one released version."""
    with pytest.MonkeyPatch.context() as here:
        for name, value in environment().items():
            if name.startswith(("GIT_", "DVC_")):
                here.setenv(name, value)
        return release(Small(tmp_path_factory.mktemp("released")))


def release(project: Small) -> Small:
    config = project.root / ".dvc/config"
    config.write_text(config.read_text().replace(str(project.remote), "../../remote"))
    (project.root / "make.py").write_text(MAKE)
    outs = "".join(f"      - build/{name}\n" for name in OUTS)
    deps = "      - data/takedowns.csv\n      - make.py\n"
    command = f"{sys.executable} make.py"
    (project.root / "dvc.yaml").write_text(f"stages:\n  make:\n    cmd: {command}\n    deps:\n{deps}    outs:\n{outs}")
    project.workspace.roster.write_text(
        "identity,name,race,gender,age\nada,Ada,Blue,Females,Old\nbea,Bea,Blue,Females,Old\n"
    )
    for name in PEOPLE:
        given = {"subject": name, "form": "release", "form_version": "1", "scopes": ["training"], "given_by": "self"}
        rest = {"age": 40, "reference": "cabinet", "valid_until": None, "revoked_on": None}
        day = pl.date_range(pl.date(2025, 1, 1), pl.date(2025, 1, 1), eager=True).item()
        consent_records.add(project.workspace.consent, given | rest | {"given_on": day})
    run_in(project.root, "dvc", "add", "--quiet", "data")
    run_in(project.root, "dvc", "repro", "--quiet")
    project.commit("The first version")
    return project


@pytest.fixture
def consented(released: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """A copy of `released` for one test, which runs in its folder."""
    shutil.copytree(released.root.parent, tmp_path, symlinks=True, dirs_exist_ok=True)
    small = copy.copy(released)
    small.root, small.remote = tmp_path / "project", tmp_path / "remote"
    small.workspace = ProjectPaths(small.root)
    for name, value in environment().items():
        if name.startswith(("GIT_", "DVC_")):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("FIFTYONE_DATABASE_URI", raising=False)
    monkeypatch.chdir(small.root)
    return small


def test_a_letter_becomes_a_receipt_by_two_commands(consented: Small) -> None:
    assert consented.holding(picture("a1"))

    revoked = mtf(consented.root, "consent", "revoke", "ada", "--reference", "letter of 3 May", "--on", "2026-05-03")
    assert revoked.returncode == 0, revoked.stderr
    code, output = erasing()
    assert code == 0, output

    assert "ada: 1 of 1 consent revoked" in revoked.stdout
    assert "2 pictures match" in revoked.stdout
    assert "committed: data.dvc, dvc.lock" in revoked.stdout
    [(_, written)] = receipt.load_all(consented.workspace.data)
    assert written["finished_at"]
    assert written["requests"][0]["reference"] == "letter of 3 May"
    for name in PEOPLE["ada"]:
        assert not consented.holding(picture(name))
    assert consented.holding(picture("b1"))
    days = dict(consent_file.load(consented.workspace.consent).select("subject", "revoked_on").iter_rows())
    assert str(days["ada"]) == "2026-05-03"
    assert days["bea"] is None


def test_what_somebody_else_has_staged_is_not_committed_with_it(consented: Small) -> None:
    (consented.root / "notes.txt").write_text("mine")
    run_in(consented.root, "git", "add", "notes.txt")
    assert mtf(consented.root, "consent", "revoke", "ada", "--reference", "letter").returncode == 0
    assert "notes.txt" not in run_in(consented.root, "git", "show", "--stat", "HEAD")
    assert "A  notes.txt" in run_in(consented.root, "git", "status", "--short")


def test_a_failed_version_leaves_the_revocation_recorded_and_a_second_call_completes_it(consented: Small) -> None:
    script = consented.root / "make.py"
    script.write_text("raise SystemExit(3)")
    failed = mtf(consented.root, "consent", "revoke", "ada", "--reference", "letter")
    assert failed.returncode == 2
    assert "the revocation is recorded, but `dvc repro` failed" in failed.stderr
    assert takedown_file.load(consented.workspace.takedowns).of_identity("ada")

    script.write_text(MAKE)
    again = mtf(consented.root, "consent", "revoke", "ada", "--reference", "letter")
    assert again.returncode == 0, again.stderr
    assert "ada: revoked already" in again.stdout
    assert erasing()[0] == 0
    assert not holding(consented.root, picture("a1"))


def test_a_person_without_a_consent_is_sent_to_the_takedown(consented: Small) -> None:
    refused = mtf(consented.root, "consent", "revoke", "carl", "--reference", "letter")
    assert refused.returncode == 2
    assert "'carl' is not permitted; permitted: a subject of consent.csv; `mtf takedown add`" in refused.stderr


def test_a_subject_that_no_version_has_is_revoked_and_nothing_is_taken_down(consented: Small) -> None:
    consents = consent_file.load(consented.workspace.consent)
    stranger = consents.head(1).with_columns(subject=pl.lit("dora"))
    consent_file.write(consented.workspace.consent, pl.concat([consents, stranger]))
    done = mtf(consented.root, "consent", "revoke", "dora", "--reference", "letter", "--record-only")
    assert done.returncode == 0, done.stderr
    assert "nothing to take down" in done.stdout
    assert not takedown_file.load(consented.workspace.takedowns).records
