"""Whether this clone has all that git's history names: without a commit, nobody can say what its version tracked.

Git is asked before DVC reads its history: where a commit or a folder is not there, DVC's readers of git raise whatever
their libraries do, and where a file's content is not there, they wait for it for ever.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mtf.errors import MtfError, listed

_SHOWN = 3
_BY_HAND = "put the .git of a whole clone in the place of this one"
FETCH = "`git fetch --refetch --no-filter` brings it where a remote has it"
MEND = f"{FETCH}; else {_BY_HAND}"
UNNAME = f"{FETCH}; else `git update-ref -d` that name if nobody wants it, or {_BY_HAND}"
CLEAR = f"remove these files (`git fsck` names them), then {FETCH}; else {_BY_HAND}"
UNSHALLOW = "`git fetch --unshallow` brings them"


def shallow(root: Path) -> str | None:
    """What a shallow clone lacks and what to do, in words; None where it is none."""
    named = git(root, "rev-parse", "--git-path", "shallow").stdout.strip()
    path = root / named
    commits = path.read_text(encoding="ascii").split() if named and path.is_file() else []
    return (
        f"this clone is shallow: versions before {listed(commits, _SHOWN)} are not here; {UNSHALLOW}"
        if commits
        else None
    )


def damage(root: Path) -> str | None:
    """What git lacks or cannot read of its own history and what to do, in words; None where it has all, or is no git.

    A partial clone (`--filter`) lacks what it has not needed yet.
    """
    if git(root, "rev-parse", "--git-dir").returncode != 0:
        return None
    # A commit-graph would vouch for commits that are gone.
    walk = ("-c", "core.commitGraph=false", "rev-list", "--all", "--objects", "--no-object-names", "--missing=print")
    named = git(root, *walk)
    if named.returncode != 0:
        return f"git cannot follow its history ({_words(named.stderr)}); {_mended(named.stderr)}"
    objects = named.stdout.split()
    if lacking := [each.removeprefix("?") for each in objects if each.startswith("?")]:
        return f"git lacks {listed(lacking, _SHOWN)}, which its history names; {MEND}"
    if broken := _unreadable(root, objects):
        return f"git cannot read {listed(broken, _SHOWN)}, which its history names; {CLEAR}"
    return None


def _unreadable(root: Path, objects: list[str]) -> list[str]:
    """Those whose header cannot be read, such as files that were empty when the disk was full."""
    asked = "".join(f"{each}\n" for each in objects)
    told = git(root, "cat-file", "--buffer", "--batch-check=%(objecttype)", asked=asked).stdout.splitlines()
    return [line.removesuffix(" missing") for line in told if line.endswith(" missing")]


def _mended(said: str) -> str:
    """What helps against an error of git's walk: a name that leads nowhere, and nowhere on a remote, stops a fetch."""
    if "bad object" in said:
        return UNNAME
    return CLEAR if "corrupt" in said else MEND


def _words(said: str) -> str:
    """What git complains of, on one line, each thing once."""
    lines = dict.fromkeys(line.partition(": ")[2] or line for line in said.splitlines())
    return "; ".join(lines)[:300]


def git(root: Path, *arguments: str, asked: str | None = None) -> subprocess.CompletedProcess[str]:
    """Git's answer; its words are looked into, so they are to be English. Raises MtfError where no git is installed."""
    try:
        return subprocess.run(
            ("git", *arguments),
            cwd=root,
            env=os.environ | {"LC_ALL": "C"},
            input=asked,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        if error.filename != "git":  # the folder
            raise
        raise MtfError("git is not installed: no `git` is on the PATH") from None
