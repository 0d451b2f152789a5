"""Files of the same bytes are decoded once, and have the answers that each would have alone."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest
from copies import SALT, Copies, drawn, encoded

from mtf.recall import picture_matcher
from mtf.recall.copy_search import Search, search
from mtf.recall.picture_matcher import PICTURES_AT_ONCE
from mtf.recall.withdrawal_list import empty_list, parse, withdrawal_line

COPIES = 5


@pytest.fixture
def contents(copies: Copies) -> dict[str, bytes]:
    """Contents of every verdict, by name, and more of the kind `other` than are compared in one step."""
    plain = PIL.Image.new("RGB", (64, 64), (200, 10, 10))
    return {
        "bytes": copies.files[0],
        "looks": encoded(drawn(0), quality=50),
        "pixels": encoded(plain, "BMP"),
        "plain": encoded(PIL.Image.new("RGB", (64, 64), (200, 10, 11)), "BMP"),
        "small": encoded(drawn(3, 16), "PNG"),
        "broken": encoded(drawn(7))[:700],
        **{f"other {number}": encoded(drawn(100 + number, 64)) for number in range(PICTURES_AT_ONCE)},
    }


@pytest.fixture
def listed(copies: Copies) -> bytes:
    described = parse(empty_list(SALT)).describe
    plain = encoded(PIL.Image.new("RGB", (64, 64), (200, 10, 10)), "PNG")
    return empty_list(SALT) + b"".join(withdrawal_line(described(each)) for each in (*copies.files[:2], plain))


def copied(folder: Path, contents: dict[str, bytes], times: int) -> Path:
    for copy in range(times):
        (folder / f"{copy}").mkdir(parents=True)
        for name, data in contents.items():
            (folder / f"{copy}" / name).write_bytes(data)
    return folder


class Opened:
    """Number of pictures that Pillow opened, and the search in which it did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real = PIL.Image.open

        def counted(*arguments, **options):
            self.count += 1
            return real(*arguments, **options)

        monkeypatch.setattr(PIL.Image, "open", counted)

    def by_search(self, root: Path, listed: bytes) -> tuple[int, Search]:
        before = self.count
        found = search(root, listed, workers=1, progress=lambda _: None)
        return self.count - before, found


def answers(root: Path, found: Search) -> list[tuple[str, str, int | str]]:
    named = [(Path(each.path), each.by, each.entry) for each in found.findings]
    named += [(Path(each.path), "not looked at", each.why) for each in found.troubles]
    return sorted((str(path.relative_to(root)), kind, answer) for path, kind, answer in named)


def test_the_copies_of_a_file_are_not_decoded_again(
    copies: Copies, contents: dict[str, bytes], listed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(monkeypatch)
    once, _ = opened.by_search(copied(copies.root / "once", contents, 1), listed)
    often, found = opened.by_search(copied(copies.root / "often", contents, COPIES), listed)
    assert once >= len(contents) - 1, "all but what is known by its bytes"
    assert often == once
    assert found.pictures == COPIES * len(contents)


@pytest.mark.parametrize("kept", [picture_matcher.KEPT_VERDICTS, 1], ids=["all kept", "one kept"])
def test_each_copy_has_the_answer_that_it_has_alone(
    copies: Copies, contents: dict[str, bytes], listed: bytes, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(picture_matcher, "KEPT_VERDICTS", kept)
    root = copied(copies.root / "often", contents, COPIES)
    opened = Opened(monkeypatch)
    together = answers(root, opened.by_search(root, listed)[1])
    alone = [
        answer
        for path in sorted(each for each in root.rglob("*") if each.is_file())
        for answer in answers(root, opened.by_search(path, listed)[1])
    ]
    assert together == sorted(alone)
    assert {kind for _, kind, _ in together} == {"bytes", "looks", "pixels", "not looked at"}
    assert len(together) == COPIES * 4
