"""The ledger loses nothing, repeats nothing, and says which line is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError
from review_lines import BEGIN, decision, reject

from mtf.annotation import consensus, ledger, ledger_lines, matching
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import LedgerWriter
from mtf.core.errors import BadInput
from mtf.schemas import Reason, Step


def _write(folder: Path, data: bytes, reviewer: str = "rita", name: str = "2026-03-01T09-00-00Z") -> Path:
    path = folder / reviewer / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_what_is_appended_is_read_again(tmp_path):
    said = [
        decision(),
        reject(Reason.WRONG_PERSON, step=Step.IDENTITY, minute=1),
        decision(Verdict.LABEL, step=Step.TASK_FIT, labels={"age": "Old", "race": 'Vio"let: é'}, minute=2),
        decision(Verdict.KEEP, step=Step.DUPLICATE, joint=True, minute=3),
    ]
    with LedgerWriter(tmp_path, "rita") as writer:
        writer.append(*said[:2])
        writer.append(*said[2:])
    rows = ledger.read(tmp_path).decisions
    assert rows["verdict"].to_list() == ["accept", "reject", "label", "keep"]
    assert rows["reason"].to_list() == [None, "wrong_person", None, None]
    assert rows["labels"].to_list()[2] == [
        {"column": "age", "label": "Old"},
        {"column": "race", "label": 'Vio"let: é'},
    ]
    assert rows["joint"].to_list() == [False, False, False, True]
    assert rows["time"].to_list()[0] == BEGIN
    assert rows.select("x", "y", "width", "height").row(0) == (100, 100, 80, 80)
    assert rows["line"].to_list() == [1, 2, 3, 4]


def test_reading_at_once_and_line_by_line_give_the_same_rows():
    said = [
        decision(),
        reject(Reason.BLURRED, step=Step.QUALITY),
        decision(Verdict.LABEL, step=Step.TASK_FIT, labels={"age": "Old"}),
        decision(Verdict.SKIP),
        decision().undone(time=BEGIN),
    ]
    data = b"".join(each.line() for each in said)
    at_once = ledger_lines._at_once(data)
    assert at_once is not None
    one_by_one = ledger_lines._one_by_one(data, name="x")
    assert at_once.select(one_by_one.columns).equals(one_by_one)


def test_lines_with_spaces_and_another_order_of_keys_are_read_too(tmp_path):
    spaced = json.dumps(dict(sorted(json.loads(decision().line()).items()))) + "\n"
    _write(tmp_path, spaced.encode())
    assert ledger.read(tmp_path).decisions["verdict"].to_list() == ["accept"]


@pytest.mark.parametrize("torn", [b'{"image_id":"ab', b"\0\0\0\0\n", decision().line()[:-1], b"not JSON}\n"])
def test_a_torn_last_line_is_reported_and_ignored(tmp_path, torn):
    _write(tmp_path, decision().line() * 2 + torn)
    found = ledger.read(tmp_path)
    assert found.decisions.height == 2
    assert found.torn == ["rita/2026-03-01T09-00-00Z.jsonl line 3: torn while it was written, ignored"]


def test_a_sitting_of_nothing_but_a_torn_line_has_no_decisions(tmp_path):
    _write(tmp_path, b'{"ima')
    found = ledger.read(tmp_path)
    assert found.decisions.is_empty()
    assert len(found.torn) == 1


def test_no_folder_is_an_empty_ledger(tmp_path):
    found = ledger.read(tmp_path / "review")
    assert found.decisions.is_empty()
    assert found.decisions.schema == pl.Schema(ledger_lines.SCHEMA)


def _changed(**changes: object) -> bytes:
    return (json.dumps(json.loads(decision().line()) | changes, separators=(",", ":")) + "\n").encode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"not JSON\n", "not JSON: 'not JSON'"),
        (b"\n", "not JSON"),
        (_changed(verdict="maybe"), "verdict: 'maybe' is not permitted; permitted: input should be 'accept'"),
        (_changed(step="takedown"), "step: 'takedown' is not permitted; permitted: face, identity, quality"),
        (
            _changed(verdict="reject", reason="blurred"),
            "reason: 'blurred' is not permitted with reject at face; permitted: not_a_face, partial_face",
        ),
        (_changed(verdict="reject"), "reason: null is not permitted with reject at face"),
        (_changed(reason="not_a_face"), "reason: 'not_a_face' is not permitted with accept at face; permitted: null"),
        (_changed(verdict="label"), "labels: none is given; permitted: some with label, else none"),
        (_changed(labels={"age": "Old"}), "labels: some are given"),
        (_changed(verdict="keep"), "verdict: 'keep' is not permitted at face; permitted: at duplicate"),
        (_changed(box=[1, 2, 0, 4]), "box.2: 0 is not permitted"),
        (_changed(box=[1, 2, 3]), "box.3: missing"),
        (_changed(box=[1, 2, 3.5, 4]), "box.2: 3.5 is not permitted"),
        (_changed(image_id="abc"), "image_id: 'abc' is not permitted"),
        (_changed(identity="../etc"), "identity: '../etc' is not permitted"),
        (_changed(identity=5), "identity: 5 is not permitted"),
        (_changed(time="yesterday"), "time: 'yesterday' is not permitted"),
        (_changed(time="2026-03-01T09:00:00"), "time: '2026-03-01T09:00:00' is not permitted"),
        (_changed(joint="yes"), "joint: 'yes' is not permitted"),
        (_changed(mood="good"), "'mood': unknown key"),
        (
            _changed(reviewer="bert"),
            "reviewer: 'bert' is not permitted; permitted: a reviewer whose folder is 'rita', as this file's",
        ),
    ],
)
def test_a_malformed_line_is_named_with_file_line_value_and_what_is_permitted(tmp_path, line, message):
    _write(tmp_path, decision().line() + line + decision().line())
    with pytest.raises(BadInput) as error:
        ledger.read(tmp_path)
    assert str(error.value).startswith("rita/2026-03-01T09-00-00Z.jsonl line 2: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_no_reviewer_is_refused(tmp_path):
    _write(tmp_path, decision().line(), reviewer="Rita B")
    with pytest.raises(BadInput, match="'rita' is not permitted; permitted: a reviewer whose folder is 'Rita B'"):
        ledger.read(tmp_path)
    with pytest.raises(BadInput, match="is not permitted"):
        LedgerWriter(tmp_path, "../../etc")


def test_a_decision_whose_fields_contradict_each_other_cannot_be_made():
    with pytest.raises(ValidationError, match="not_a_face, partial_face"):
        reject(Reason.BLURRED)


def test_two_sittings_of_the_same_second_have_a_file_each(tmp_path):
    with (
        LedgerWriter(tmp_path, "rita") as first,
        LedgerWriter(tmp_path, "rita") as second,
        LedgerWriter(tmp_path, "bert") as other,
    ):
        for minute in range(20):
            first.append(decision(minute=minute))
            second.append(decision(step=Step.IDENTITY, minute=minute))
            other.append(decision(reviewer="bert", minute=minute))
    assert len({first.path, second.path, other.path}) == 3
    rows = ledger.read(tmp_path).decisions
    assert rows.group_by("file").len()["len"].to_list() == [20, 20, 20]
    assert rows["time"].is_sorted()


def test_many_threads_may_share_a_sitting(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with LedgerWriter(tmp_path, "rita") as writer, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda minute: writer.append(decision(minute=minute)), range(100)))
    rows = ledger.read(tmp_path).decisions
    assert rows["time"].n_unique() == 100
    assert rows["file"].n_unique() == 1


def test_what_append_returned_from_survives_a_kill(tmp_path):
    """A writer that confirms each decision on its output is killed without warning: all it confirmed is there."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from review_lines import decision\n"
        "from mtf.annotation.ledger import LedgerWriter\n"
        "writer = LedgerWriter(Path(sys.argv[1]), 'rita')\n"
        "for minute in range(100000):\n"
        "    writer.append(decision(minute=minute))\n"
        "    print(minute, flush=True)\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 50:
            pass
        os.kill(writer.pid, signal.SIGKILL)
        confirmed = max(int(line) for line in ["50", *writer.stdout.read().split()])
    minutes = (ledger.read(tmp_path).decisions["time"] - BEGIN).dt.total_minutes().to_list()
    assert minutes[: confirmed + 1] == list(range(confirmed + 1))
    assert len(minutes) == len(set(minutes))


def test_each_append_is_flushed_to_the_disk_before_it_returns(tmp_path, monkeypatch):
    flushed = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (flushed.append(os.fstat(descriptor).st_size), real(descriptor))
    )
    with LedgerWriter(tmp_path, "rita") as writer:
        writer.append(decision())
        assert flushed[-1] == writer.path.stat().st_size > 0
        before = len(flushed)
        writer.append(decision(minute=1))
        assert len(flushed) == before + 1


def test_a_file_that_was_linked_into_a_cache_is_not_written_to_again(tmp_path):
    with LedgerWriter(tmp_path / "review", "rita") as writer:
        writer.append(decision())
        first = writer.path
        os.link(first, tmp_path / "cached")
        writer.append(decision(minute=1))
        assert writer.path != first
    assert (tmp_path / "cached").read_bytes() == decision().line()
    assert ledger.read(tmp_path / "review").decisions.height == 2


def test_a_file_that_was_replaced_or_made_read_only_is_not_written_to_again(tmp_path):
    with LedgerWriter(tmp_path, "rita") as writer:
        writer.append(decision())
        copy = writer.path.with_name("copy")
        copy.write_bytes(writer.path.read_bytes())
        copy.replace(writer.path)
        writer.append(decision(minute=1))
        writer.path.chmod(0o444)
        writer.append(decision(minute=2))
    assert ledger.read(tmp_path).decisions["file"].n_unique() == 3


def _linked(path: Path, cached: Path, _: bytes) -> None:
    os.link(path, cached)


def _moved_and_copied_back(path: Path, cached: Path, hashed: bytes) -> None:
    path.rename(cached)
    path.write_bytes(hashed)


@pytest.mark.parametrize("takes", [_linked, _moved_and_copied_back])
def test_a_line_written_while_the_file_is_taken_into_a_cache_is_kept_and_spoils_nothing(tmp_path, monkeypatch, takes):
    flush, cached = os.fsync, tmp_path / "cached"
    with LedgerWriter(tmp_path / "review", "rita") as writer:
        writer.append(decision())
        hashed = writer.path.read_bytes()

        def taken_meanwhile(descriptor: int) -> None:
            if not cached.exists():
                takes(writer.path, cached, hashed)
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", taken_meanwhile)
        writer.append(decision(minute=1))
    assert cached.read_bytes() == hashed
    assert ledger.read(tmp_path / "review").decisions["time"].to_list() == [
        BEGIN,
        decision(minute=1).time,
    ]


def test_a_line_that_was_copied_with_its_file_is_not_written_twice(tmp_path, monkeypatch):
    flush, cached = os.fsync, tmp_path / "cached"
    with LedgerWriter(tmp_path / "review", "rita") as writer:
        writer.append(decision())

        def moved_after_the_line(descriptor: int) -> None:
            if not cached.exists():
                writer.path.rename(cached)
                writer.path.write_bytes(cached.read_bytes())
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", moved_after_the_line)
        writer.append(decision(minute=1))
        writer.append(decision(minute=2))
    assert ledger.read(tmp_path / "review").decisions.height == 3
    assert cached.read_bytes().count(b"\n") == 2


def test_nobody_writes_while_the_ledger_is_held_still(tmp_path):
    with LedgerWriter(tmp_path, "rita") as writer, ThreadPoolExecutor(1) as threads:
        writer.append(decision())
        with ledger.exclusive_lock(tmp_path):
            writing = threads.submit(writer.append, decision(minute=1))
            assert wait([writing], timeout=0.3).not_done
            assert ledger.read(tmp_path).decisions.height == 1
        writing.result(timeout=300)
    assert ledger.read(tmp_path).decisions.height == 2


def test_the_joint_sessions_name_is_nobodys(tmp_path):
    with pytest.raises(BadInput, match="reviewer: 'together' is not permitted"):
        LedgerWriter(tmp_path, "together")


def test_a_write_that_fails_leaves_nothing_and_may_be_tried_again(tmp_path, monkeypatch):
    with LedgerWriter(tmp_path, "rita") as writer:
        writer.append(decision())
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            with pytest.raises(OSError, match="No space left"):
                writer.append(decision(minute=1))
        assert ledger.read(tmp_path).decisions.height == 1
        writer.append(decision(minute=1))
    assert ledger.read(tmp_path).decisions.height == 2


def test_a_sitting_takes_only_its_own_reviewers_decisions(tmp_path):
    with LedgerWriter(tmp_path, "rita") as writer, pytest.raises(ValueError, match="decisions of rita, not of"):
        writer.append(decision(reviewer="bert"))
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_whole_sitting_is_named_by_its_first_decision_and_never_overwritten(tmp_path):
    path = ledger.write_session(tmp_path, [decision(), decision(minute=1)])
    assert path == tmp_path / "rita" / "2026-03-01T09-00-00Z.jsonl"
    with pytest.raises(FileExistsError):
        ledger.write_session(tmp_path, [decision()])


def test_decisions_are_in_the_order_of_time_and_within_a_sitting_of_lines(tmp_path):
    """A clock that was set back within a sitting does not change the order of that sitting."""
    _write(tmp_path, b"".join(decision(minute=minute).line() for minute in (5, 1, 9)), name="a")
    _write(tmp_path, b"".join(decision(minute=minute).line() for minute in (4, 7)), name="b")
    rows = ledger.read(tmp_path).decisions
    assert rows.select("file", "line").rows() == [
        ("rita/b.jsonl", 1),
        ("rita/a.jsonl", 1),
        ("rita/a.jsonl", 2),
        ("rita/b.jsonl", 2),
        ("rita/a.jsonl", 3),
    ]


def _standing(tmp_path: Path, *said) -> list[tuple[str, str, str | None]]:
    from review_lines import BOX, faces

    with LedgerWriter(tmp_path, "rita") as writer:
        writer.append(*said)
    matched = matching.match(ledger.read(tmp_path).decisions, faces(BOX), box_iou=0.5)
    return consensus.current_votes(matched).sort("step").select("step", "verdict", "reason").rows()


def test_undo_brings_back_what_was_said_before(tmp_path):
    first, second = decision(), reject(Reason.NOT_A_FACE, minute=1)
    assert _standing(tmp_path, first, second, second.undone()) == [("face", "accept", None)]


def test_undo_twice_withdraws_both_and_once_more_does_nothing(tmp_path):
    first, second = decision(), reject(Reason.NOT_A_FACE, minute=1)
    last = decision(minute=9)
    undone = second.undone(time=second.time)
    assert _standing(tmp_path, first, second, undone, undone, undone) == []
    assert _standing(tmp_path, last) == [("face", "accept", None)]


def test_undo_at_one_step_leaves_the_others(tmp_path):
    first, second = decision(), decision(step=Step.IDENTITY)
    assert _standing(tmp_path, first, second, first.undone()) == [("identity", "accept", None)]


def test_the_latest_word_counts_and_a_skip_takes_it_back(tmp_path):
    assert _standing(tmp_path, decision(), reject(Reason.PARTIAL_FACE, minute=1)) == [
        ("face", "reject", "partial_face")
    ]
    assert _standing(tmp_path, decision(Verdict.SKIP, minute=2)) == []


def test_a_label_does_not_take_the_place_of_a_verdict(tmp_path):
    label = decision(Verdict.LABEL, step=Step.TASK_FIT, labels={"age": "Old"}, minute=1)
    assert _standing(tmp_path, decision(step=Step.TASK_FIT), label) == [("task_fit", "accept", None)]


@pytest.fixture
def read_singly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sittings that were read line by line."""
    names: list[str] = []
    slowly = ledger_lines._one_by_one

    def counted(data: bytes, *, name: str) -> pl.DataFrame:
        names.append(name)
        return slowly(data, name=name)

    monkeypatch.setattr(ledger_lines, "_one_by_one", counted)
    return names


def test_a_large_sitting_is_read_by_columns(tmp_path: Path, read_singly: list[str]) -> None:
    _write(tmp_path, decision().line() * 40_000)
    assert ledger.read(tmp_path).decisions.height == 40_000
    assert read_singly == []


def test_one_spaced_line_of_many_is_not_misread(tmp_path: Path, read_singly: list[str]) -> None:
    """Line 20,000 has spaces and is a rejection: the whole sitting is read singly, and only this line is one."""
    rejected = json.loads(reject(Reason.NOT_A_FACE).line())
    spaced = (json.dumps(rejected) + "\n").encode()
    path = _write(tmp_path, decision().line() * 19_999 + spaced + decision().line() * 1_000)
    found = ledger.read(tmp_path).decisions
    assert found.height == 21_000
    assert found.filter(verdict="reject").select("line", "reason").rows() == [(20_000, "not_a_face")]
    assert read_singly == [f"rita/{path.name}"]


def _ahead(time: datetime) -> Decision:
    return decision().model_copy(update={"time": time})


@pytest.mark.parametrize("time", [datetime(9999, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=400)])
def test_decisions_from_the_future_are_held_back_so_that_later_ones_count(tmp_path: Path, time: datetime) -> None:
    _write(tmp_path, _ahead(time).line() + _ahead(time).line())
    _write(tmp_path, reject(Reason.BLURRED, step=Step.QUALITY).line(), name="2026-03-02T09-00-00Z")
    found = ledger.read(tmp_path)
    assert found.decisions["verdict"].to_list() == ["reject"]
    assert found.torn == [
        "rita/2026-03-01T09-00-00Z.jsonl line 1: 2 decisions are dated ahead of this machine's clock "
        f"(from {time:%Y-%m-%d %H:%M} UTC), not counted until then; if a clock was wrong, correct the times in the file"
    ]


def test_a_line_ahead_does_not_carry_the_lines_after_it_along(tmp_path: Path) -> None:
    """Lines of a file keep their order where its clock ran backwards; one from the future is no measure of that."""
    first = _ahead(datetime(9999, 1, 1, tzinfo=UTC)).line() + decision(minute=1).line()
    _write(tmp_path, first)
    _write(tmp_path, reject(Reason.BLURRED, step=Step.QUALITY, minute=2).line(), name="2026-03-02T09-00-00Z")
    assert ledger.read(tmp_path).decisions["verdict"].to_list() == ["accept", "reject"]


def test_clocks_that_differ_by_minutes_are_no_future(tmp_path: Path) -> None:
    _write(tmp_path, _ahead(datetime.now(UTC) + timedelta(minutes=2)).line())
    assert ledger.read(tmp_path).decisions.height == 1


@pytest.mark.parametrize(("make", "says"), [(os.mkdir, "is a directory"), (os.mkfifo, "not a regular file")])
def test_what_is_no_file_among_the_sessions_is_named(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    (tmp_path / "rita").mkdir()
    make(tmp_path / "rita" / "x.jsonl")
    with pytest.raises(BadInput, match=says):
        ledger.read(tmp_path)
