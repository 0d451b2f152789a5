"""`dvc-forget` in a repository that has nothing to do with faces."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from dvc.repo import Repo
from station import SECRET, Station, md5

from mtf.forget import forgetting
from mtf.forget.command import main
from mtf.forget.object_store import TOMBSTONE, ObjectStore
from projects import environment, run_in


def receipts(station: Station) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((station.root / forgetting.FOLDER).glob("*.json"))]


def test_a_file_of_a_large_folder_goes_from_every_version_and_all_else_still_checks_out(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    station.grow()
    revisions = ("v1", "side", "main", "stash@{0}")
    before = {each: station.checked_out(run_in(station.root, "git", "rev-parse", each).strip(), tmp_path / "clone")
              for each in revisions[:3]}  # fmt: skip
    assert station.holding(SECRET)

    assert main(["readings/07/garden.txt", "notes.txt"]) == 0
    said = capsys.readouterr().out
    assert "5 contents" in said and "readings/07/garden.txt" in said and "this was a dry run" in said
    assert station.holding(SECRET + b"third") and not (station.root / forgetting.FOLDER).exists()

    assert main(["readings/07/garden.txt", "notes.txt", "--apply"]) == 0
    said = capsys.readouterr().out
    assert "next: `dvc add readings`" in said and "next: `dvc remove notes.txt.dvc`" in said

    assert station.holding(SECRET) == []
    for each, files in before.items():
        after = station.checked_out(run_in(station.root, "git", "rev-parse", each).strip(), tmp_path / "clone")
        assert after.keys() == files.keys()
        assert {name for name in files if files[name] != after[name]} == {"readings/07/garden.txt", "notes.txt"}
        assert {after["readings/07/garden.txt"], after["notes.txt"]} == {TOMBSTONE}
    (receipt,) = receipts(station)
    assert receipt["finished_at"] and {*receipt["places"]} == {"cache", "remote near", "remote far"}
    assert all(place["before"] >= 4 and place["after"] == 0 for place in receipt["places"].values())
    assert main(["notes.txt", "--apply"]) == 0 and "Nothing to erase" in capsys.readouterr().out


def test_an_experiment_and_a_copy_under_another_name_go_by_digest(
    station: Station, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    secret, kept = SECRET + b"experiment", b"weights " * 99
    station.write("model.bin", kept)
    station.commit("v1", "model.bin")
    station.write("model.bin", secret)
    with Repo(str(station.root)) as repo:
        repo.add([str(station.root / "model.bin")])
    run_in(station.root, "git", "commit", "-aqm", "an experiment")
    run_in(station.root, "git", "update-ref", "refs/exps/ab/cdef/warm-owl", "HEAD")
    run_in(station.root, "git", "reset", "-q", "--hard", "HEAD~")
    with Repo(str(station.root)) as repo:
        repo.checkout(force=True)
        repo.push(all_commits=True, remote="far")
    station.write("elsewhere/copy of it.bin", secret)
    (station.root / ".dvc/tmp/exps/left").mkdir(parents=True)
    (station.root / ".dvc/tmp/exps/left/model.bin").write_bytes(secret)
    names = tmp_path / "names.txt"
    names.write_text(f"# what the lawyer named\n{hashlib.sha256(secret).hexdigest()}\n\n")

    assert main(["--list", str(names), "--apply"]) == 0
    assert station.holding(SECRET) == [] and station.holding(kept)
    (receipt,) = receipts(station)
    assert receipt["removed"] == [".dvc/tmp/exps/left/model.bin", "elsewhere/copy of it.bin"]
    assert "next:" not in capsys.readouterr().out and (station.root / "model.bin").read_bytes() == kept


def test_a_killed_run_is_resumed_by_the_same_command_or_without_a_target(station: Station, tmp_path: Path) -> None:
    for number in range(4):
        station.write(f"log/{number}.txt", SECRET + str(number).encode())
    station.write("log/kept.txt", b"kept " * 9)
    station.commit("v1", "log")
    dying = (
        "import os, signal\nfrom dvc_objects.db import ObjectDB\nput, left = ObjectDB.add_bytes, [2]\n"
        "def dying(*arguments, **named):\n    left[0] -= 1\n"
        "    if left[0] < 0:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return put(*arguments, **named)\nObjectDB.add_bytes = dying\n"
        "from mtf.forget.command import main\nmain(['log/0.txt', 'log/1.txt', 'log/2.txt', 'log/3.txt', '--apply'])"
    )
    killed = subprocess.run((sys.executable, "-c", dying), env=environment(), cwd=station.root, check=False)
    assert killed.returncode == -9 and station.holding(SECRET)
    (saved,) = receipts(station)
    assert saved["finished_at"] is None and not (station.root / "log/0.txt").exists()
    station.write("log/0.txt", b"a new file of this name")

    assert main(["--apply"]) == 0
    assert station.holding(SECRET) == [] and station.holding(b"kept kept")
    assert (station.root / "log/0.txt").read_bytes() == b"a new file of this name"
    (receipt,) = receipts(station)
    assert receipt["finished_at"] and receipt["started_at"] == saved["started_at"]
    with Repo(str(station.root)) as repo:
        stores = [ObjectStore("cache", repo.cache.local, str(repo.cache.legacy.path))]
    assert all(stores[0].has_tombstone(each["oid"]) for each in receipt["objects"])


def test_a_remote_that_is_away_is_owed_and_the_next_run_goes_on_there(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    station.write("notes.txt", SECRET)
    station.commit("v1", "notes.txt")
    away = station.remotes[1].rename(tmp_path / "away")
    assert main(["notes.txt", "--apply"]) == 1
    assert "owed: remote far: no such folder; is it mounted?" in capsys.readouterr().out
    station.write("notes.txt", b"new notes " * 9)
    with Repo(str(station.root)) as repo:
        repo.add([str(station.root / "notes.txt")])
    away.rename(station.remotes[1])
    assert main(["--apply"]) == 0
    assert station.holding(SECRET) == [] and len(receipts(station)) == 1
    # A file put there in between is no target.
    assert len(station.holding(b"new notes " * 9)) == 2


def test_a_tombstone_of_an_earlier_release_is_one(station: Station) -> None:
    station.write("notes.txt", SECRET)
    station.commit("v1", "notes.txt", push=False)
    with Repo(str(station.root)) as repo:
        cache = ObjectStore("cache", repo.cache.local, str(repo.cache.legacy.path))
        path = Path(repo.cache.local.oid_to_path(md5(SECRET)))
    assert cache.has_original(md5(SECRET))
    path.chmod(0o644)
    path.write_bytes(b"This object was erased on request; see data/receipts of the project.\n")
    assert cache.has_tombstone(md5(SECRET)) and not cache.has_original(md5(SECRET))


def test_what_git_itself_has_is_named_with_the_way_to_remove_it(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    station.write("notes.txt", SECRET)
    run_in(station.root, "git", "add", "-f", "notes.txt")
    blob = run_in(station.root, "git", "hash-object", "notes.txt").strip()
    run_in(station.root, "git", "commit", "-qm", "by mistake")
    run_in(station.root, "git", "rm", "-q", "--cached", "notes.txt")
    station.commit("v1", "notes.txt")
    assert main(["notes.txt", "--apply"]) == 0
    said = capsys.readouterr().out
    assert main(["notes.txt", "--apply"]) == 0 and "Nothing to erase" in capsys.readouterr().out
    assert f"Git itself has 1 of these contents (blob {blob})" in said and "filter-repo" in said


def test_a_member_leaves_a_tar_in_every_version_and_all_other_bytes_stay(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second tar has a name that needs a header of its own; the third one has no such member."""
    tars, commits = [], []
    for others in (
        {"a.txt": b"one " * 99},
        {"a.txt": b"two " * 200, f"{'deep/' * 30}b.txt": b"three"},
        {"a.txt": b"4"},
    ):
        members = {"first.txt": b"first", **({"days/garden.txt": SECRET} if len(tars) < 2 else {}), **others}
        tars.append(tar_of(members))
        station.write("readings.tar", tars[-1])
        commits.append(station.commit("a version", "readings.tar"))
    station.write("copy of it.tar", tars[0])
    run_in(station.root, "git", "tag", "third")

    assert main(["readings.tar", "--member", "days"]) == 0
    assert "2 contents" in capsys.readouterr().out and station.holding(SECRET)
    assert main(["readings.tar", "--member", "days", "--apply"]) == 0

    assert station.holding(SECRET) == []
    (receipt,) = receipts(station)
    assert receipt["finished_at"] and receipt["removed"] == ["copy of it.tar"]
    wanted = [without(tars[0]), without(tars[1]), tars[2]]
    assert (station.root / "copy of it.tar").read_bytes() == wanted[0]
    for commit, data in zip(commits, wanted, strict=True):
        assert station.checked_out(commit, tmp_path / "clone")["readings.tar"] == data
    with tarfile.open(fileobj=io.BytesIO(wanted[1])) as tar:
        assert [*tar.getnames()] == ["first.txt", "a.txt", f"{'deep/' * 30}b.txt"]
    assert main(["readings.tar", "--member", "days", "--apply"]) == 0
    assert "Nothing to erase" in capsys.readouterr().out
    station.write("notes.txt", SECRET)
    station.commit("notes", "notes.txt")
    assert main(["notes.txt", "--member", "days", "--apply"]) == 2
    assert "no uncompressed tar" in capsys.readouterr().err and (station.root / "notes.txt").exists()


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def without(data: bytes) -> bytes:
    """The tar without its second member, of one block of header and one of content."""
    return data[: 2 * 512] + data[4 * 512 :]


def test_objects_in_the_layout_of_dvc_2_go_and_all_else_still_checks_out(station: Station, tmp_path: Path) -> None:
    """DVC 2 named no hash in its files, and laid objects at the root of cache and remotes."""
    station.write("notes/garden.txt", SECRET)
    station.write("notes/kept.txt", b"kept " * 9)
    station.commit("v1", "notes")
    for store in (station.root / ".dvc/cache", *station.remotes):
        for folder in sorted((store / "files/md5").iterdir()):
            folder.rename(store / folder.name)
        shutil.rmtree(store / "files")
    old = station.root / "notes.dvc"
    old.write_text(old.read_text().replace("  hash: md5\n", ""))
    run_in(station.root, "git", "commit", "-qam", "as DVC 2 wrote it", "--amend")
    commit = run_in(station.root, "git", "rev-parse", "HEAD").strip()

    assert main(["notes/garden.txt", "--apply"]) == 0

    assert station.holding(SECRET) == []
    (receipt,) = receipts(station)
    old_stores = {name: place["before"] for name, place in receipt["places"].items() if "DVC 2" in name}
    assert {*old_stores.values()} == {1} and len(old_stores) == 3
    after = station.checked_out(commit, tmp_path / "clone")
    assert after["notes/kept.txt"] == b"kept " * 9 and after["notes/garden.txt"] == TOMBSTONE


def test_what_only_lies_beside_a_target_stays(station: Station) -> None:
    """The path has an output of DVC, a file of git and one of nobody. An empty file is nothing to erase."""
    station.write("lab/data/secret.txt", SECRET)
    station.write("lab/data/empty", b"")
    station.write("other/empty", b"")
    station.write("lab/code.py", b"print()\n")
    station.write("lab/scratch.txt", b"nobody tracks me")
    station.commit("v1", "lab/data", "other")
    assert main(["lab", "--apply"]) == 0
    assert station.holding(SECRET) == [] and not (station.root / "lab/data").exists()
    assert (station.root / "lab/code.py").exists() and (station.root / "lab/scratch.txt").exists()
    (receipt,) = receipts(station)
    assert [each["path"] for each in receipt["objects"]] == ["lab/data/secret.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.txt"], "nowhere.txt: no version of what DVC tracks has it"),
        (["--digest", "d" * 32], "no version and no storage has it"),
        (["--digest", "d" * 64], "no object of cache and remotes has this sha256"),
        (["--digest", "notes.txt"], "--digest: 'notes.txt' is not permitted"),
        (["../outside"], "'../outside' is not permitted"),
        ([".git/config"], "'.git/config' is not permitted"),
        (["--list", "no-such-list"], "no-such-list: cannot be read as UTF-8 text"),
    ],
)
def test_a_wrong_target_changes_nothing_and_is_named(
    station: Station, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    station.write("notes.txt", SECRET)
    station.commit("v1", "notes.txt")
    assert main([*arguments, "--apply"]) == 2
    assert message in capsys.readouterr().err and (station.root / "notes.txt").exists()


def test_the_program_runs_without_the_libraries_of_faces(station: Station) -> None:
    station.write("notes.txt", SECRET)
    station.commit("v1", "notes.txt")
    absent = (
        "polars",
        "pyarrow",
        "cv2",
        "torch",
        "PIL",
        "faiss",
        "fiftyone",
        "pandera",
        "typer",
        "lightning",
        "pydantic",
    )
    blocked = (
        f"import sys\nfor name in {absent!r}:\n    sys.modules[name] = None\n"
        "from mtf.forget.command import main\nstatus = main(['notes.txt', '--apply'])\n"
        "others = {each.split('.')[1] for each in sys.modules if each.startswith('mtf.')}\n"
        "assert others == {'core', 'forget'}, others\nsys.exit(status)"
    )
    done = subprocess.run(
        (sys.executable, "-c", blocked),
        cwd=station.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert station.holding(SECRET) == []
