"""One version that DVC cannot read hides none of the others, and is named."""

from __future__ import annotations

from small_project import HALF_MERGED, Small, erasing, files_below, image_id, picture

from mtf.takedown.execution import erase

PEOPLE = {"ann": ["ann-1"], "bob": ["bob-0"]}


def test_a_version_that_cannot_be_read_is_owed_by_people_and_its_files_go(project: Small) -> None:
    """What else that version tracks is still known by its name."""
    project.run(PEOPLE)
    (project.root / "dvc.yaml").write_text(HALF_MERGED)
    project.commit("half merged", push=False)
    (project.root / "dvc.yaml").unlink()
    project.take_down("image_id", image_id("ann-1"))
    project.run({"bob": ["bob-0"]})
    project.commit("put right")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert project.holding(picture("ann-1")[:40]) == []
    assert "build/crawl/shards/ann.tar" in [each["path"] for each in receipt["objects"]]
    (line,) = [each for each in receipt["by_hand"] if each.startswith("Versions that could not be read")]
    assert "'dvc.yaml'" in line and receipt["finished_at"]


def test_where_no_version_holds_it_the_unreadable_one_is_told(project: Small) -> None:
    project.run(PEOPLE)
    (project.root / "dvc.yaml").write_text(HALF_MERGED)
    project.commit("half merged", push=False)
    (project.root / "dvc.yaml").unlink()
    project.commit("put right")
    code, output = erasing()
    assert code == 0 and "Versions that could not be read" in output and "Nothing to erase" in output


def test_a_broken_pipeline_in_the_folder_is_refused_before_anything_goes(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    (project.root / "dvc.yaml").write_text(HALF_MERGED)
    before = files_below(project.root / "build")
    code, output = erasing()
    assert code == 2 and "put this right first" in output and "'dvc.yaml'" in output
    assert files_below(project.root / "build") == before
