"""Crawled project, made from given pictures, for benchmarks of the stages from crop on."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtf import schemas
from mtf.core import parallel_map, shards
from mtf.core.hashing import fingerprint
from mtf.core.project_paths import ProjectPaths

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"


def write_crawl(workspace: ProjectPaths, pictures: Mapping[str, Sequence[bytes]]) -> None:
    """Write a shard per identity, and the table of images."""
    rows = [row for identity, files in pictures.items() for row in write_shard(workspace, identity, files)]
    schemas.write(schemas.IMAGES, rows, workspace.table("crawl", "images"))


def write_shard(workspace: ProjectPaths, identity: str, files: Sequence[bytes]) -> list[dict[str, Any]]:
    names = [hashlib.sha256(data).hexdigest() for data in files]
    with shards.writing(workspace.shard("crawl", identity), fingerprint(names)) as writer:
        places = [writer.add(f"{name}.jpg", data) for name, data in zip(names, files, strict=True)]
        rows = [_row(identity, name, place) for name, place in zip(names, places, strict=True)]
        writer.finish(schemas.frame(schemas.IMAGES, rows))
    return rows


def _row(identity: str, image_id: str, place: tuple[int, int]) -> dict[str, Any]:
    return {
        "identity": identity,
        "image_id": image_id,
        "url": f"https://pictures.example/{image_id}",
        "source": "folder",
        "media_type": "image/jpeg",
        "width": 1,
        "height": 1,
        "offset": place[0],
        "size_bytes": place[1],
    }


def machine() -> str:
    """Cores and memory of the machine, for the reports."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{parallel_map.cores()} cores, {memory_gib:.0f} GiB, {platform.machine()}, load before {load:.1f}"
