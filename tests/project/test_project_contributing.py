"""The examples of CONTRIBUTING.md run as they stand there."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mtf import config
from mtf.config import Crop, Params, Screen
from mtf.faces.box import Box
from mtf.faces.detectors import DETECTORS
from mtf.faces.embeddings import EMBEDDINGS
from mtf.schemas import funnel_steps
from mtf.sources import registry
from mtf.sources.search_engine import UnreadablePage
from projects import ROOT, merged

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Objects that the example package's entry points load, by name."""
    groups = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]
    points = [EntryPoint(name, value, group) for group, of in groups.items() for name, value in of.items()]
    package = tmp_path / "my_package"
    package.mkdir()
    for point, code in zip(points, blocks("python"), strict=True):
        (package / f"{point.module.rpartition('.')[2]}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield {point.name: point.load() for point in points}
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]


def with_changes(example: str) -> Params:
    """The repository's params.yaml with the changes of one example."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return config.parse(merged(settings, yaml.safe_load(example)))


def test_the_task_is_an_attribute_that_is_trained() -> None:
    params = with_changes(blocks("yaml")[0])
    assert params.attributes["glasses"].labels == ["with glasses", "without glasses"]
    assert "glasses" in params.train.tasks


def test_the_source_reads_pages_with_the_parameters_of_params_yaml(offered: dict[str, Any]) -> None:
    registry.register(offered["archive"])
    try:
        source = with_changes(blocks("yaml")[1]).crawl.sources[0]
    finally:
        registry.unregister("archive")
    assert source.page_urls("Ada L", "by")[-1] == "https://archive.example/search?q=Ada+L&license=by&page=2"
    works = [{"file": "https://archive.example/1.jpg", "page": "https://archive.example/1", "title": "Ada"}, {}]
    assert source.parse(json.dumps({"works": works}).encode()) == [
        {"file_url": works[0]["file"], "page_url": works[0]["page"], "title": "Ada"}
    ]
    with pytest.raises(UnreadablePage, match="no list of works"):
        source.parse(b"<html>")


def test_the_detector_takes_its_parameters_and_finds_no_face_in_an_empty_picture(offered: dict[str, Any]) -> None:
    DETECTORS.register("alt-tree", offered["alt-tree"])
    try:
        crop: Crop = with_changes(blocks("yaml")[2]).crop
        detector = DETECTORS.get(crop.detector).from_params(crop, root=ROOT)
    finally:
        DETECTORS.unregister("alt-tree")
    assert detector.fingerprint()["min_neighbors"] == 1
    assert detector(np.zeros((192, 192), np.uint8)) == []


def test_the_embedding_has_length_one(offered: dict[str, Any]) -> None:
    EMBEDDINGS.register("thumbnail", offered["thumbnail"])
    try:
        embedding = EMBEDDINGS.get("thumbnail").from_params(Screen(), root=ROOT)
    finally:
        EMBEDDINGS.unregister("thumbnail")
    pixels = np.random.default_rng(0).integers(0, 255, (120, 100, 3), dtype=np.uint8)
    vector = embedding(pixels, Box(10, 10, 80, 80))
    assert (vector.shape, vector.dtype) == ((256,), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_the_funnel_step_stands_where_it_says(offered: dict[str, Any]) -> None:
    funnel_steps.register(offered["gaze"])
    try:
        names = funnel_steps.reviewed()
        assert names.index("gaze") == names.index("quality") + 1
    finally:
        funnel_steps.unregister("gaze")
