"""A small sample with one of every kind of dirt, and the shipped one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import yaml

from mtf.config import Compute
from mtf.crawl import recorded_web
from mtf.sample import truth, web
from mtf.sample.finds import DIRT, SampleSize
from mtf.sample.people import CAST, Person
from mtf.sample.truth import Truth

ROOT = Path(__file__).parent.parent.parent
SEED = 7
# An old person for the wrong age; an apostrophe and letters of other scripts for the addresses.
SMALL_CAST = tuple(
    person for person in CAST if person.identity in ("ochre-trapezoid", "cobalt-ocircle", "prasinos-kyvos")
)


@dataclass(frozen=True)
class Sample:
    """A data folder, what is on its pictures, and who is on its roster."""

    data: Path
    truths: list[Truth]
    people: tuple[Person, ...]

    @cached_property
    def _web(self) -> recorded_web.RecordedWeb:
        return recorded_web.RecordedWeb(self.data / "web")

    def body(self, truth: Truth) -> bytes:
        """What the address of a picture answers."""
        parts = truth.url.removeprefix("https://").split("/", 1)
        record = self._web.find(parts[0], f"/{parts[1]}")
        assert record is not None
        assert record.place is not None
        return record.place.read()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    data = tmp_path_factory.mktemp("small-sample") / "data"
    size = SampleSize(cast=SMALL_CAST, rare=(), clean=(3, 3), dirt=dict.fromkeys(DIRT, 1))
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr(web, "SLOW_S", 2.0)  # the tests' crawls wait for 1 s
        truths = web.write(data, seed=SEED, compute=Compute(workers=1), size=size)
    return Sample(data, truths, SMALL_CAST)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The sample as it lies in the repository's own remote, each object checked by its digest."""
    data = tmp_path_factory.mktemp("shipped-sample") / "data"
    for name, body in _objects(yaml.safe_load((ROOT / "data.dvc").read_text())["outs"][0]["md5"]):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(body)
    return Sample(data, truth.read(data / "web"), CAST)


def _objects(folder_md5: str) -> Iterator[tuple[str, bytes]]:
    for entry in json.loads(_object(folder_md5.removesuffix(".dir"), suffix=".dir")):
        yield entry["relpath"], _object(entry["md5"])


def _object(md5: str, *, suffix: str = "") -> bytes:
    body = (ROOT / "sample-remote" / "files" / "md5" / md5[:2] / (md5[2:] + suffix)).read_bytes()
    assert hashlib.md5(body, usedforsecurity=False).hexdigest() == md5
    return body
