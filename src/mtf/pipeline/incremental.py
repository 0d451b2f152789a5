"""Incremental stages: one shard per identity, which is made again only if its digest has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from mtf.config import Compute
from mtf.core import atomic_files, cluster_storage, parallel_map, shards
from mtf.core.counts import number
from mtf.core.job_files import JobFiles

Job = TypeVar("Job")


@dataclass(frozen=True)
class Refreshed:
    """Result of an incremental stage.

    - `made`: identities whose shard was made;
    - `kept`: identities whose shard was left as it was;
    - `removed`: identities whose shard was removed.
    """

    made: list[str]
    kept: list[str]
    removed: list[str]

    def __str__(self) -> str:
        text = f"{number(len(self.made), 'identity', 'identities')} made, {len(self.kept)} left as they were"
        return text + (f", {len(self.removed)} removed" if self.removed else "")


def refresh(
    folder: Path,
    digests: Mapping[str, str],
    job: Callable[[str], Job],
    make: Callable[[Job], object],
    *,
    compute: Compute,
    title: str,
    files: Callable[[Job], JobFiles] | None = None,
) -> Refreshed:
    """Make the shards of `folder` match `digests` (identity → digest).

    - `job(identity)`: the work of one identity, small and picklable;
    - `make(job)`: does it in its own process, and writes `folder/IDENTITY.tar` with that digest;
    - `compute`: section of params.yaml, with the number of processes;
    - `title`: title of the progress bar;
    - `files(job)`: its files, for a cluster whose machines do not see the project's folder; None works here then.

    Unfinished files of killed runs, in `folder` and its parent, are removed first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    atomic_files.sweep(folder.parent)
    removed = shards.remove_except(folder, lambda identity: identity in digests)
    stale = [name for name, digest in digests.items() if shards.digest_of(folder / f"{name}.tar") != digest]
    jobs = [job(identity) for identity in stale]
    parallel_map.map_items(make, jobs, compute=compute, title=title, files=files)
    cluster_storage.remove_except(compute, folder, digests)
    kept = sorted(set(digests) - set(stale))
    return Refreshed(made=sorted(stale), kept=kept, removed=removed)


def gather(folder: Path, identities: list[str]) -> pl.DataFrame:
    """Rows of all shards, in the order of `identities`."""
    return pl.concat([shards.rows_of(folder / f"{identity}.tar") for identity in identities])
