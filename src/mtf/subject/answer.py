"""Answer to a person: a ZIP with a page, the pictures and all data, and the same page beside it."""

from __future__ import annotations

import base64
import datetime as dt
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from mtf.config import Params
from mtf.core import atomic_files, html_templates, shards
from mtf.core.project_paths import ProjectPaths
from mtf.duties.writing import on_one_line
from mtf.schemas import SPLITS
from mtf.subject import exported_evidence, masking, versions
from mtf.subject import holdings as held
from mtf.subject.exported_evidence import Copied
from mtf.subject.holdings import Face, Holdings, Picture
from mtf.subject.versions import Version

# In place of a commit, for the files in the project's folder.
CURRENT = "current files"
PAGE, DATA, PICTURES, EVIDENCE = "index.html", "data.json", "pictures", "evidence"
# Nothing in the ZIP says when it was written: the same data give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif", "image/bmp": "bmp",
               "image/tiff": "tiff", "image/avif": "avif"}  # fmt: skip


@dataclass(frozen=True)
class Written:
    """Written answer.

    - `archive`, `page`: its files;
    - `holdings`, `versions`: its content;
    - `left_out`: image_ids of pictures that are not in the ZIP, with the reason;
    - `evidence`, `evidence_left_out`: names of files of exported evidence that are in the ZIP, and of those that are
      not, with the reason.
    """

    archive: Path
    page: Path
    holdings: Holdings
    versions: list[Version]
    left_out: dict[str, str]
    evidence: list[str]
    evidence_left_out: dict[str, str]


@dataclass(frozen=True)
class Files:
    """Files of the ZIP.

    - `names`: image_id → name of the picture's file;
    - `left_out`: image_id → reason why the picture has none;
    - `evidence`: files of exported evidence.
    """

    names: dict[str, str]
    left_out: dict[str, str]
    evidence: Copied


def write(identity: str, workspace: ProjectPaths, params: Params, *, folder: Path) -> Written:
    """Write `IDENTITY.zip` and `IDENTITY.html` to `folder`, atomically."""
    found = held.gather(identity, workspace, params)
    known = [*_current(found, workspace, params), *versions.find(workspace.root, identity)]
    names: dict[str, str] = {}
    left_out: dict[str, str] = {}
    archive, page = folder / f"{identity}.zip", folder / f"{identity}.html"
    with atomic_files.replacing(archive) as beside, zipfile.ZipFile(beside, "w") as packed:
        for picture in found.pictures:
            data = _picture(picture, identity, workspace, params)
            if isinstance(data, str):
                left_out[picture.row["image_id"]] = data
                continue
            names[picture.row["image_id"]] = f"{PICTURES}/{_file_name(picture)}"
            _add(packed, names[picture.row["image_id"]], data, zipfile.ZIP_STORED)
        with exported_evidence.copied(identity, workspace, folder) as evidence:
            for path in evidence.files:
                _add_file(packed, f"{EVIDENCE}/{path.name}", path)
        text = _page(found, known, Files(names, left_out, evidence), workspace, params)
        _add(packed, PAGE, text.encode("utf-8"), zipfile.ZIP_DEFLATED)
        _add(packed, DATA, _data(found, known, left_out).encode("utf-8"), zipfile.ZIP_DEFLATED)
    atomic_files.write_text(page, text)
    names_of_evidence = [path.name for path in evidence.files]
    return Written(archive, page, found, known, left_out, names_of_evidence, evidence.left_out)


def _current(found: Holdings, workspace: ProjectPaths, params: Params) -> Iterator[Version]:
    """The files in the project's folder as a version of their own: they may not be committed."""
    if not found.pictures:
        return
    rows = found.tables.get(workspace.relative(workspace.table("split", "splits")), [])
    counts = {split: sum(row["split"] == split for row in rows) for split in SPLITS}
    faces = {split: count for split, count in counts.items() if count}
    is_released = any(path.startswith(f"{versions.RELEASE}/") for path in found.tables)
    is_trained = any(split != "test" for split in faces)
    yield Version(
        commit=CURRENT,
        day="",
        tags=(),
        images=tuple(str(each.row["image_id"]) for each in found.pictures),
        faces=faces,
        release=params.release.version if is_released else None,
        models=tuple(versions.model_folders(workspace)) if is_trained else (),
    )


def _picture(picture: Picture, identity: str, workspace: ProjectPaths, params: Params) -> bytes | str:
    """Bytes of a picture, other faces masked; or the reason why it is left out."""
    row = picture.row
    try:
        data = shards.read(workspace.shard("crawl", identity), row["offset"], row["size_bytes"])
    except OSError:
        return "its file is not on this machine; `dvc pull` fetches it"
    if len(data) != row["size_bytes"]:
        return "its file is not whole; `dvc checkout` restores it"
    shown = masking.masked(data, picture.masked, max_pixels=params.crawl.max_pixels)
    return "it shows other people, and cannot be decoded to mask them" if shown is None else shown


def _file_name(picture: Picture) -> str:
    extension = "jpg" if picture.masked else _EXTENSIONS.get(picture.row["media_type"], "bin")
    return f"{picture.row['image_id']}.{extension}"


def _add(packed: zipfile.ZipFile, name: str, data: bytes, method: int) -> None:
    packed.writestr(zipfile.ZipInfo(name, _NO_TIME), data, compress_type=method)


def _add_file(packed: zipfile.ZipFile, name: str, path: Path) -> None:
    with path.open("rb") as source, packed.open(zipfile.ZipInfo(name, _NO_TIME), "w") as target:
        shutil.copyfileobj(source, target)


def _data(found: Holdings, known: list[Version], left_out: dict[str, str]) -> str:
    """All data as JSON."""
    content = {
        "identity": found.identity,
        "roster": found.roster,
        "consents": found.consents,
        "takedowns": found.takedowns,
        "attributions": found.attributions,
        "decisions": found.decisions,
        "tables": found.tables,
        "versions": [vars(version) for version in known],
        "pictures_left_out": left_out,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.datetime | dt.date) else str(value)


def _page(
    found: Holdings,
    known: list[Version],
    files: Files,
    workspace: ProjectPaths,
    params: Params,
) -> str:
    environment = html_templates.environment("mtf.subject")
    environment.filters |= {"plain": lambda value: on_one_line(str(value)), "link": _link}
    return environment.get_template("page.html.jinja").render(
        found=found,
        versions=known,
        names=files.names,
        left_out=files.left_out,
        evidence=files.evidence,
        contact=params.project.contact,
        title=params.project.title,
        basis={each.row["image_id"]: held.basis(each, found, params) for each in found.pictures},
        crops=dict(_crops(found, workspace)),
    )


def _link(address: str | None) -> Markup:
    """Address as a link if it is http or https, else as text; escaped."""
    if not address:
        return Markup("")
    text = escape(on_one_line(address))
    if address.startswith(("http://", "https://")) and not any(sign in address for sign in " <>\"'`\\\n"):
        return Markup('<a href="{}" rel="noreferrer noopener">{}</a>').format(address, text)
    return text


def _crops(found: Holdings, workspace: ProjectPaths) -> Iterator[tuple[str, str]]:
    """image_id → `data:` address of the crop of the person's face, if it shows nobody else."""
    path = workspace.shard("crop", found.identity)
    if not path.is_file():
        return
    with shards.reader(path) as shard:
        for picture in found.pictures:
            for face in picture.faces:
                if face.is_shown and "crop_x" in face.row and not _overlaps_another(face, picture):
                    data = shard.read(face.row["offset"], face.row["size_bytes"])
                    yield picture.row["image_id"], f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"


def _overlaps_another(face: Face, picture: Picture) -> bool:
    left, top = face.row["crop_x"], face.row["crop_y"]
    right, bottom = left + face.row["crop_width"], top + face.row["crop_height"]
    return any(
        x < right and left < x + width and y < bottom and top < y + height for x, y, width, height in picture.masked
    )
