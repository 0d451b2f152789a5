"""Command `dvc-image-diff`: shows which images differ between two versions of a DVC repository, on one page.

Exit codes: 0 compared; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mtf.core import system_errors
from mtf.core.atomic_files import write_text
from mtf.core.errors import BadInput, MtfError, listed
from mtf.image_diff import page
from mtf.image_diff.comparison import Difference, Differences, compare
from mtf.image_diff.thumbnails import MAX_FILE_BYTES, Thumbnails
from mtf.image_diff.versions import Objects, Version, read, without

KINDS = {"added": "Added", "gone": "Gone", "changed": "Changed", "moved": "Moved"}
SHOWN = 10
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `dvc-image-diff`. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="dvc-image-diff",
        description="Show which images differ between two versions of a DVC repository, without a checkout.",
        epilog=(
            "Images are read from DVC's cache, else from its remotes. "
            "Exit codes: 0 compared; 2 bad input; 130 interrupted."
        ),
    )
    parser.add_argument("old", metavar="OLD", help="git revision: a tag, a branch or a commit")
    parser.add_argument("new", metavar="NEW", nargs="?", help="another one; default: the DVC files as they lie here")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        help="file or folder to compare, from the root of the repository; default: all",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the images side by side")
    parser.add_argument("--json", action="store_true", help="print every difference as JSON")
    parser.add_argument("--pictures", type=int, default=200, metavar="N", help="rows with pictures, 0 to 600 (200)")
    parser.add_argument("--root", type=Path, help="root of the DVC repository; default: that of the current folder")
    given = parser.parse_args(arguments)
    if not 0 <= given.pictures <= page.MAX_PICTURES:
        parser.error(f"--pictures: {given.pictures} is not permitted; permitted: 0 to {page.MAX_PICTURES}")
    try:
        _run(given)
    except (MtfError, OSError) as error:
        line = system_errors.explained(error) if isinstance(error, OSError) else None
        print(f"dvc-image-diff: {page.plain(line or str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dvc-image-diff: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _run(given: argparse.Namespace) -> None:
    root = (given.root or _root()).resolve()
    objects = Objects(_stores(root))
    below = [_below(root, path) for path in given.path]
    below = [] if "." in below else below
    old, new = (read(root, revision, objects, below=below) for revision in (given.old, given.new))
    if below and not (old.files or new.files or old.unlisted or new.unlisted):
        raise BadInput(f"--path: {listed(map(repr, below))}: no file of DVC in either version; paths begin at {root}")
    # A folder that one version does not list is no difference.
    unlisted = [*old.unlisted, *new.unlisted]
    found = compare(without(old, unlisted), without(new, unlisted))
    notes = [*old.unknown, *new.unknown, *objects.failures]
    if found.others:
        notes.append(f"differences of files that are no images by their names are left out: {found.others:,}")
    if given.html is not None:
        write_text(given.html, _page(found, old, new, notes, objects, limit=given.pictures))
    if given.json:
        print(json.dumps(_as_json(found, notes), indent=2, ensure_ascii=True))
        return
    _print(found, notes)
    if given.html is not None:
        print(f"page: {page.plain(str(given.html))}, {given.html.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _below(root: Path, path: str) -> str:
    """Path from the root of the repository, as DVC's files write it, of one that may be absolute or begin with `./`."""
    full = Path(os.path.normpath(root / path))
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else path


def _root() -> Path:
    """Nearest folder upwards with a folder `.dvc`; the current one if there is none, which is refused later."""
    here = Path.cwd()
    return next((each for each in (here, *here.parents) if (each / ".dvc").is_dir()), here)


def _stores(root: Path) -> list[Any]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    from mtf.forget.stores import all_stores

    try:
        with Repo(str(root)) as repo:
            return list(all_stores(repo))
    except DvcException as error:
        raise BadInput(f"{root}: {' '.join(str(error).split())[:200]}") from None


def _page(found: Differences, old: Version, new: Version, notes: list[str], objects: Objects, *, limit: int) -> str:
    with Thumbnails() as thumbnails:

        def thumbnail(digest: str | None) -> bytes | None:
            data = None if digest is None else objects.read(digest, max_bytes=MAX_FILE_BYTES)
            return None if data is None else thumbnails.of(data)

        def row(each: Difference) -> page.Row:
            def pictures() -> tuple[bytes | None, bytes | None]:
                if each.digest == each.old_digest:  # it moved: one picture is enough
                    return None, thumbnail(each.digest)
                return thumbnail(each.old_digest), thumbnail(each.digest)

            digests = dict.fromkeys(digest for digest in (each.old_digest, each.digest) if digest)
            return page.Row(each.title, "md5 " + " → ".join(digest[:12] for digest in digests), pictures=pictures)

        groups = []
        for name, title in KINDS.items():
            every = getattr(found, name)
            rows = [row(each) for each in every]
            groups.append(page.Group(name, title, len(every), _by_folder(every), rows, by="folder"))
        title = f"Images: {old.name} and {new.name}"
        return page.rendered(groups, title=title, says=[_summary(found)], notes=notes, max_pictures=limit)


def _by_folder(every: Sequence[Difference]) -> list[tuple[str, int]]:
    folders = ((each.path or each.old_path or "").rpartition("/")[0] or "(root)" for each in every)
    return page.counted(folders)


def _summary(found: Differences) -> str:
    return ", ".join(f"{len(getattr(found, name)):,} {name}" for name in KINDS)


def _print(found: Differences, notes: Sequence[str]) -> None:
    print(f"images: {_summary(found)}")
    for name in KINDS:
        every = getattr(found, name)
        for each in every[:SHOWN]:
            print(f"  {name}: {page.plain(each.title)}")
        if len(every) > SHOWN:
            print(f"  … and {len(every) - SHOWN:,} more {name}")
    for note in notes:
        print(f"note: {page.plain(note)}")


def _as_json(found: Differences, notes: Sequence[str]) -> dict[str, Any]:
    return {"version": 1, **asdict(found), "notes": list(notes)}


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())
