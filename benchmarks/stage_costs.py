"""Processor time and bytes of each stage, for a picture and for an identity, on the Congress portraits.

The same stages run on three projects: few people with few pictures, more people with as many pictures, and as few
people with more pictures. What another person costs, and what another picture costs, follow from the differences; what
a stage costs once, such as its start, is left out. The crawl is the whole stage: a search, and for each picture its
page, the opt-outs of its site and its file, from a server on this machine. Its bytes are those beside the pictures. The
embedding is `appearance`. Of the release, the encoding is measured. All runs in one process.
"""

from __future__ import annotations

import contextlib
import functools
import io
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from crawled_project import REAL_DATA, ROOT
from live_roster import bing_page, bing_result, bing_url, crawled
from mtf import config
from mtf.config import Params
from mtf.core import csv_files, shards
from mtf.core.errors import GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import recorded_web
from mtf.faces.box import Box
from mtf.rights import attribution
from mtf.schemas import takedown_file

FEW, MORE_PEOPLE, MORE_PICTURES = SHAPES = ((10, 100), (50, 100), (10, 400))
"""(identities, pictures) of the three projects."""
WARM_UP = (4, 12)
HOSTS = 12
RESULTS_A_PAGE = 20
STORED = ("crawl", "crop", "screen", "embed")
"""Stages whose folder of build/ grows with the pictures."""


def measured() -> dict[str, dict[str, float]]:
    """Stage → `processor_ms` and `processor_ms_an_identity`, and `bytes` for a picture where the stage keeps much."""
    with tarfile.open(REAL_DATA / "congress" / "portraits.tar") as tar:
        files = [tar.extractfile(member) for member in tar if member.isfile()]
        portraits = list(dict.fromkeys(file.read() for file in files if file is not None))
    _run(*WARM_UP, portraits)
    seconds, sizes = zip(*(_run(*shape, portraits) for shape in SHAPES), strict=True)
    few, more_people, more_pictures = seconds
    found = {}
    for stage in few:
        person_s = (more_people[stage] - few[stage]) / (MORE_PEOPLE[0] - FEW[0])
        picture_s = (more_pictures[stage] - few[stage]) / (MORE_PICTURES[1] - FEW[1])
        found[stage] = {
            "processor_ms": round(1000 * max(picture_s, 0), 2),
            "processor_ms_an_identity": round(1000 * max(person_s, 0), 2),
        }
    for stage, size in sizes[-1].items():
        found[stage]["bytes"] = round(size / MORE_PICTURES[1])
    return found


def _run(identities: int, pictures: int, portraits: Sequence[bytes]) -> tuple[dict[str, float], dict[str, int]]:
    """Processor seconds of each stage, and bytes of what they keep."""
    from mtf.pipeline import crop, curate, report, screen, split, validate
    from mtf.project import embed

    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        workspace, web = ProjectPaths(Path(name) / "project"), Path(name) / "web"
        _write(workspace, web, portraits[:pictures], identities=identities)
        params = config.load(workspace.params)
        seconds = {"crawl": crawled(workspace, web, None)[0]}
        with contextlib.chdir(workspace.root):
            stages: dict[str, Callable[[], object]] = {
                "crop": functools.partial(crop.run, workspace, params),
                "screen": functools.partial(screen.run, workspace, params),
                "embed": functools.partial(embed.run, workspace, "crop", model="appearance", weights=None, to=None),
                "curate": functools.partial(curate.run, workspace, params),
                "split": functools.partial(split.run, workspace, params),
                "validate": functools.partial(_validate, validate, workspace, params),
                "report": functools.partial(report.run, workspace, params),
            }
            for stage, run in stages.items():
                seconds[stage] = _processor_s(run)
            sizes = {stage: _bytes(workspace.stage(stage)) for stage in STORED}
            sizes["crawl"] -= sum(map(len, portraits[:pictures]))
            encoded: list[int] = []
            seconds["release"] = _processor_s(functools.partial(_encode, workspace, params, encoded))
            sizes["release"] = sum(encoded)
    return seconds, sizes


def _write(workspace: ProjectPaths, web: Path, portraits: Sequence[bytes], *, identities: int) -> None:
    """A project whose people have the portraits in turn, and its recorded web with a page for each picture."""
    workspace.data.mkdir(parents=True)
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["crawl"] |= {"web": str(web), "hosts": {}, "sources": [{"kind": "bing", "licenses": ["commercial,modify"]}]}
    raw["compute"] = {"workers": 1}
    # The portraits of one identity show several people: nobody is left out for that.
    raw["curate"] |= {"mode": "screened", "min_images_per_identity": 1}
    raw["curate"]["screened"] |= {"max_identity_distance": 2.0}
    raw["split"] |= {"min_train": 0, "min_val": 0, "min_test": 0}
    workspace.params.write_text(yaml.safe_dump(raw, sort_keys=False))
    people = [(f"person-{n}", f"Person {n}", "Amber", ("Males", "Females")[n % 2], "Young") for n in range(identities)]
    csv_files.write(workspace.roster, [("identity", "name", "race", "gender", "age"), *people])
    csv_files.write(workspace.takedowns, [takedown_file.COLUMNS])
    csv_files.write(workspace.attribution, [attribution.COLUMNS])
    text = f"<html><body>{LICENSE}{'<p>Words about the picture.</p>' * 200}</body></html>".encode()
    responses = []
    for person in range(identities):
        results = []
        for number, body in enumerate(portraits[person::identities]):
            host, key = f"https://host-{number % HOSTS}.example", f"{person}-{number}"
            jpeg, page = {"Content-Type": "image/jpeg"}, {"Content-Type": "text/html"}
            responses.append(recorded_web.Response(f"{host}/{key}.jpg", headers=jpeg, body=body))
            responses.append(recorded_web.Response(f"{host}/{key}", headers=page, body=text))
            results.append(bing_result(f"{host}/{key}.jpg", page=f"{host}/{key}"))
        for first in range(0, len(results) + RESULTS_A_PAGE, RESULTS_A_PAGE):
            shown = bing_page(*results[first : first + RESULTS_A_PAGE])
            responses.append(recorded_web.Response(bing_url(f"Person {person}", first), body=shown))
    recorded_web.write(web, responses)


LICENSE = '<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC</a>'


def _validate(validate: Any, workspace: ProjectPaths, params: Params) -> None:
    # This data set is not meant to pass the gates.
    with contextlib.suppress(GateFailed):
        validate.run(workspace, params)


def _encode(workspace: ProjectPaths, params: Params, sizes: list[int]) -> None:
    """Encode all faces as the release does; `sizes` gets the bytes of each."""
    from mtf.release.encoding import Encoding, published_square

    encoding = Encoding(params.release.size_px, params.release.jpeg_quality, params.release.enlarge)
    for row in pl.read_parquet(workspace.table("crop", "faces")).iter_rows(named=True):
        data = shards.read(workspace.shard("crop", row["identity"]), row["offset"], row["size_bytes"])
        box = Box(row["x"] - row["crop_x"], row["y"] - row["crop_y"], row["width"], row["height"])
        sizes.append(len(published_square(data, face=box, encoding=encoding).data))


def _processor_s(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
