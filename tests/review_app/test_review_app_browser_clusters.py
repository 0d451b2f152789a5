"""Pages of clusters, second looks and the certificate: the real app, a real MongoDB and a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser_screen import Screen, decided
from review_process import ReviewProcess, SharedReview
from reviewed_project import with_clusters, with_curated

from mtf import config
from mtf.curation import certificate

pytestmark = pytest.mark.lengthy(30)

AT_ONCE = ("face", "identity", "quality")
FACES = 10


@pytest.fixture(scope="module")
def shared(share_review: Callable[..., SharedReview]) -> SharedReview:
    """Ten faces each of two people, the last one of each unlike the others; curated, too."""
    return share_review(
        {"ada": FACES, "bob": FACES}, "anna", prepare=lambda workspace: with_curated(with_clusters(workspace))
    )


def test_a_cluster_is_judged_by_one_key_at_three_steps_and_doubtful_faces_follow(
    shared: SharedReview, open_screen: Callable[[str], Screen]
) -> None:
    screen = open_screen(shared.process.url("anna"))
    screen.sees(FACES - 1)
    for part in ("one whole human face?", "Is this Ada?", "unobstructed"):
        assert part in screen.question
    for reason in ("not a face", "wrong person", "blurred"):
        assert reason in screen.keys
    rejected = screen.ids()[0]
    assert screen.press("3") == "✓ Reject: 1 face (wrong person)"
    assert screen.decide_page() == f"✓ Accept: {FACES - 2} faces"
    found = decided(shared.workspace, "anna")
    assert found.filter(verdict="reject")["step"].to_list() == ["identity"]
    accepted = found.filter(verdict="accept")
    # A wrong person is a whole face.
    given = {step: accepted.filter(step=step).height for step in AT_ONCE}
    assert given == {"face": FACES - 1, "identity": FACES - 2, "quality": FACES - 2}
    assert screen.press("u") == f"✓ Undo: {FACES - 2} faces", "one undo takes all three steps back"
    assert "Is this Ada?" in screen.question and "unobstructed" in screen.question
    screen.sees(FACES - 2)
    screen.decide_page()
    screen.decide_until("Is this Bob?")
    screen.sees(FACES - 1)

    # The rejected face is like the accepted ones: it is asked once more, and the second answer stands.
    for _ in range(20):
        if "asked again" in screen.head:
            break
        screen.sees(len(screen.ids()))
        screen.decide_page()
    assert "asked again" in screen.head
    screen.page.click(f'[data-id="{rejected}"]')
    assert screen.press("a") == "✓ Accept: 1 face"
    last = decided(shared.workspace, "anna").tail(1).select("identity", "step", "verdict").rows()
    assert last == [("ada", "identity", "accept")]


def test_the_certificate_asks_one_blind_question_after_another_and_none_is_a_vote(
    shared: SharedReview,
    open_review: Callable[..., ReviewProcess],
    open_screen: Callable[[str], Screen],
) -> None:
    votes = len(decided(shared.workspace))
    process = open_review(shared.workspace, "dora", command="certify")
    screen = open_screen(process.url("dora"))
    asked = 0
    while "Nothing is left" not in screen.question:
        screen.sees(1)
        assert screen.question in ("Is this Ada?", "Is this Bob?")
        shown = screen.page.inner_text(".mtf-room").lower()
        assert not any(word in shown for word in ("panel", "rejected by", "decoy", "stratum", "likely"))
        asked += 1
        assert screen.press("3" if asked == 1 else "a").startswith("✓")
        if asked == 1:
            assert screen.press("u") == "✓ Undo: 1 face"
            screen.sees(1)
            assert screen.press("3") == "✓ Reject: 1 face (wrong person)"
    found = certificate.read(shared.workspace, config.load(shared.workspace.params))
    assert found is not None
    assert (found.open, asked) == (0, 2 * FACES)
    assert len(decided(shared.workspace)) == votes
    assert "of the faces show another person than named" in process.close()
