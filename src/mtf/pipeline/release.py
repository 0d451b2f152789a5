"""Stage release: the published folders, with credits, documents, checksums and metrics (MTF, section 4)."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mtf.config import Params
from mtf.core import atomic_files, cluster_storage, csv_files, parallel_map
from mtf.core.errors import bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.duties import writing
from mtf.gates import outcome
from mtf.release import (
    card,
    changes,
    citation,
    cluster_encoding,
    documents,
    facts,
    folder_cards,
    folders,
    formats,
    huggingface,
    layout,
    license_files,
    metadata,
    release_tables,
    revision_diff,
    withdrawals,
)
from mtf.release.release_tables import Sources
from mtf.schemas import FACE

if TYPE_CHECKING:
    from mtf.rights.audit.run import AuditReport


def run(workspace: ProjectPaths, params: Params, *, size_px: int | None = None, enlarge: bool = False) -> None:
    """Update `build/release/` to the split; unchanged pictures are not encoded again.

    `size_px` and `enlarge` replace those of params.yaml for this run; None leaves them.

    Raises GateFailed if the gates were not checked or do not hold, or if a picture may not be published.
    """
    if size_px is not None:
        params = _resized(params, size_px, enlarge=enlarge)
    outcome.refuse(workspace, params)
    root = workspace.stage("release")
    for folder in (root, workspace.stage("released")):
        atomic_files.sweep(folder)
    sources = release_tables.read_sources(workspace, params)
    report = audited(workspace, params, sources)
    # SHA256SUMS is removed too: a release without it is unfinished.
    documents.remove_documents(root)
    plan = layout.planned(sources.data, sources.non_curated, params)
    files, done = _publish(workspace, params, plan, sources)
    made = files.select("path", "sha256", "size_bytes", "side_px", "crop_px")
    published = plan.join(made, on="path", maintain_order="left")
    credit = _credit(params, sources, published)
    layout.write_class_lists(root, plan)
    folder_cards.write_label_names(root, sources.data, sources.non_curated, permitted_labels(params))
    _write_metadata(root, params, sources, published, credit)
    _write_credits(root, params, credit)
    _write_audit(root, report)
    withdrawals.write_folder(root / withdrawals.FOLDER, workspace, params)
    release_facts = release_tables.gather_facts(workspace, params, sources)
    answers, absent = card.load(workspace.card), layout.absent_labels(plan)
    documents.write_documents(root, release_facts, answers, absent=absent)
    licensed = published.join(sources.everything.select(*FACE, "license"), on=FACE, maintain_order="left")
    license_files.write(
        root,
        licensed,
        release_license=params.release.license,
        owner=", ".join(citation.creators(release_facts, answers)),
    )
    _write_duties(workspace, params, root / "duties")
    atomic_files.write_text(root / "CHANGELOG.md", _changelog(workspace, params, release_facts))
    documents.write_checksums(root, dict(zip(files["path"], files["sha256"], strict=True)))
    atomic_files.write_json(workspace.metrics("distribution"), release_facts.counts)
    atomic_files.write_json(workspace.metrics("release"), _sizes(published, params))
    print(f"release: {published.height} files of {sources.everything.height} faces; {done}")
    print(f"release: {_sides_line(published, params)}")
    print(f"release: {workspace.relative(root)}, README.md says what is in it")


def _resized(params: Params, size_px: int, *, enlarge: bool) -> Params:
    """Parameters with another size of the pictures. Raises BadInput if it is not permitted."""
    if not 16 <= size_px <= 4096:
        raise bad_value("--size", size_px, "16 to 4096")
    print(f"release: --size {size_px} for this run; release.size_px of params.yaml is {params.release.size_px}")
    changed = params.release.model_copy(update={"size_px": size_px, "enlarge": enlarge})
    return params.model_copy(update={"release": changed})


def export(workspace: ProjectPaths, params: Params, *, form: str, to: Path | None) -> None:
    """Export the built release to the folder `to` in the format `form`. Raises BadInput for an unknown format."""
    if form not in list(formats.ReleaseFormat):
        raise bad_value("--format", form, listed(formats.ReleaseFormat))
    target = to or workspace.stage(form)
    labels = permitted_labels(params)
    done = formats.export(workspace.stage("release"), target, formats.ReleaseFormat(form), labels=labels)
    besides = f", and {done.non_curated:,} of the non-curated set," if done.non_curated else ""
    print(f"release: {done.faces:,} faces{besides} as {form} in {workspace.relative(target)}")


def permitted_labels(params: Params) -> dict[str, list[str]]:
    """Column → permitted labels; none for identities."""
    return {column: list(task.labels) for column, task in params.columns.items()}


def audited(workspace: ProjectPaths, params: Params, sources: Sources) -> AuditReport:
    """Audit of all pictures to publish. Raises GateFailed if it forbids one."""
    found = release_tables.audit(workspace, params, sources)
    release_tables.refuse_failed_audit(found.findings)
    return found


def _write_audit(root: Path, audited: AuditReport) -> None:
    """Write audit.json, as `mtf audit release --json` prints it.

    It contains the date of the evidence, not of the run, so the same inputs give the same bytes.
    """
    from mtf.rights.audit import report

    text = io.StringIO()
    report.write_json(audited, text)
    atomic_files.write_text(root / "audit.json", text.getvalue())


def _write_duties(workspace: ProjectPaths, params: Params, folder: Path) -> None:
    """Write the duty documents that `release.duties` asks for; others, of an earlier release, go."""
    if params.release.duties:
        writing.write(workspace, params, params.release.duties, folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(workspace: ProjectPaths, params: Params, plan: pl.DataFrame, sources: Sources) -> tuple[pl.DataFrame, str]:
    """Write the planned files. Returns the table of files with their digests, and a summary as text."""
    root, record = workspace.stage("release"), workspace.table("released", "files")
    jobs = folders.jobs(
        plan,
        folders.places(sources.everything, sources.faces),
        folders.read(record),
        crops=workspace.shards("crop"),
        root=root,
        release=params.release,
    )
    if cluster_storage.of(params.compute) is not None:
        shards_folder = workspace.shards("released")
        jobs = cluster_encoding.encoded(jobs, compute=params.compute, root=workspace.root, folder=shards_folder)
    done = parallel_map.map_items(folders.publish, jobs, compute=params.compute, title="release")
    wanted = set(plan["path"]) | layout.class_list_paths(plan) | folder_cards.paths(plan)
    removed = folders.remove_others(root, layout.VARIANTS, wanted)
    files = folders.frame(file for each in done for file in each.files)
    folders.write(files, record)
    return files, f"{sum(each.encoded for each in done)} encoded, {removed} files removed"


def _write_metadata(
    root: Path, params: Params, sources: Sources, published: pl.DataFrame, credit: pl.DataFrame
) -> None:
    for name, rows, variants in (
        ("metadata", sources.data, metadata.DATA_SET),
        ("metadata_non_curated", sources.non_curated, (layout.NON_CURATED,)),
    ):
        if set(variants) & set(params.release.variants):
            files = metadata.main_files(published, variants)
            table = metadata.metadata(rows, files, sources.roster, credit, params)
            metadata.write(table, root, name)
            huggingface.write_tables(root, table)


def _credit(params: Params, sources: Sources, published: pl.DataFrame) -> pl.DataFrame:
    """Credit of each published picture."""
    files = metadata.main_files(published, layout.VARIANTS)
    faces = sources.everything.join(files, on=FACE, validate="1:1").sort("file")
    return metadata.credited(faces, sources.images, sources.evidence, alignment=params.release.alignment)


def _write_credits(root: Path, params: Params, credit: pl.DataFrame) -> None:
    title = params.project.title
    csv_files.write(root / "URL_of_original_images.csv", credit)
    atomic_files.write_text(root / "CREDITS.md", metadata.credits_markdown(credit, title=title))
    atomic_files.write_text(root / "CREDITS.html", metadata.credits_page(credit, title=title))


def _changelog(workspace: ProjectPaths, params: Params, release_facts: facts.Facts) -> str:
    version, totals = params.release.version, release_facts.counts["total"]
    if params.release.previous is None:
        return changes.first(version=version, totals=totals)
    differences = revision_diff.run(workspace, params, params.release.previous, None)
    return changes.markdown(differences, version=version, previous=params.release.previous, totals=totals)


def _sides_line(published: pl.DataFrame, params: Params) -> str:
    """Number of faces that are smaller than `release.size_px`, and what was done with them."""
    faces = published.unique(FACE)
    size, smaller = params.release.size_px, faces.filter(pl.col("crop_px") < params.release.size_px).height
    if not smaller:
        return f"no face is smaller than {size} pixels, so none was enlarged"
    if params.release.enlarge:
        return f"{smaller:,} of {faces.height:,} faces were enlarged to {size} × {size} pixels (release.enlarge)"
    least = faces["side_px"].min()
    return (
        f"{smaller:,} of {faces.height:,} faces have fewer than {size} pixels and keep their own size, {least} at "
        "least; none was enlarged (--enlarge, or release.enlarge: true)"
    )


def _sizes(published: pl.DataFrame, params: Params) -> dict[str, dict[str, int]]:
    """Variant → number of identities and files, and size in bytes."""
    sizes = {}
    for variant in params.release.variants:
        files = published.filter(pl.col("variant") == variant)
        sizes[variant] = {
            "identities": files["identity"].n_unique(),
            "files": files.height,
            "bytes": int(files["size_bytes"].sum()),
        }
    return sizes
