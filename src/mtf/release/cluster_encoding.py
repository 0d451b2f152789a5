"""Encoding of a release on a cluster with a storage: each identity's squares come back as one shard.

The release's folders lie on the driver, which links each file under all its paths. So machines of the cluster encode
what is missing into `build/released/shards/IDENTITY.tar`, and the driver takes the files out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from mtf.config import Compute
from mtf.core import cluster_storage, parallel_map, shards
from mtf.core.hashing import fingerprint
from mtf.core.job_files import JobFiles
from mtf.release import folders
from mtf.release.folders import PublishedFile, ReleaseJob


@dataclass(frozen=True)
class EncodeJob:
    """Faces of one identity to encode.

    job: its part of the release, with the faces that lack a valid file, under their first path.
    target: shard to write, with the digest `digest`.
    """

    job: ReleaseJob
    target: Path
    digest: str


def encoded(jobs: Sequence[ReleaseJob], *, compute: Compute, root: Path, folder: Path) -> list[ReleaseJob]:
    """Jobs of the project `root` whose faces all have a valid file; the missing ones are encoded on the cluster.

    folder: of the shards, which are removed when their files have been taken out.
    """
    work = [_encode_job(job, folder) for job in jobs]
    missing = [each for each in work if each is not None]
    files = {each.job.identity: JobFiles(root, each.target, each.digest, reads=(each.job.shard,)) for each in missing}
    parallel_map.map_items(
        encode, missing, compute=compute, title="release: encode", files=lambda each: files[each.job.identity]
    )
    made = {each.job.identity: _unpack(each) for each in missing}
    cluster_storage.remove(compute, folder, root=root)
    return [replace(job, before=(*job.before, *made.get(job.identity, ()))) for job in jobs]


def encode(work: EncodeJob) -> None:
    """Write the shard of one identity: one square for each face, and the rows of FILES."""
    job = work.job
    with shards.reader(job.shard) as source, shards.writing(work.target, work.digest) as writer:
        files = []
        for picture in job.pictures:
            square = folders.encoded_square(job, picture, source.read(picture.offset, picture.size_bytes))
            writer.add(f"{picture.face_id}.jpg", square.data)
            files.append(folders.published_file(job, picture, square))
        writer.finish(folders.frame(files))


def _encode_job(job: ReleaseJob, folder: Path) -> EncodeJob | None:
    """Job for the faces without a valid file; None if there are none."""
    valid = {face_id for face_id, _ in folders.valid_files(job)}
    pictures = tuple(
        replace(picture, paths=picture.paths[:1]) for picture in job.pictures if picture.face_id not in valid
    )
    if not pictures:
        return None
    made_of = [list(map(str, astuple(picture))) for picture in pictures]
    digest = fingerprint(job.made_from, made_of, code=[__name__])
    return EncodeJob(replace(job, pictures=pictures, before=()), folder / f"{job.identity}.tar", digest)


def _unpack(work: EncodeJob) -> tuple[PublishedFile, ...]:
    """Take the files of a shard out into the release, and remove it. `publish` checks their digests."""
    rows = tuple(PublishedFile(**row) for row in shards.rows_of(work.target).iter_rows(named=True))
    members = shards.members(work.target)
    with shards.reader(work.target) as shard:
        for row in rows:
            folders.write_file(work.job.root / row.path, shard.read(*members[f"{row.face_id}.jpg"]))
    work.target.unlink()
    return rows
