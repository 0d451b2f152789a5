"""What an erasure has to find: objects of no version, reports, leftovers, people's own files, what lies about."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from dvc.repo import Repo, lock_repo
from small_project import Small, erasing, holding, image_id, members_of, picture, tar_of, thumbnail

from mtf.core.errors import BadInput, MtfError
from mtf.forget.object_store import TOMBSTONE
from mtf.rights import attribution
from mtf.takedown.execution import erase, plan
from projects import run_in

PEOPLE = {"ann": ["ann-0", "ann-1"], "bob": ["bob-0"]}
WITHOUT = {"ann": ["ann-0"], "bob": ["bob-0"]}


def needles(name: str) -> Iterator[bytes]:
    """Each form in which a picture is kept."""
    yield picture(name)[:40]
    yield f"crop {name} crop".encode()
    yield f"published {name} pub".encode()
    yield thumbnail(name).encode()


def assert_gone(project: Small, name: str) -> None:
    for needle in needles(name):
        assert project.holding(needle) == [], needle


def test_a_run_that_no_commit_knows_is_erased_with_its_report(project: Small) -> None:
    project.run(PEOPLE)
    with Repo(str(project.root)) as repo:
        repo.push()
    project.run({**PEOPLE, "cleo": ["cleo-0"]})
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit()
    assert all(holding(store, needle) for store in project.stores() for needle in needles("ann-1"))

    (receipt,) = erase(project.workspace, signed_by="The officer")

    assert_gone(project, "ann-1")
    assert receipt["finished_at"] and {h["revisions"][0] for h in receipt["objects"]} == {"no version"}
    assert [model["path"].partition("/")[2] for model in receipt["models"]] == ["equal/model.pt"] * 2
    for kept in ("ann-0", "bob-0"):
        assert all(project.holding(needle) for needle in needles(kept))
    assert holding(project.root / ".dvc/cache", picture("cleo-0")[:40])


def test_what_has_not_even_a_name_is_found_by_its_content(project: Small) -> None:
    """A run that was killed while DVC stored its files: they are in the cache, and no listing names them."""
    project.run(PEOPLE)
    for listing in (project.root / ".dvc/cache").rglob("*.dir"):
        listing.unlink()
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit()
    (receipt,) = erase(project.workspace, signed_by="The officer")
    for needle in (picture("ann-0")[:40], picture("ann-1")[:40], b"crop ann-1 crop"):
        assert project.holding(needle) == []
    assert receipt["finished_at"] and project.holding(picture("bob-0")[:40])


def test_a_page_taken_down_means_pictures_that_only_a_forgotten_run_knew(project: Small) -> None:
    project.run(PEOPLE)
    project.take_down("page", "https://x.example/of/ann-1")
    project.run(WITHOUT)
    project.commit()
    erase(project.workspace, signed_by="The officer")
    assert_gone(project, "ann-1")


def test_an_old_report_that_shows_the_person_is_replaced_and_the_new_one_is_not(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit("v2")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert_gone(project, "ann-1")
    (report,) = [each for each in receipt["objects"] if each["path"] == "build/report/index.html"]
    assert report["others"] == 2
    assert thumbnail("bob-0") in (project.root / "build/report/index.html").read_text()


def test_what_a_killed_writer_left_is_erased(project: Small) -> None:
    project.run(PEOPLE)
    shard = project.workspace.shard("crawl", "ann")
    left = shard.parent / ".ann.tar.1a2b3c4d.part"
    left.write_bytes(b"half a shard: " + picture("ann-1"))
    (project.root / ".dvcignore").write_text("")
    project.store()
    project.commit("v1")
    project.take_down("identity", "ann")
    left.unlink()
    project.run({"bob": ["bob-0"]})
    project.commit("v2")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert_gone(project, "ann-1")
    assert "build/crawl/shards/.ann.tar.1a2b3c4d.part" in [each["path"] for each in receipt["objects"]]


def test_a_place_that_is_not_there_is_owed_and_named(
    project: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run(PEOPLE)
    project.commit()
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit()
    run_in(tmp_path, "git", "clone", "-q", str(project.root), "fresh")
    fresh = tmp_path / "fresh"
    (fresh / "data").mkdir()
    shutil.copy(project.workspace.takedowns, fresh / "data")
    away = project.remote.rename(tmp_path / "away")

    monkeypatch.chdir(fresh)
    code, output = erasing()
    assert code == 1
    assert "owed: remote near: no such folder; is it mounted?" in output
    (saved,) = [json.loads(path.read_text()) for path in (fresh / "data/receipts").glob("*.json")]
    assert saved["finished_at"] is None and len(saved["lost"]) > 3
    page = next((fresh / "data/receipts").glob("*.md")).read_text()
    assert "remote near: no such folder" in page and "build/crawl at" in page

    away.rename(project.remote)
    project.root, project.workspace = fresh, type(project.workspace)(fresh)
    (finished,) = erase(project.workspace, signed_by="The officer")
    assert finished["finished_at"] and finished["places"]["remote near"]["before"] > 0
    assert_gone(project, "ann-1")


def test_peoples_own_files_are_cleared_wherever_the_picture_is(project: Small) -> None:
    mine, web = project.workspace.data / "mine", project.workspace.data / "web"
    for folder in (mine, web):
        folder.mkdir()
    (mine / "holiday.jpg").write_bytes(picture("ann-1"))
    (mine / "other.jpg").write_bytes(picture("bob-0"))
    (mine / "album.tar").write_bytes(tar_of({"a/beach.jpg": picture("ann-1"), "a/hill.jpg": picture("bob-0")}))
    (web / "x.example.tar").write_bytes(tar_of({image_id("ann-1"): picture("ann-1"), "page": b"<p>"}))
    records = [
        {"url": "https://x.example/1.jpg", "status": 200, "headers": {}, "body": f"x.example.tar:{image_id('ann-1')}"},
        {"url": "https://x.example/", "status": 200, "headers": {}, "body": "x.example.tar:page"},
    ]
    (web / "responses.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit("v2")

    (receipt,) = erase(project.workspace, signed_by="The officer")

    assert_gone(project, "ann-1")
    assert not (mine / "holiday.jpg").exists() and (mine / "other.jpg").read_bytes() == picture("bob-0")
    assert members_of(mine / "album.tar") == ["a/hill.jpg"]
    assert members_of(web / "x.example.tar") == ["page"]
    first, second = [json.loads(line) for line in (web / "responses.jsonl").read_text().splitlines()]
    assert (first["status"], first["body"]) == (410, None) and second == records[1]
    assert receipt["finished_at"]
    assert receipt["originals"] == [
        "data/mine/album.tar: 1 members",
        "data/mine/holiday.jpg",
        "data/web/x.example.tar: 1 members",
    ]
    erased = {each["path"]: each["others"] for each in receipt["objects"] if each["path"].startswith("data/")}
    assert erased == {"data/mine/holiday.jpg": 0, "data/mine/album.tar": 1, "data/web/x.example.tar": 1}
    assert erase(project.workspace, signed_by="The officer") == []


def test_files_that_dvc_linked_into_its_cache_keep_everybody_elses_pictures(project: Small) -> None:
    """With cache.type symlink the object that is buried is the file that people see in `data/`."""
    with (project.root / ".dvc/config").open("a") as file:
        file.write("[cache]\n    type = symlink\n")
    mine = project.workspace.data / "mine"
    mine.mkdir()
    album, packed, holiday = mine / "album.tar", mine / "packed.tar", mine / "holiday.jpg"
    pictures = tar_of({"beach.jpg": picture("ann-1"), "hill.jpg": picture("bob-0")})
    album.write_bytes(pictures)
    packed.write_bytes(gzip.compress(pictures))
    holiday.write_bytes(picture("ann-1"))
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit("v2")
    assert album.is_symlink() and packed.is_symlink() and holiday.is_symlink()
    there = packed.read_bytes()

    (receipt,) = erase(project.workspace, signed_by="The officer")

    assert members_of(album) == ["hill.jpg"] and not album.is_symlink()
    assert not holiday.exists() and not holiday.is_symlink()
    assert project.holding(picture("ann-1")[:40]) == []
    assert packed.read_bytes() == there, "nobody could look into it: it is owed, and not lost"
    assert any(each.startswith("data/mine/packed.tar: not readable") for each in receipt["unreadable"])


def test_a_link_to_elsewhere_goes_and_what_it_leads_to_is_left_to_people(project: Small, tmp_path: Path) -> None:
    album = tmp_path / "album.jpg"
    album.write_bytes(picture("ann-1"))
    link = project.workspace.data / "hers.jpg"
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    link.symlink_to(album)
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert album.exists() and not link.is_symlink()
    assert [line for line in receipt["by_hand"] if line.startswith(f"data/hers.jpg was a link to {album}")]


def test_what_a_link_led_to_is_still_owed_by_people_when_the_erasure_is_taken_up_again(
    project: Small, tmp_path: Path
) -> None:
    """The first run takes the link away, so the second sees none."""
    album = tmp_path / "album.jpg"
    album.write_bytes(picture("ann-1"))
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    (project.workspace.data / "hers.jpg").symlink_to(album)
    away = project.remote.rename(tmp_path / "away")
    (first,) = erase(project.workspace, signed_by="The officer")
    away.rename(project.remote)
    (second,) = erase(project.workspace, signed_by="The officer")
    assert not first["finished_at"] and second["finished_at"]
    (line,) = [each for each in second["by_hand"] if " was a link to " in each]
    assert line.startswith(f"data/hers.jpg was a link to {album}") and line in first["by_hand"]


def test_a_tar_that_cannot_be_read_is_owed_and_stops_nothing_else(project: Small) -> None:
    (project.workspace.data / "broken.tar").write_bytes(b"not a tar at all" * 99)
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit("v2")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert_gone(project, "ann-1")
    assert receipt["finished_at"] is None
    assert any(each.startswith("data/broken.tar: not readable as a tar") for each in receipt["unreadable"])
    page = next((project.workspace.data / "receipts").glob("*.md")).read_text()
    assert "Cannot be looked through: data/broken.tar" in page


def test_an_older_clone_cannot_push_the_picture_back(project: Small, tmp_path: Path) -> None:
    project.run(PEOPLE)
    project.commit("v1", push=False)
    shutil.copytree(project.root, tmp_path / "older", symlinks=True)
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit("v2")
    erase(project.workspace, signed_by="The officer")
    with Repo(str(tmp_path / "older")) as repo:
        assert repo.push() > 0
    for needle in needles("ann-1"):
        assert [(p, needle) for p in holding(project.remote, needle)] == []
    assert holding(project.remote, picture("bob-0")[:40]) and holding(project.remote, TOMBSTONE)


def test_what_lies_about_in_the_workspace_goes_and_is_named(project: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    project.run(WITHOUT)
    project.commit("v2")
    names = ["inputs", "room", "label", "fiftyone", "parquet", "webdataset", "compare", "made/later"]
    for folder in [*(project.root / "build" / name for name in names), project.root / ".dvc/tmp/exps/standalone/tmp1"]:
        folder.mkdir(parents=True)
        (folder / "picture").write_bytes(picture("ann-1"))
    (project.root / "build/crop.faces.failures.jsonl").write_bytes(picture("ann-1"))
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://me:secret@db.example:27017")

    (receipt,) = erase(project.workspace, signed_by="The officer")

    assert_gone(project, "ann-1")
    assert receipt["workspace"] == sorted(
        [*(f"build/{name.partition('/')[0]}" for name in names), "build/crop.faces.failures.jsonl", ".dvc/tmp/exps"]
    )
    assert "build/label" in [model["path"] for model in receipt["models"]]
    assert "build/multitask/equal/model.pt" in [model["path"] for model in receipt["models"]]
    database, unreached = receipt["by_hand"]
    assert "db.example:27017: the erasure drops" in database and "secret" not in json.dumps(receipt)
    assert "db.example:27017 could not be emptied" in unreached
    assert [*Repo(str(project.root)).status()] == ["data.dvc"], "the outputs, and DVC's own files, stay as they are"
    page = next((project.workspace.data / "receipts").glob("*.md")).read_text()
    assert "`build/webdataset`" in page and "db.example:27017" in page


def test_lines_of_text_that_the_current_version_keeps_are_left_to_people(project: Small) -> None:
    file = project.workspace.review / "eve" / "2026-01-01.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("".join(json.dumps({"identity": name}) + "\n" for name in ("ann", "bob", "ann")) + '{"ident')
    project.workspace.roster.write_text("identity,name\nbob,Bob\nann,Ann\n")
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    urls = [f"https://pictures.example/{name}.jpg" for name in ("ann-0", "ann-1", "bob-0")]
    fetches = pl.DataFrame({"identity": ["ann", "ann", "bob"], "query": ["Ann", "Ann", "Bob"], "url": urls})
    found = [f"2026-05-01,picture,{url},Someone,,,,eve,asked" for url in (urls[2], urls[1])]
    table = project.workspace.attribution
    table.write_text("\n".join([",".join(attribution.COLUMNS), *found]) + "\n")
    fetches.write_parquet(project.workspace.table("crawl", "fetches"))
    project.store()
    project.commit("v2")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    roster, ledger, authors = receipt["by_hand"]
    assert authors.startswith("data/attribution.csv row 3 names pictures of ann")
    assert roster.startswith("data/roster.csv row 3 names ann") and "2 rows of build/crawl/fetches" in roster
    assert ledger.startswith("Decisions about ann are in data/review/eve/2026-01-01.jsonl (2 lines)")
    assert receipt["finished_at"]


def test_a_clone_of_one_branch_says_so(project: Small, tmp_path: Path) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    run_in(tmp_path, "git", "clone", "-q", "--single-branch", f"file://{project.root}", "single")
    single = type(project.workspace)(tmp_path / "single")
    assert "follows one branch" in " ".join(plan(single, signed_by="The officer").receipt["by_hand"])


def test_a_picture_that_two_people_share_is_erased_with_both(project: Small) -> None:
    project.run({"ann": ["ann-0", "both"], "bob": ["bob-0", "both"]})
    project.commit("v1")
    project.take_down("identity", "ann")
    project.take_down("image_id", image_id("both"))
    project.run({"bob": ["bob-0"]})
    project.commit("v2")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert receipt["finished_at"] and receipt["subjects"]["affected"] == ["ann", "bob"]
    assert_gone(project, "both")
    assert all(project.holding(needle) for needle in needles("bob-0"))
    assert picture("bob-0") in project.workspace.shard("crawl", "bob").read_bytes()


def test_nothing_to_erase_leaves_no_receipt(project: Small) -> None:
    project.run(PEOPLE)
    project.commit()
    assert erase(project.workspace, signed_by="The officer") == []
    project.take_down("image_id", "f" * 64)
    assert erase(project.workspace, signed_by="The officer") == []
    assert not (project.workspace.data / "receipts").exists()


def test_an_erasure_waits_for_no_other_command_but_names_it(project: Small) -> None:
    project.run(PEOPLE)
    with Repo(str(project.root)) as other, lock_repo(other), pytest.raises(MtfError, match="another command of DVC"):
        erase(project.workspace, signed_by="The officer")


def test_the_command_shows_refuses_erases_and_owes(project: Small, tmp_path: Path) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))

    code, output = erasing("--dry-run")
    assert code == 0 and ": run `dvc repro`" in output and "build/crawl/shards/ann.tar" in output
    assert "## What old versions lost" in output
    code, output = erasing()
    assert code == 1 and output.startswith("the current version still holds pictures to erase (build/crawl/shards")
    assert project.holding(picture("ann-1")[:40]) and not (project.workspace.data / "receipts").exists()

    project.run(WITHOUT)
    project.commit("v2")
    away = project.remote.rename(tmp_path / "away")
    code, output = erasing()
    assert code == 1 and "owed: remote near: no such folder" in output
    away.rename(project.remote)
    code, output = erasing()
    assert code == 0 and "finished" in output and "git add data.dvc" in output
    assert_gone(project, "ann-1")
    code, output = erasing()
    assert code == 0 and output.startswith("Nothing to erase")


def test_a_receipt_changed_by_hand_is_refused(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    erase(project.workspace, signed_by="The officer")
    path = next((project.workspace.data / "receipts").glob("*.json"))
    path.write_text(path.read_text().replace("The officer", "Somebody"))
    with pytest.raises(BadInput, match="a receipt is not changed by hand"):
        erase(project.workspace, signed_by="The officer")
