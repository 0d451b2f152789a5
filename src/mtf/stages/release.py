"""Release: the published folders, with who made each picture, and figures of what is in them (MTF, section 4)."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from mtf import atomic, engine, roster, tables
from mtf.params import Params
from mtf.release import checksums, credits, distribution, documents, folders, gate, layout, metadata, sheets, work
from mtf.workspace import Workspace

KEYS = ["identity", "face_id"]
ROW = [*KEYS, "image_id", *work.PLACE, "license"]


def run(workspace: Workspace, params: Params) -> None:
    """Bring `build/release/` up to date with the split; only what changed is encoded again.

    Raises GateFailed where a picture may not be published.
    """
    root = workspace.stage("release")
    data, non_curated = _data_sets(workspace, params)
    everything = pl.concat([data.select(ROW), non_curated.select(ROW)]).unique(KEYS, keep="first").sort(KEYS)
    gate.refuse(everything, _judged(workspace, params))
    plan = layout.planned(data, non_curated, params)
    files, done = _publish(workspace, params, plan, everything)
    published = plan.join(files.select("path", "sha256", "size_bytes"), on="path", maintain_order="left")
    _write_metadata(workspace, params, data, non_curated, published)
    credit = _write_credits(workspace, params, everything, published)
    counts = distribution.distribution(data, params)
    documents.write(root, params, counts, credits.pictures(credit))
    checksums.write(root, dict(zip(files["path"], files["sha256"], strict=True)))
    atomic.write_json(workspace.metrics("distribution"), counts)
    atomic.write_json(workspace.metrics("release"), _sizes(published, params))
    print(f"release: {published.height} files of {everything.height} faces; {done}")
    print(f"release: {workspace.relative(root)}, README.md says what is in it")


def _data_sets(workspace: Workspace, params: Params) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The split data set, and the non-curated one where it is released; with no rows where a variant is not."""
    data = tables.read(tables.splits(params), workspace.table("split", "splits"))
    non_curated = tables.read(tables.non_curated(params), workspace.table("curate", "non_curated"))
    variants = set(params.release.variants)
    return (
        data if variants & set(metadata.DATA_SET) else data.clear(),
        non_curated if layout.NON_CURATED in variants else non_curated.clear(),
    )


def _judged(workspace: Workspace, params: Params) -> pl.DataFrame:
    from mtf.licenses import policy

    evidence = tables.read(tables.EVIDENCE, workspace.table("crawl", "evidence"))
    reasons = policy.judge(evidence, params.licenses, today=datetime.now(UTC).date())
    return evidence.select(gate.KEYS).with_columns(reasons.alias("reason"))


def _publish(
    workspace: Workspace, params: Params, plan: pl.DataFrame, everything: pl.DataFrame
) -> tuple[pl.DataFrame, str]:
    """Make the planned files; returns them with their digests, and what was done in words."""
    root, record = workspace.stage("release"), workspace.table("released", "files")
    faces = tables.read(tables.FACES, workspace.table("crop", "faces"))
    jobs = work.jobs(
        plan,
        work.places(everything, faces),
        folders.read(record),
        crops=workspace.shards("crop"),
        root=root,
        release=params.release,
    )
    done = engine.map_items(folders.publish, jobs, compute=params.compute, title="release")
    removed = folders.remove_others(root, layout.VARIANTS, set(plan["path"]))
    files = folders.frame(file for each in done for file in each.files)
    folders.write(files, record)
    return files, f"{sum(each.encoded for each in done)} encoded, {removed} files removed"


def _write_metadata(
    workspace: Workspace, params: Params, data: pl.DataFrame, non_curated: pl.DataFrame, published: pl.DataFrame
) -> None:
    root = workspace.stage("release")
    people = roster.load(workspace.roster, params)
    images = tables.read(tables.IMAGES, workspace.table("crawl", "images"))
    for name, rows, variants in (
        ("metadata", data, metadata.DATA_SET),
        ("metadata_non_curated", non_curated, (layout.NON_CURATED,)),
    ):
        files = metadata.main_files(published, variants)
        metadata.write(metadata.metadata(rows, files, people, images, params), root, name)


def _write_credits(
    workspace: Workspace, params: Params, everything: pl.DataFrame, published: pl.DataFrame
) -> pl.DataFrame:
    """Credit every picture that is published; returns one row per face."""
    root, title = workspace.stage("release"), params.project.title
    images = tables.read(tables.IMAGES, workspace.table("crawl", "images"))
    evidence = tables.read(tables.EVIDENCE, workspace.table("crawl", "evidence"))
    files = metadata.main_files(published, layout.VARIANTS)
    faces = everything.join(files, on=KEYS, validate="1:1").sort("file")
    credit = credits.credited(faces, images, evidence, size_px=params.release.size_px)
    sheets.write(credit, root / "URL_of_original_images.csv")
    atomic.write_text(root / "CREDITS.md", credits.markdown(credit, title=title))
    atomic.write_text(root / "CREDITS.html", credits.page(credit, title=title))
    return credit


def _sizes(published: pl.DataFrame, params: Params) -> dict[str, dict[str, int]]:
    """Variant → files, bytes, identities."""
    sizes = {}
    for variant in params.release.variants:
        files = published.filter(pl.col("variant") == variant)
        sizes[variant] = {
            "identities": files["identity"].n_unique(),
            "files": files.height,
            "bytes": int(files["size_bytes"].sum()),
        }
    return sizes
