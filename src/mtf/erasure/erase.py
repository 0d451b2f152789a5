"""`mtf takedown erase`: plan, replace in every place, verify, and write it down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import NotDvcRepoError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.scm import NoSCM

import mtf
from mtf import params, takedowns
from mtf.erasure import clone, holders, lines, originals, receipt, subjects, surroundings, untracked
from mtf.erasure.history import WORKSPACE, History
from mtf.erasure.holders import Found
from mtf.erasure.originals import Original
from mtf.erasure.places import CACHE, Place, all_places, in_words
from mtf.erasure.receipt import Receipt
from mtf.erasure.requests import unwritten
from mtf.erasure.stock import Stock
from mtf.erasure.subjects import Subjects
from mtf.errors import BadInput, GateFailed, MtfError, listed
from mtf.workspace import Workspace

State = dict[str, Any]


@dataclass
class Plan:
    """`receipt` as it will be; `current` are files of the current version that `dvc repro` makes anew first.

    `unseen` are objects that may hold an erased picture and may lie in a place that does not answer; `untracked` lie
    about in the project's folder. `broken_versions` say which versions could not be read. `unwritten` are pages whose
    pictures `dvc repro` keeps.
    """

    receipt: Receipt
    current: list[str]
    unseen: list[str]
    stock: Stock
    originals: list[Original]
    untracked: list[str]
    broken_versions: list[str]
    unwritten: list[str]

    @property
    def first(self) -> str:
        """What comes before the erasure where the current version still holds pictures to erase."""
        if not self.unwritten:
            return "run `dvc repro` and commit dvc.lock first; it makes them again without the pictures"
        return (
            f"the crawl knows no picture on {listed(self.unwritten)}, so first `mtf takedown add` each of these pages "
            "again, which writes their pictures down; then run `dvc repro` and commit dvc.lock"
        )

    @property
    def is_empty(self) -> bool:
        """Nothing that the requests name is anywhere, and every place was looked through."""
        return not (self.receipt["objects"] or self.receipt["originals"] or receipt.owed(self.receipt))


def plan(workspace: Workspace, *, signed_by: str) -> Plan:
    """What an erasure would do; nothing is changed. Raises MtfError where another command of DVC is at work."""
    with _locked(workspace) as repo:
        return _plan(repo, workspace, signed_by=signed_by)


def erase(workspace: Workspace, *, signed_by: str, report: Callable[[str], object] = print) -> list[Receipt]:
    """Erase what the takedowns name, and what earlier erasures still owe; returns the receipts written.

    A place that cannot be reached is reported, and owed by the receipt; running again goes on from there.
    Raises GateFailed where the current version still holds an erased picture: `dvc repro` comes first.
    """
    with _locked(workspace) as repo:
        planned = _plan(repo, workspace, signed_by=signed_by)
        if planned.current:
            raise GateFailed(
                f"the current version still holds pictures to erase ({listed(planned.current, 4)}): {planned.first}"
            )
        due = _due(workspace, planned)
        for line in planned.broken_versions if not due else ():
            report(line)
        for path, one in due:
            receipt.save(path, one)
        for original in planned.originals:
            originals.clear(original)
        for holder in (holder for _, one in due for holder in one["objects"]):
            originals.detach(workspace.root / holder["path"], holder["oid"])
        for path, one in due:
            _carry_out(workspace, path, one, planned, report)
    return [one for _, one in due]


@contextmanager
def _locked(workspace: Workspace) -> Generator[Repo]:
    """No other command of DVC changes cache or remotes meanwhile."""
    repo = _own_repo(workspace)
    try:
        with lock_repo(repo):
            yield repo
    except LockError:
        raise MtfError("another command of DVC is at work in this project; wait for it, then run this again") from None


def _own_repo(workspace: Workspace) -> Repo:
    """DVC takes a project inside another for a folder of that one: it would know none of this project's outputs.

    Raises MtfError where the project is not the root of a DVC repository.
    """
    advice = "run `dvc init` (inside another clone `dvc init --subdir`) there first"
    try:
        repo = Repo(str(workspace.root))
    except NotDvcRepoError:
        raise MtfError(f"{workspace.root}: no DVC repository, so nothing can be erased from it; {advice}") from None
    if Path(repo.root_dir).resolve() != workspace.root.resolve():
        raise MtfError(
            f"{workspace.root}: not the root of a DVC repository, but a folder of the one in {repo.root_dir}: what DVC "
            f"tracks here is not known; nothing was erased: {advice}"
        )
    if isinstance(repo.scm, NoSCM):
        raise MtfError(
            f"{workspace.root}: DVC works without git here, so no older version is known; nothing was erased: run "
            "`git init`, `dvc config core.no_scm false`, and commit first"
        )
    return repo


def _plan(repo: Repo, workspace: Workspace, *, signed_by: str) -> Plan:
    if lacking := clone.shallow(workspace.root) or clone.damage(workspace.root):
        raise BadInput(f"nothing was erased, since not every version is known: {lacking}")
    requests = takedowns.load(workspace.takedowns)
    stock = Stock(all_places(repo))
    history = History(repo, stock)
    if faults := [why for why, revisions in history.broken.items() if WORKSPACE in revisions]:
        raise BadInput(f"what DVC tracks in the project's folder is not known; put this right first: {listed(faults)}")
    settings = params.load(workspace.params)
    wanted = subjects.find(requests, history, max_pixels=settings.crawl.max_pixels)
    found = holders.find(wanted, history)
    own, broken = originals.find(wanted, workspace, settings)
    oids = sorted({holder.oid for holder in found.holders})
    unseen = sorted({version.oid for version in found.unseen})
    fitted = [{"path": untracked.FITTED, "revisions": [WORKSPACE], "trained_on_faces": None}]
    has_fitted = bool(wanted.face_ids) and (workspace.root / untracked.FITTED).exists()
    beside = untracked.find(wanted, workspace, repo)
    unreadable = {*found.unreadable, *broken, *beside.unreadable, *_unread(wanted, found)}
    broken_versions = [*surroundings.broken_versions(history)]
    outside = [*_outside(own, repo, workspace)]
    planned: Receipt = {
        "schema": receipt.SCHEMA,
        "program": f"mtf {mtf.__version__}",
        "started_at": _now(),
        "finished_at": None,
        "signed_by": signed_by,
        "requests": [asdict(record) | {"kind": str(record.kind)} for record in requests.records],
        "subjects": wanted.plain(),
        "objects": [holder.plain() for holder in found.holders],
        "places": {place.name: _state(place, oids, unseen, stock) for place in stock.places if requests.records},
        "run_cache": 0,
        "workspace": beside.names if wanted.names else [],
        "originals": [_named(original, workspace) for original in own],
        "outside": outside,
        "models": [*holders.trained_models(wanted, history), *(fitted if has_fitted else [])],
        "unreadable": sorted(unreadable) if requests.records else [],
        "lost": sorted(history.lost),
        "by_hand": [
            *surroundings.owed_by_hand(workspace, stock.places, stock.unlisted),
            *broken_versions,
            *outside,
            *lines.left(wanted.whole, workspace),
            *beside.by_hand,
        ],
    }
    made = [h.path for h in found.holders if WORKSPACE in h.revisions and _is_made(h.path)]
    pages = unwritten(requests, workspace) if made else []
    return Plan(planned, sorted(set(made)), unseen, stock, own, beside.names, broken_versions, pages)


def _outside(own: list[Original], repo: Repo, workspace: Workspace) -> Iterator[str]:
    """Links to pictures that lie neither in the project nor in DVC's cache, wherever that is."""
    cache = Path(repo.cache.local.path).resolve()
    for original in own:
        target = original.target
        if target is not None and not any(target.is_relative_to(each) for each in (workspace.root.resolve(), cache)):
            yield f"{workspace.relative(original.path)} was a link to {target}: the picture there is yours to remove."


def _unread(wanted: Subjects, found: Found) -> Iterator[str]:
    """Shards that may hold a look-alike; what is erased anyway need not be read."""
    erased = {holder.oid for holder in found.holders}
    for version, why in wanted.unread:
        if version.oid not in erased:
            yield f"{version.path} at {', '.join(version.revisions)} ({version.oid}): {why}"


def _is_made(path: str) -> bool:
    """A stage's file, rather than one that people put there."""
    return path.startswith("build/")


def _named(original: Original, workspace: Workspace) -> str:
    where = workspace.relative(original.path)
    return f"{where}: {len(original.members)} members" if original.members else where


def _due(workspace: Workspace, planned: Plan) -> list[tuple[Path, Receipt]]:
    """The receipts to work on: those that still owe something, brought up to date, or else a new one."""
    earlier = receipt.all_of(workspace.data)
    unfinished = [(path, one) for path, one in earlier if not one["finished_at"]]
    if unfinished:
        _extend(unfinished[-1][1], planned.receipt)
        for _, one in unfinished:
            _update(one, planned)
        return unfinished
    covered = {_request(each) for _, one in earlier for each in one["requests"]}
    is_new = any(_request(each) not in covered for each in planned.receipt["requests"])
    if planned.is_empty and not (is_new and planned.receipt["workspace"]):
        return []
    stamp = planned.receipt["started_at"].replace(":", "").replace("-", "")
    return [(receipt.folder(workspace.data) / f"{stamp}.json", planned.receipt)]


def _request(request: dict[str, str]) -> tuple[str, str]:
    return request["kind"], request["value"]


def _extend(one: Receipt, fresh: Receipt) -> None:
    """What was found since belongs to the erasure that is not finished."""
    for name in ("requests", "objects", "originals", "outside", "models"):
        one[name] += [each for each in fresh[name] if each not in one[name]]
    for name, values in fresh["subjects"].items():
        one["subjects"][name] = sorted({*one["subjects"][name], *values})


def _update(one: Receipt, planned: Plan) -> None:
    stock, fresh = planned.stock, planned.receipt
    one |= {name: fresh[name] for name in ("unreadable", "lost")}
    # The link that led outside went with the first run, so no later one finds it.
    one["by_hand"] = [*dict.fromkeys((*one["outside"], *fresh["by_hand"]))]
    oids = sorted({holder["oid"] for holder in one["objects"]})
    for place in stock.places:
        state = _state(place, oids, planned.unseen, stock)
        before = one["places"].get(place.name)
        if before and not before["error"]:
            state["before"] = max(before["before"], state["before"])
        one["places"][place.name] = state
    for name in one["places"].keys() - {place.name for place in stock.places}:
        if one["places"][name]["owed"] or one["places"][name]["error"]:
            one["places"][name]["error"] = receipt.DROPPED
    one["by_hand"] = [*one["by_hand"], *receipt.dropped(one)]


def _state(place: Place, oids: list[str], unseen: list[str], stock: Stock) -> State:
    """What a place holds before; one that cannot be asked owes everything that it may have.

    A remote is to have a tombstone also for what it does not hold: nobody's older clone pushes the original there.
    """
    state: State = {
        "address": place.address,
        "before": 0,
        "after": 0,
        "owed": [],
        "error": stock.errors.get(place.name),
    }
    if not state["error"]:
        try:
            held = [oid for oid in oids if place.holds(oid)]
            owed = held if place.name == CACHE else [oid for oid in oids if oid in held or not place.is_buried(oid)]
            return state | {"before": len(held), "after": len(held), "owed": owed}
        except Exception as failure:  # each file system raises its own
            state["error"] = in_words(failure)
    owed = sorted({*oids, *unseen})
    return state | {"before": len(owed), "after": len(owed), "owed": owed}


def _carry_out(workspace: Workspace, path: Path, one: Receipt, planned: Plan, report: Callable[[str], object]) -> None:
    one["workspace"] = sorted({*one["workspace"], *untracked.clear(workspace, planned.untracked)})
    listings = sorted({listing for holder in one["objects"] for listing in holder["listings"]})
    oids = {holder["oid"] for holder in one["objects"]}
    for place in planned.stock.places:
        state = one["places"][place.name]
        if not state["error"]:
            _empty(place, state, oids, planned.stock)
        if not state["error"]:
            one["run_cache"] += place.forget_runs(listings)
        receipt.save(path, one)
        done = state["before"] - state["after"]
        report(f"{place.name}: {done} of {state['before']} objects erased {state['error'] or ''}".rstrip())
    if not receipt.owed(one):
        one["finished_at"] = _now()
    receipt.save(path, one)


def _empty(place: Place, state: State, oids: Collection[str], stock: Stock) -> None:
    """Bury what is owed in one place; then list it anew and look for all that should be gone."""
    try:
        for oid in state["owed"]:
            place.bury(oid)
        listed = place.objects()
        kept = oids if place.name != CACHE else [oid for oid in oids if listed is None or oid in listed]
        state["owed"] = sorted(oid for oid in kept if not place.is_buried(oid))
        state["after"] = len(state["owed"])
        came = [oid for oid in stock.new_in(place, listed) if not place.is_buried(oid)]
        if came:
            state["error"] = f"{len(came)} objects came in while this was erasing; run it again"
    except Exception as error:  # as in `_state`
        state["error"] = in_words(error)


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
