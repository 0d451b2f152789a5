"""How many looks an accepted picture costs, with triage and without, and how precise the outcome is.

    .venv/bin/python benchmarks/review_effort.py [--identities 40]

ORL's 40 people × 10 pictures, with dirt planted in the proportions of the paper's funnel: 60 % of the crops are no
faces (patches of the Congress portraits away from the face), 85 % of the faces are strangers (of other ORL people),
4 % of the right ones are blurred, 3 % are covered, 4 % are there twice. Age labels are not known for ORL: nothing is
planted at that step. The queue, the triage, the desk and the ledger are the room's own; only the reviewer is made up.

What a look is: without triage every face is looked at by itself, one look each. With triage a page of one run
(likely accepts, likely rejects) is one look, and each face that is picked out of it another; pages the triage is
unsure of are looked at face by face. A group of duplicates is one look either way.
What the reviewer gets wrong (assumed): ERROR of the single looks; of the faces on a page that do not belong to its
run, MISSED are overlooked.
"""

from __future__ import annotations

import argparse
import shutil
import tarfile
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from mtf import params
from mtf.faces import duplicates, embed, identity, quality
from mtf.faces.box import Box, face_id
from mtf.review.ledger import Ledger, Sitting
from mtf.review.lines import SCHEMA
from mtf.room.desk import Desk
from mtf.room.faces import with_keepers
from mtf.room.material import Key, Material
from mtf.room.plan import ReviewPlan
from mtf.tables import Step

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
NO_FACE, STRANGER, BLURRED, COVERED, TWICE = 0.60, 0.85, 0.04, 0.03, 0.04
ERROR, MISSED = 0.02, 0.05
SIDE_PX = 112
TARGET = 4.0


def orl() -> dict[str, list[np.ndarray]]:
    """Person → ten grey pictures, as three channels."""
    found: dict[str, list[np.ndarray]] = {}
    with tarfile.open(DATA / "orl" / "faces.tar") as tar:
        for member in sorted(tar.getmembers(), key=lambda one: one.name):
            if member.name.endswith(".pgm"):
                file = tar.extractfile(member)
                assert file is not None
                pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
                assert pixels is not None
                found.setdefault(Path(member.name).parent.name, []).append(pixels)
    return found


def patches(count: int, random: np.random.Generator) -> list[np.ndarray]:
    """Squares from the lower quarter and the sides of portraits: clothes, flags, walls."""
    found: list[np.ndarray] = []
    with tarfile.open(DATA / "congress" / "portraits.tar") as tar:
        members = [member for member in tar.getmembers() if member.isfile()]
        while len(found) < count:
            member = members[int(random.integers(len(members)))]
            file = tar.extractfile(member)
            assert file is not None
            pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
            if pixels is None:
                continue
            for _ in range(16):
                side = int(random.integers(48, 110))
                top = int(random.integers(pixels.shape[0] * 3 // 4 - side // 2, pixels.shape[0] - side))
                left = int(random.integers(0, pixels.shape[1] - side))
                patch = cv2.cvtColor(pixels[top : top + side, left : left + side], cv2.COLOR_BGR2GRAY)
                found.append(cv2.cvtColor(cv2.resize(patch, (92, SIDE_PX)), cv2.COLOR_GRAY2BGR))
    return found[:count]


def planted(identities: int, seed: int) -> list[tuple[str, str, np.ndarray]]:
    """(identity, kind, pixels) of every crop, shuffled."""
    random = np.random.default_rng(seed)
    people = dict(sorted(orl().items())[:identities])
    everyone = orl()
    crops: list[tuple[str, str, np.ndarray]] = []
    for person, pictures in people.items():
        for pixels in pictures:
            chance = random.random()
            if chance < BLURRED:
                crops.append((person, "blurred", cv2.GaussianBlur(pixels, (0, 0), 4)))
            elif chance < BLURRED + COVERED:
                crops.append((person, "covered", _covered(pixels)))
            else:
                crops.append((person, "good", pixels))
                if random.random() < TWICE:
                    crops.append((person, "twice", cv2.convertScaleAbs(np.roll(pixels, 1, axis=1), alpha=1.03)))
        strangers = [name for name in everyone if name != person]
        for _ in range(round(len(pictures) * STRANGER / (1 - STRANGER))):
            other = everyone[strangers[int(random.integers(len(strangers)))]]
            picture = other[int(random.integers(len(other)))]
            noisy = picture.astype(np.int16) + random.integers(-6, 7, picture.shape, dtype=np.int16)
            crops.append((person, "stranger", np.clip(noisy, 0, 255).astype(np.uint8)))
    wanted = round(len(crops) * NO_FACE / (1 - NO_FACE))
    names = list(people)
    crops += [(names[number % len(names)], "no face", patch) for number, patch in enumerate(patches(wanted, random))]
    return [crops[number] for number in random.permutation(len(crops))]


def _covered(pixels: np.ndarray) -> np.ndarray:
    covered = pixels.copy()
    covered[36:58, 12:80] = 15
    return covered


def screened(crops: list[tuple[str, str, np.ndarray]], settings: params.Screen) -> tuple[pl.DataFrame, np.ndarray]:
    """The table that a desk works on, with `kind` as the truth, and the embeddings in its order."""
    rows, vectors = [], []
    for number, (person, kind, pixels) in enumerate(crops):
        height, width = pixels.shape[:2]
        box = Box(8, 12, width - 16, height - 20)
        image_id = f"{number:064x}"
        vectors.append(embed.appearance(pixels, box))
        rows.append(
            {"identity": person, "face_id": face_id(image_id, box), "image_id": image_id, "kind": kind, **box._asdict()}
            | {"face_share": box.width * box.height / (width * height), **quality.measure(pixels, box)._asdict()}
        )
    table = pl.DataFrame(rows, schema_overrides={"hash": pl.UInt64}).with_row_index("row")
    parts = []
    for part in table.partition_by("identity"):
        near = np.stack([vectors[row] for row in part["row"]]).astype(np.float16)
        names = part["face_id"].to_list()
        groups = duplicates.named(duplicates.near_groups(part["hash"].to_numpy(), near, settings), names)
        parts.append(
            part.with_columns(
                pl.Series("near_group", groups, dtype=pl.String),
                pl.Series("identity_distance", identity.identity_distances(near), dtype=pl.Float32),
                exact_group=pl.lit(None, pl.String),
            )
        )
    faces = with_keepers(pl.concat(parts)).sort("identity", "face_id")
    return faces.drop("row"), np.stack([vectors[row] for row in faces["row"]])


class Reviewer:
    """Knows the truth, and errs as assumed. Counts looks."""

    def __init__(self, faces: pl.DataFrame, seed: int) -> None:
        self.kind = {Key(*names): kind for *names, kind in faces.select("identity", "face_id", "kind").iter_rows()}
        self.looks = 0
        self._random = np.random.default_rng(seed)

    def fits(self, face: Key, step: Step) -> bool:
        wrong = {Step.FACE: ("no face",), Step.IDENTITY: ("stranger",), Step.QUALITY: ("blurred", "covered")}
        return self.kind[face] not in wrong.get(step, ())

    def sit(self, desk: Desk) -> None:
        while (page := desk.page()).faces:
            assert page.step is not None
            if page.step is Step.DUPLICATE:
                self._group(desk, page.faces)
            elif page.run == "unsure":
                self._one_by_one(desk, page.faces, page.step)
            else:
                self._page(desk, page.faces, page.step, accepts=page.run == "likely accept")

    def _one_by_one(self, desk: Desk, faces: tuple[Key, ...], step: Step) -> None:
        self.looks += len(faces)
        says = {face: self.fits(face, step) != (self._random.random() < ERROR) for face in faces}
        self._tell(desk, [face for face in faces if says[face]], [face for face in faces if not says[face]])

    def _page(self, desk: Desk, faces: tuple[Key, ...], step: Step, *, accepts: bool) -> None:
        others = [face for face in faces if self.fits(face, step) != accepts and self._random.random() >= MISSED]
        self.looks += 1 + len(others)
        rest = [face for face in faces if face not in set(others)]
        self._tell(desk, *((rest, others) if accepts else (others, rest)))

    def _group(self, desk: Desk, faces: tuple[Key, ...]) -> None:
        self.looks += 1
        if any(self.kind[face] == "twice" for face in faces):
            desk.keep([next((face for face in faces if self.kind[face] == "good"), faces[0])])
        else:
            desk.accept(faces)

    @staticmethod
    def _tell(desk: Desk, accepted: list[Key], rejected: list[Key]) -> None:
        if accepted:
            desk.accept(accepted)
        if rejected:
            desk.reject(rejected)


def simulate(faces: pl.DataFrame, embeddings: np.ndarray, folder: Path, *, triaged: bool) -> dict[str, float]:
    empty = Ledger(pl.DataFrame(schema=SCHEMA), [])
    material = Material(faces, empty, box_iou=0.5, reviewers=1, labels={}, embeddings=embeddings.astype(np.float16))
    desk = Desk(Sitting(folder, "sim"), material, ReviewPlan(material, triaged=triaged), reviewer="sim")
    reviewer = Reviewer(faces, seed=1)
    began = time.monotonic()
    reviewer.sit(desk)
    took_s = time.monotonic() - began
    accepted = [face for face in reviewer.kind if (said := desk.verdict(face, Step.TASK_FIT)) and said[0] == "accept"]
    right = [face for face in accepted if reviewer.kind[face] in ("good", "twice")]
    good = sum(kind == "good" for kind in reviewer.kind.values())
    desk.close()
    return {
        "looks": reviewer.looks,
        "accepted": len(accepted),
        "looks per accepted": reviewer.looks / max(len(accepted), 1),
        "precision": len(right) / max(len(accepted), 1),
        "recall": len(right) / good,
        "seconds": took_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--identities", type=int, default=40)
    asked = parser.parse_args()
    if not DATA.is_dir():
        print(f"no real pictures at {DATA}: nothing to simulate")
        return
    settings = params.load(ROOT / "params.yaml").screen
    faces, embeddings = screened(planted(asked.identities, seed=11), settings)
    kinds = dict(faces["kind"].value_counts(sort=True).iter_rows())
    print(f"{faces.height} crops: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}")
    folder = Path(tempfile.mkdtemp())
    try:
        runs = {
            name: simulate(faces, embeddings, folder / name, triaged=name == "with") for name in ("without", "with")
        }
    finally:
        shutil.rmtree(folder)
    for name, run in runs.items():
        print(f"{name:>8} triage: " + ", ".join(f"{key} {value:.3g}" for key, value in run.items()))
    ratio = runs["without"]["looks per accepted"] / runs["with"]["looks per accepted"]
    print(f"looks per accepted picture: {ratio:.1f} times fewer with triage (target: {TARGET:.0f})")
    print(f"precision: {runs['with']['precision'] - runs['without']['precision']:+.3f} (target: not below 0)")


if __name__ == "__main__":
    main()
