"""Command `dvc-forget`: deletes files from every version of a DVC repository, for good.

Exit codes: 0 done, or a dry run; 1 something is still owed, run it again; 2 bad input, nothing was changed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mtf.core.errors import MtfError

DONE, OWED, BAD = 0, 1, 2
SHOWN = 10
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `dvc-forget`. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="dvc-forget",
        description="Delete files from every version of a DVC repository: folder, cache, all commits, all remotes.",
        epilog="Without --apply, nothing is changed. Exit codes: 0 done; 1 something is still owed; 2 bad input.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="file or folder: every content it had in any version")
    parser.add_argument("--digest", action="append", default=[], metavar="DIGEST", help="content, by md5 or sha256")
    parser.add_argument(
        "--list", action="append", default=[], type=Path, metavar="FILE", help="file with a path or digest on each line"
    )
    parser.add_argument(
        "--member",
        action="append",
        default=[],
        metavar="NAME",
        help="remove only this member of the tars",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="say what would go, change nothing (the default)")
    mode.add_argument("--apply", action="store_true", help="erase; without a target, resume what is unfinished")
    parser.add_argument("--root", type=Path, help="root of the DVC repository; default: that of the current folder")
    parser.add_argument("--receipts", type=Path, help="folder of the receipts; default: forget-receipts in the root")
    given = parser.parse_args(arguments)
    if not (given.paths or given.digest or given.list or given.apply):
        parser.error("name a PATH, --digest or --list; or --apply alone to resume what is unfinished")
    try:
        return _run(given)
    except MtfError as error:
        print(f"dvc-forget: {shown(error)}", file=sys.stderr)
        return BAD
    except OSError as error:  # a file that may not be read or removed; the receipt says how far it came
        print(f"dvc-forget: {shown(error)}; put this right, then run it again", file=sys.stderr)
        return OWED if given.apply else BAD


def _run(given: argparse.Namespace) -> int:
    from mtf.forget import forgetting, targets

    root = (given.root or _root()).resolve()
    wanted = targets.parsed(given.paths, given.digest, given.list, root, members=given.member)
    if not given.apply:
        planned = forgetting.plan(root, wanted, progress=_progress)
        print(*_described(planned), sep="\n")
        print("Nothing was changed: this was a dry run; --apply erases")
        return DONE
    receipts = given.receipts or root / forgetting.FOLDER
    written = forgetting.forget(root, wanted, receipts, report=lambda line: print(shown(line)), progress=_progress)
    if not written:
        print("Nothing to erase: folder, cache and remotes lack it, and no earlier run is unfinished")
        return DONE
    for path, one in written:
        print(*_outcome(one), sep="\n")
        print(f"receipt: {shown(path)}")
    return DONE if all(one["finished_at"] for _, one in written) else OWED


def _root() -> Path:
    """Nearest folder upwards with a folder `.dvc`; the current one if there is none, which is refused later."""
    here = Path.cwd()
    return next((each for each in (here, *here.parents) if (each / ".dvc").is_dir()), here)


def _described(planned: dict[str, Any]) -> Iterator[str]:
    objects = planned["objects"]
    sizes = {each["oid"]: each["size_bytes"] for each in objects}
    members = planned["targets"].get("members")
    what = f"to rewrite in every version without {', '.join(members)}" if members else "to erase from every version"
    yield f"{_count(len(sizes), 'content')}, {sum(sizes.values()):,} bytes, {what}:"
    for each in _first(sorted(objects, key=lambda each: not each["is_named"])):
        if isinstance(each, str):
            yield each
            continue
        where = f"{each['path'] or '(no name)'} at {_few(each['revisions'] or ['no version'])}"
        beside = "" if each["is_named"] else " (the same content as a target)"
        yield f"  {shown(where)}: md5 {each['oid']}{beside}"
    change = "rewrite in" if members else "remove from"
    yield f"{_count(len(planned['workspace']), 'path')} to {change} the repository's folder:"
    yield from (f"  {shown(each)}" for each in _first(planned["workspace"]))
    yield "in these places:"
    for name, place in planned["places"].items():
        count = _count(place["before"], "object")
        yield f"  {shown(name)} ({shown(place['address'])}): {shown(place['error'] or count)}"
    yield from _left_to_people(planned)


def _outcome(one: dict[str, Any]) -> Iterator[str]:
    from mtf.forget.store_erasure import outstanding_in

    contents = len({each["oid"] for each in one["objects"]})
    yield f"{_count(contents, 'content')}, {'erased' if one['finished_at'] else 'owed'}"
    yield from (f"owed: {shown(line)}" for line in outstanding_in(one["places"]))
    if not one["finished_at"]:
        yield "Not finished: `dvc-forget --apply` goes on when all places can be reached"
    yield from _left_to_people(one)


def _left_to_people(one: dict[str, Any]) -> Iterator[str]:
    yield from (f"next: {shown(line)}" for line in one["next"])
    yield from (f"not reached: {shown(line)}" for line in one["out_of_reach"])
    yield "not reached: other clones and their caches, backups, and the names and md5 in git, .dvc files and listings"


def _first(items: list[Any]) -> Iterator[Any]:
    yield from items[:SHOWN]
    if len(items) > SHOWN:
        yield f"  … and {len(items) - SHOWN:,} more"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _progress(number: int, total: int) -> None:
    if sys.stderr.isatty() and (number == total or number % 50 == 0):
        print(f"\r{number} of {total} versions", end="\n" if number == total else "", file=sys.stderr, flush=True)


def shown(value: object) -> str:
    """Text for a terminal, on one line: control characters, which may come from file names, as `\\xNN`."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(value))


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())
