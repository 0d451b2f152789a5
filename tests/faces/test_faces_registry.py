"""Detectors and embeddings are chosen by name, and another package can bring its own."""

from __future__ import annotations

import numpy as np
import outside_package
import pytest

from mtf import schemas
from mtf.config import Compute, Crop
from mtf.core.errors import BadInput
from mtf.faces.detectors import DETECTORS, Haar, describe
from mtf.faces.embeddings import EMBEDDINGS, SFace
from mtf.faces.registry import Registry
from mtf.pipeline import crop, screen


@pytest.fixture
def chosen(params):
    """The sample's parameters with the detector and the embedding from outside."""
    return params.model_copy(
        update={
            "crop": params.crop.model_copy(update={"detector": "middle"}),
            "screen": params.screen.model_copy(update={"embedding": "mean-colour"}),
        }
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_detector_and_an_embedding_from_outside_run_crop_and_screen(workspace, chosen, crawled, as_jpeg, workers):
    grey, blue = (np.full((400, 800, 3), level, np.uint8) for level in ((90, 90, 90), (200, 40, 40)))
    crawled({"ann": [as_jpeg(grey)], "bob": [as_jpeg(blue)]})
    settings = chosen.model_copy(update={"compute": Compute(workers=workers)})
    crop.run(workspace, settings)
    screen.run(workspace, settings)
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    assert faces.select("x", "y", "width", "height").rows() == [(200, 100, 400, 200)] * 2
    assert schemas.read(schemas.SCREENING, workspace.table("screen", "screening")).height == 2


def test_another_version_of_a_detector_redoes_its_crops(workspace, chosen, crawled, as_jpeg, monkeypatch):
    crawled({"ann": [as_jpeg(np.full((400, 600, 3), 90, np.uint8))]})
    crop.run(workspace, chosen)
    first = workspace.shard("crop", "ann").stat().st_ino
    crop.run(workspace, chosen)
    assert workspace.shard("crop", "ann").stat().st_ino == first
    monkeypatch.setattr(outside_package.Middle, "version", "2")
    crop.run(workspace, chosen)
    assert workspace.shard("crop", "ann").stat().st_ino != first


def test_an_unknown_name_stops_the_stage_and_lists_the_known_ones(workspace, params, crawled, drawn_face, as_jpeg):
    crawled({"ann": [as_jpeg(drawn_face)]})
    wrong = params.model_copy(update={"crop": params.crop.model_copy(update={"detector": "cats"})})
    with pytest.raises(BadInput, match=r"crop\.detector: 'cats' is not permitted; permitted: .*haar"):
        crop.run(workspace, wrong)
    crop.run(workspace, params)
    wrong = params.model_copy(update={"screen": params.screen.model_copy(update={"embedding": "dogs"})})
    with pytest.raises(BadInput, match=r"screen\.embedding: 'dogs' is not permitted; permitted: appearance.* sface"):
        screen.run(workspace, wrong)


def test_the_built_in_ones_are_registered_by_name():
    assert DETECTORS.get("haar") is Haar
    assert EMBEDDINGS.get("sface") is SFace


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("haar", "the Haar cascade frontalface_default (scale factor 1.17, 2 neighbours)"),
        ("centerface", "the detector CenterFace (Xu et al., 2019; a score of at least 0.4)"),
        ("yunet", "the detector YuNet (Wu et al., 2023; a score of at least 0.6)"),
        ("mtcnn", "the detector MTCNN (Zhang et al., 2016; scores of at least 0.6, 0.7, 0.7)"),
        ("middle", "the detector that finds the middle"),
    ],
)
def test_the_documents_of_a_release_name_the_detector(name, words):
    assert describe(Crop(detector=name)) == words


def test_a_name_belongs_to_one_class():
    with pytest.raises(ValueError, match=r"crop\.detector: 'haar' is registered already, by mtf\.faces\.detectors"):
        DETECTORS.register("haar", outside_package.Middle)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package's metadata that offers two detectors through the entry-point group."""
    info = tmp_path / "made_up-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
    lines = ["[made.detectors]", "theirs = outside_package:Middle", "broken = no_such_module:Nothing"]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return Registry(key="crop.detector", group="made.detectors")


def test_an_installed_package_offers_its_own_through_an_entry_point(installed):
    assert installed.names() == ["broken", "theirs"]
    assert installed.get("theirs") is outside_package.Middle


def test_a_package_that_cannot_be_imported_is_one_line(installed):
    with pytest.raises(BadInput, match=r"crop\.detector: 'broken' \(no_such_module:Nothing\): No module named"):
        installed.get("broken")
