"""Older versions in an S3 bucket that keeps versions: an overwritten or deleted object leaves its bytes as one.

An erasure deletes every version of an object but its tombstone, and the delete markers between them. That needs the
permissions s3:ListBucketVersions and s3:DeleteObjectVersion. A server that knows no versions has none to delete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

S3 = "s3"
_BATCH = 1000
# Below this number of objects, their versions are listed one by one, otherwise those of the whole store.
_FEW = 50
_UNKNOWN_THERE = ("NotImplemented", "MethodNotAllowed", "not implemented")


class BucketVersion(NamedTuple):
    """Version of an object, or a delete marker.

    - `path`: bucket and key, as file systems of DVC name it;
    - `version_id`: its id;
    - `etag`: md5 of its content for most objects; empty for a delete marker;
    - `is_latest`: true for the current one.
    """

    path: str
    version_id: str
    etag: str
    is_latest: bool

    @property
    def is_marker(self) -> bool:
        return not self.etag


def versions(fs: Any, path: str) -> Iterator[BucketVersion]:
    """All versions and delete markers of the objects whose path begins with `path`. `fs`: S3 file system of DVC."""
    bucket, prefix, _ = fs.fs.split_path(path)
    place: dict[str, str] = {}
    while True:
        try:
            answer = fs.fs.call_s3("list_object_versions", Bucket=bucket, Prefix=prefix, **place)
        except Exception as error:
            if any(word in str(error) for word in _UNKNOWN_THERE):
                return
            raise
        for each in answer.get("Versions") or ():
            etag = each["ETag"].strip('"')
            yield BucketVersion(f"{bucket}/{each['Key']}", each["VersionId"], etag, each["IsLatest"])
        for each in answer.get("DeleteMarkers") or ():
            yield BucketVersion(f"{bucket}/{each['Key']}", each["VersionId"], "", each["IsLatest"])
        if not answer.get("IsTruncated"):
            return
        place = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}


def delete(fs: Any, doomed: Iterable[BucketVersion]) -> None:
    """Delete versions and delete markers for good. Raises OSError if the bucket keeps one."""
    by_bucket: dict[str, list[dict[str, str]]] = {}
    for each in doomed:
        bucket, key, _ = fs.fs.split_path(each.path)
        by_bucket.setdefault(bucket, []).append({"Key": key, "VersionId": each.version_id})
    for bucket, named in by_bucket.items():
        for start in range(0, len(named), _BATCH):
            some = named[start : start + _BATCH]
            answer = fs.fs.call_s3("delete_objects", Bucket=bucket, Delete={"Objects": some, "Quiet": True})
            if failed := answer.get("Errors"):
                raise OSError(f"{len(failed)} older versions were not deleted: {failed[0].get('Message')}")


def older(odb: Any, oids: Collection[str]) -> dict[str, list[BucketVersion]]:
    """Versions and delete markers that are not the current one: object (md5) → its versions.

    odb: `ObjectDB` of dvc_objects. Empty for a store that is no S3 bucket.
    """
    fs = odb.fs
    if fs.protocol != S3 or not oids:
        return {}
    paths = {odb.oid_to_path(oid): oid for oid in oids}
    listed = versions(fs, odb.path) if len(paths) > _FEW else (each for path in paths for each in versions(fs, path))
    found: dict[str, list[BucketVersion]] = {}
    for each in listed:
        if not each.is_latest and each.path in paths:
            found.setdefault(paths[each.path], []).append(each)
    return found
