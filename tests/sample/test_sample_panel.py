"""The simulated panel: right about what was drawn, but for its own seeded errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtf.annotation import ledger
from mtf.annotation.decision import Verdict
from mtf.cli import app
from mtf.core.errors import MtfError
from mtf.sample import panel
from mtf.sample.finds import PictureKind
from mtf.sample.panel import Face, Judgement
from mtf.sample.truth import Truth
from mtf.schemas import Reason, Step

ROOT = Path(__file__).parent.parent.parent
WHERE = (100, 100, 200, 200)
REASONS = {
    PictureKind.CLEAN: (None, None),
    PictureKind.WEBP: (None, None),
    PictureKind.STRANGER: (Step.IDENTITY, Reason.WRONG_PERSON),
    PictureKind.OTHER_MEMBER: (Step.IDENTITY, Reason.WRONG_PERSON),
    PictureKind.SUNGLASSES: (Step.QUALITY, Reason.OBSTRUCTED),
    PictureKind.HAND: (Step.QUALITY, Reason.OBSTRUCTED),
    PictureKind.CARTOON: (Step.QUALITY, Reason.NOT_A_PHOTOGRAPH),
    PictureKind.STRANGE_COLOURS: (Step.QUALITY, Reason.UNNATURAL),
    PictureKind.OUT_OF_FOCUS: (Step.QUALITY, Reason.BLURRED),
    PictureKind.PIXELATED: (Step.QUALITY, Reason.BLURRED),
    PictureKind.BURST: (Step.DUPLICATE, Reason.NEAR_DUPLICATE),
    PictureKind.RESAVED: (Step.DUPLICATE, Reason.EXACT_DUPLICATE),
    PictureKind.WRONG_AGE: (Step.TASK_FIT, Reason.WRONG_AGE_GROUP),
    PictureKind.CHILDHOOD: (Step.TASK_FIT, Reason.CHILDHOOD),
}


def _found(sample) -> list[Face]:
    """A detector that misses nothing and invents nothing."""
    return sorted(
        {Face(t.identity, t.image_id, box) for t in sample.truths for box, _ in t.faces},
        key=lambda face: (face.identity, face.image_id, face.box),
    )


def _truth(
    number: int, *, kind: PictureKind = PictureKind.CLEAN, shows: str = "a", repeats: str | None = None
) -> Truth:
    url = f"https://easel.example/{number}.jpg"
    return Truth("a", number, kind, url, url, None, None, f"{number:064x}", 400, 400, repeats, ((WHERE, shows),))


def _face(truth: Truth, box: tuple[int, int, int, int] = WHERE) -> Face:
    return Face(truth.identity, truth.image_id, box)


def test_each_kind_of_dirt_goes_at_its_own_step(small) -> None:
    kinds = {(truth.identity, truth.image_id): truth.kind for truth in small.truths}
    judged = panel.judge(_found(small), small.truths)
    for face, judgement in judged.items():
        expected = REASONS.get(kinds[face.identity, face.image_id])
        if expected is not None:
            assert (judgement.step, judgement.reason) == expected, kinds[face.identity, face.image_id]


def test_in_a_group_only_the_identity_itself_is_right(small) -> None:
    group = next(truth for truth in small.truths if truth.kind is PictureKind.GROUP)
    judged = panel.judge(_found(small), small.truths)
    for box, who in group.faces:
        judgement = judged[Face(group.identity, group.image_id, box)]
        assert (judgement.step is None) == (who == group.identity)


def test_a_box_beside_every_face_is_not_a_face_and_half_of_one_is_partial() -> None:
    truth = _truth(1)
    judged = panel.judge([_face(truth, (0, 0, 60, 60)), _face(truth, (100, 100, 100, 140))], [truth])
    assert [judgement.reason for judgement in judged.values()] == [Reason.NOT_A_FACE, Reason.PARTIAL_FACE]


def test_the_original_of_a_burst_is_kept_and_a_burst_whose_original_was_not_found_stays() -> None:
    original = _truth(1)
    again = _truth(2, kind=PictureKind.BURST, repeats=original.url)
    both = panel.judge([_face(original), _face(again)], [original, again])
    assert both[_face(original)] == Judgement(keep=True)
    assert both[_face(again)] == Judgement(Step.DUPLICATE, Reason.NEAR_DUPLICATE)
    assert panel.judge([_face(again)], [original, again]) == {_face(again): Judgement()}


def test_the_panel_is_the_same_for_the_same_seed_and_its_reviewers_differ(small) -> None:
    judged = panel.judge(_found(small), small.truths)
    one, other = panel.review(judged, seed=1), panel.review(judged, seed=1)
    assert one == other
    decided = [[(d.image_id, d.box, d.step, d.verdict) for d in decisions] for decisions in one[:3]]
    assert decided[0] != decided[1] != decided[2]


def test_hard_faces_split_the_panel_and_every_other_one_is_settled_together(small) -> None:
    judged = panel.judge(_found(small), small.truths)
    *alone, joint = panel.review(judged, seed=2)
    assert len(joint) == panel.HARD_FACES // 2
    for settled in joint:
        assert settled.joint
        assert settled.verdict in (Verdict.ACCEPT, Verdict.KEEP)
        key = (settled.image_id, settled.box, settled.identity, settled.step)
        decided = [
            d.verdict for decisions in alone for d in decisions if (d.image_id, d.box, d.identity, d.step) == key
        ]
        # One who erred at a step before does not come as far as this one.
        assert set(decided) <= {Verdict.ACCEPT, Verdict.REJECT, Verdict.SKIP}
        assert len(set(decided)) == len(decided) >= 2


def test_the_command_reviews_a_web_that_is_there(small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = (ROOT / "params.yaml").read_text().replace("timeout_s: 5.0", "timeout_s: 1.0")
    (tmp_path / "params.yaml").write_text(settings.replace("workers: 0", "workers: 1"))
    data = tmp_path / "data"
    data.mkdir()
    for name in ("web", "roster.csv", "takedowns.csv"):
        (data / name).symlink_to(small.data / name)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["sample", "build", "data", "--keep-web"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "simulated decisions" in done.output
    assert set(ledger.read(data / "review").decisions["reviewer"]) == set(panel.REVIEWERS)


def test_the_command_leaves_a_folder_alone_that_is_no_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(MtfError, match="mine: has other data"):
        CliRunner().invoke(app, ["sample", "build", "mine"], catch_exceptions=False)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_the_command_leaves_a_persons_decisions_alone(small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "review" / "ada").mkdir(parents=True)
    (tmp_path / "data" / "review" / "ada" / "2026-01-01T09-00-00Z.jsonl").write_text("")
    (tmp_path / "data" / "web").symlink_to(small.data / "web")
    for options in ([], ["--keep-web"]):
        with pytest.raises(MtfError, match="the decisions of ada would be lost"):
            CliRunner().invoke(app, ["sample", "build", "data", *options], catch_exceptions=False)
    assert (tmp_path / "data" / "review" / "ada").is_dir()
