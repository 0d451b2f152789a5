"""One run of `mtf watch`: crawl what is due, bring the data set up to date, one commit, one line of the changelog.

All of it happens in a clone. The project itself is moved on at the end, by a fast-forward; a run that fails before has
changed nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mtf import config
from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.file_lock import inherited_lock
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import crawl
from mtf.rights import policy
from mtf.watch import clone as clones
from mtf.watch import run_changes
from mtf.watch.clone import Clone, Project
from mtf.watch.run_changes import Tables

LOCK = "mtf-watch.lock"


@dataclass(frozen=True)
class WatchResult:
    """Result of a run.

    commit: commit of the project after the run.
    line: first line of its message.
    """

    commit: str
    line: str


def run(workspace: ProjectPaths, *, is_all_due: bool = False) -> WatchResult:
    """Run once. `is_all_due` asks again for everything, whatever `watch` of params.yaml says.

    Raises MtfError if another run is going on, if the project has changes that are not committed, or if a step fails;
    then the project is as it was.
    """
    with inherited_lock(workspace.root / ".dvc/tmp" / LOCK, f"{workspace.root}: `mtf watch`") as lock:
        project = Project.of(workspace, (lock,))
        clones.finish_checkout(project)
        project.refuse_changes()
        params = config.load(workspace.params)
        now, until = crawl.now(workspace, params).astimezone(UTC), params.watch.until
        clone = Clone(project)
        try:
            began = clone.open(until, now=now)
            if clone.is_committed and (is_all_due or began.date() < now.date()):
                clone.publish()  # of an earlier day: it left undone what has become due since
                began = clone.open(until, now=now)
            if not clone.is_committed:
                _work(clone, began=began, until=until, is_all_due=is_all_due)
            line = clone.git("log", "-1", "--format=%s")
            return WatchResult(clone.publish(), line)
        except Exception:
            clone.remove()  # a killed run's clone stays, and is taken up
            raise


def _work(clone: Clone, *, began: datetime, until: str, is_all_due: bool) -> None:
    """Do the run in the clone, and commit it there."""
    workspace = clone.workspace
    params = _due(config.load(workspace.params), is_all_due=is_all_due)
    policy.check_all(params)
    listing = _bytes(workspace.local_sources)
    crawl.run(workspace, params, due=True)
    commands: list[tuple[str, ...]] = [("commit", "--quiet", "--force", crawl.STAGE)]
    if _bytes(workspace.local_sources) != listing:
        commands.append(("add", "--quiet", str(workspace.relative(workspace.data))))
    if until != crawl.STAGE:
        commands.append(("repro", "--quiet", until))
    clone.git.dvc(*commands)
    found = run_changes.changes(Tables.of(workspace, "HEAD"), Tables.of(workspace, None), workspace, began=began)
    changelog = workspace.root / run_changes.CHANGELOG
    earlier = changelog.read_text(encoding="utf-8") if changelog.is_file() else ""
    atomic_files.write_text(changelog, run_changes.with_line(earlier, found))
    clone.commit(f"watch: {found}")


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _due(params: Params, *, is_all_due: bool) -> Params:
    if not is_all_due:
        return params
    now = params.watch.model_copy(update={"recheck_days": 0, "recheck_max_days": 0, "search_days": 0})
    return params.model_copy(update={"watch": now})
