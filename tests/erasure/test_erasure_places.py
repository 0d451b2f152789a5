"""Places that DVC is configured for and that this machine cannot use, or that keep more than DVC's objects."""

from __future__ import annotations

from dvc.repo import Repo
from small_project import Small, picture

from mtf.erasure import surroundings
from mtf.erasure.erase import erase
from mtf.erasure.places import all_places

PEOPLE = {"ann": ["ann-0"], "bob": ["bob-0"]}


def add_remote(project: Small, name: str, url: str, **options: str) -> None:
    lines = [f"url = {url}", *(f"{option} = {value}" for option, value in options.items())]
    with (project.root / ".dvc" / "config").open("a") as file:
        file.write(f"['remote \"{name}\"']\n" + "".join(f"    {line}\n" for line in lines))


def two_versions(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit("v2")


def test_a_remote_whose_plugin_is_missing_is_owed_and_the_others_are_emptied(project: Small) -> None:
    two_versions(project)
    add_remote(project, "far", "gs://faces/store")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert project.holding(picture("ann-0")[:40]) == []
    far = receipt["places"]["remote far"]
    assert "dvc-gs" in far["error"] and far["owed"] and far["address"] == "gs://faces/store"
    assert receipt["finished_at"] is None


def test_what_a_bucket_and_a_version_aware_remote_keep_is_left_to_people(project: Small) -> None:
    add_remote(project, "named", "s3://faces/named", version_aware="true")
    add_remote(project, "plain", "s3://faces/plain")
    with Repo(str(project.root)) as repo:
        said = [*surroundings.owed_by_hand(project.workspace, [*all_places(repo)], [])]
    assert [line.partition(" is version_aware")[0] for line in said if "version_aware" in line] == ["remote named"]
    assert [line.partition(":")[0] for line in said if "noncurrent" in line] == ["remote named", "remote plain"]
