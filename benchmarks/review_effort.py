"""Review effort with and without triage: looks per accepted picture, and precision of the outcome.

    .venv/bin/python benchmarks/review_effort.py [--identities 40] [--seeds 3] [--run FOLDER] [--overlooked 0.02]

Sets with ground truth; queue, triage, session and ledger are those of the review app, and the reviewer is simulated:

- The sample, if FOLDER (default: this checkout) has its finished run.
- ORL's 40 people × 10 pictures, with unusable crops in the proportions of the paper's funnel. 60 % of the crops are no
  faces (patches of the Congress portraits away from the face), and 85 % of the faces are of other ORL people. Of the
  right faces 4 % are blurred, 3 % covered and 4 % duplicates.
- ORL with as few unusable crops as the sample: another small set, which was not used to design the triage.

A look, the unit of effort:

- Without triage each face is one look.
- With triage a page of likely accepts or likely rejects is PAGE_COSTS looks (assumed), and each face picked out of it
  another one. On pages without a prediction each face is one look.
- A group of duplicates is one look in both cases.

Errors of the reviewer (assumed): a share ERROR of all faces, in both directions, alone or on a page. The same share of
the exceptions on a page is overlooked, or `--overlooked`.

The target applies at a page's cost of one look. The exit status is 1 if a set misses it, by the looks, or by a
precision that is lower by more than two standard errors over the seeds.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import polars as pl

from mtf import config
from mtf.annotation.ledger import Ledger, LedgerWriter
from mtf.annotation.ledger_lines import SCHEMA
from mtf.core.project_paths import ProjectPaths
from mtf.faces import face_vectors, near_duplicates, quality
from mtf.faces.box import Box, face_id
from mtf.faces.embeddings import appearance
from mtf.review_app.engine.face_table import with_keepers
from mtf.review_app.engine.loading import load_review_data
from mtf.review_app.engine.page import Page
from mtf.review_app.engine.plan import ReviewPlan
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.engine.triage import LIKELY, UNSURE
from mtf.sample import panel, truth
from mtf.schemas import Step

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
ERROR = 0.02
PAGE_COSTS = (1, 2, 4, 8)
SIDE_PX = 112
BOX = ("x", "y", "width", "height")
TARGET = 4.0


class Dirt(NamedTuple):
    """Shares of unusable crops: no faces, faces of strangers; and of the right faces, spoilt ones and duplicates."""

    no_face: float
    stranger: float
    blurred: float
    covered: float
    twice: float


PAPERS = Dirt(no_face=0.60, stranger=0.85, blurred=0.04, covered=0.03, twice=0.04)
LITTLE = Dirt(no_face=0.04, stranger=0.11, blurred=0.05, covered=0.05, twice=0.07)
WRONG = {"no face": Step.FACE, "stranger": Step.IDENTITY, "blurred": Step.QUALITY, "covered": Step.QUALITY}


def orl() -> dict[str, list[np.ndarray]]:
    """ORL: person → ten grey pictures, as three channels."""
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


def planted(identities: int, dirt: Dirt, seed: int) -> list[tuple[str, str, np.ndarray]]:
    """Crops of the set, shuffled, as (identity, kind, pixels)."""
    random = np.random.default_rng(seed)
    people = dict(sorted(orl().items())[:identities])
    everyone = orl()
    crops: list[tuple[str, str, np.ndarray]] = []
    for person, pictures in people.items():
        for pixels in pictures:
            chance = random.random()
            if chance < dirt.blurred:
                crops.append((person, "blurred", cv2.GaussianBlur(pixels, (0, 0), 4)))
            elif chance < dirt.blurred + dirt.covered:
                crops.append((person, "covered", _covered(pixels)))
            else:
                crops.append((person, "good", pixels))
                if random.random() < dirt.twice:
                    crops.append((person, "twice", cv2.convertScaleAbs(np.roll(pixels, 1, axis=1), alpha=1.03)))
        strangers = [name for name in everyone if name != person]
        for _ in range(round(len(pictures) * dirt.stranger / (1 - dirt.stranger))):
            other = everyone[strangers[int(random.integers(len(strangers)))]]
            picture = other[int(random.integers(len(other)))]
            noisy = picture.astype(np.int16) + random.integers(-6, 7, picture.shape, dtype=np.int16)
            crops.append((person, "stranger", np.clip(noisy, 0, 255).astype(np.uint8)))
    wanted = round(len(crops) * dirt.no_face / (1 - dirt.no_face))
    names = list(people)
    crops += [(names[number % len(names)], "no face", patch) for number, patch in enumerate(patches(wanted, random))]
    return [crops[number] for number in random.permutation(len(crops))]


def _covered(pixels: np.ndarray) -> np.ndarray:
    covered = pixels.copy()
    covered[36:58, 12:80] = 15
    return covered


def screened(crops: list[tuple[str, str, np.ndarray]], settings: config.Screen) -> tuple[pl.DataFrame, np.ndarray]:
    """Table that a review session works on, with `kind` as ground truth, and the embeddings in its order."""
    rows, vectors = [], []
    for number, (person, kind, pixels) in enumerate(crops):
        height, width = pixels.shape[:2]
        box = Box(8, 12, width - 16, height - 20)
        image_id = f"{number:064x}"
        vectors.append(appearance(pixels, box))
        rows.append(
            {"identity": person, "face_id": face_id(image_id, box), "image_id": image_id, "kind": kind, **box._asdict()}
            | {"face_share": box.width * box.height / (width * height), **quality.measure(pixels, box)._asdict()}
        )
    table = pl.DataFrame(rows, schema_overrides={"hash": pl.UInt64}).with_row_index("row")
    parts = []
    for part in table.partition_by("identity"):
        near = np.stack([vectors[row] for row in part["row"]]).astype(np.float16)
        names = part["face_id"].to_list()
        groups = near_duplicates.named(near_duplicates.near_groups(part["hash"].to_numpy(), near, settings), names)
        parts.append(
            part.with_columns(
                pl.Series("near_group", groups, dtype=pl.String),
                pl.Series("identity_distance", face_vectors.identity_distances(near), dtype=pl.Float32),
                exact_group=pl.lit(None, pl.String),
            )
        )
    faces = with_keepers(pl.concat(parts)).sort("identity", "face_id")
    return faces.drop("row"), np.stack([vectors[row] for row in faces["row"]])


class Reviewer:
    """Simulated reviewer. Knows the step at which to reject each face (None: none), errs at random, counts looks."""

    def __init__(self, faces: pl.DataFrame, overlooked: float, seed: int) -> None:
        rows = faces.select("identity", "face_id", "goes_at").iter_rows()
        self.goes_at = {Key(*names): goes_at for *names, goes_at in rows}
        self.looks, self.pages = 0, 0
        self._overlooked = overlooked
        self._random = np.random.default_rng(seed)

    def review(self, session: ReviewSession) -> None:
        while (page := session.page()).faces:
            assert page.step is not None
            if page.step is Step.DUPLICATE:
                self._group(session, page.faces)
            else:
                self._judge(session, page)

    def _judge(self, session: ReviewSession, page: Page) -> None:
        says = {face: self._says(face, page) for face in page.faces}
        accepted = [face for face in page.faces if says[face]]
        rejected = [face for face in page.faces if not says[face]]
        if page.run == UNSURE:
            self.looks += len(page.faces)
        else:
            self.pages += 1
            self.looks += len(rejected if page.run == LIKELY else accepted)
        if accepted:
            session.accept(accepted)
        if rejected:
            session.reject(rejected)

    def _says(self, face: Key, page: Page) -> bool:
        right = self.goes_at[face] != page.step
        is_exception = page.run != UNSURE and right != (page.run == LIKELY)
        return right != (self._random.random() < (self._overlooked if is_exception else ERROR))

    def _group(self, session: ReviewSession, faces: tuple[Key, ...]) -> None:
        self.looks += 1
        if any(self.goes_at[face] == Step.DUPLICATE for face in faces):
            session.keep([next((face for face in faces if self.goes_at[face] is None), faces[0])])
        else:
            session.accept(faces)


def simulate(
    faces: pl.DataFrame, embeddings: np.ndarray | None, folder: Path, *, overlooked: float, triaged: bool, seed: int
) -> dict[str, float]:
    empty = Ledger(pl.DataFrame(schema=SCHEMA), [])
    material = ReviewData(faces, empty, box_iou=0.5, reviewers=1, labels={}, embeddings=embeddings)
    session = ReviewSession(
        LedgerWriter(folder, "sim"), material, ReviewPlan(material, triaged=triaged, seed=seed), reviewer="sim"
    )
    reviewer = Reviewer(faces, overlooked, seed=seed)
    reviewer.review(session)
    accepted = [
        face
        for face in reviewer.goes_at
        if (verdict := session.verdict(face, Step.TASK_FIT)) and verdict[0] == "accept"
    ]
    right = [face for face in accepted if reviewer.goes_at[face] in (None, Step.DUPLICATE)]
    session.close()
    return {
        "looks": reviewer.looks,
        "pages": reviewer.pages,
        "accepted": len(accepted),
        "precision": len(right) / max(len(accepted), 1),
        "recall": len(right) / sum(goes_at is None for goes_at in reviewer.goes_at.values()),
    }


def of_orl(identities: int, dirt: Dirt, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    faces, embeddings = screened(planted(identities, dirt, seed=seed), config.load(ROOT / "params.yaml").screen)
    goes_at = WRONG | {"twice": Step.DUPLICATE, "good": None}
    steps = pl.Series("goes_at", [goes_at[kind] for kind in faces["kind"]], dtype=pl.String)
    return faces.with_columns(steps), embeddings.astype(np.float16)


def of_sample(root: Path) -> tuple[pl.DataFrame, np.ndarray | None]:
    workspace = ProjectPaths(root)
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    found = [
        panel.Face(identity, image_id, (x, y, width, height))
        for identity, image_id, x, y, width, height in review_data.faces.select(
            "identity", "image_id", *BOX
        ).iter_rows()
    ]
    truths = panel.judge(found, truth.read(workspace.data / "web"))
    steps = pl.Series(
        "goes_at", [step and str(step) for step in (truths[face].step for face in found)], dtype=pl.String
    )
    return review_data.faces.with_columns(steps), review_data.embeddings


def compared(
    name: str, sets: Iterable[tuple[pl.DataFrame, np.ndarray | None]], folder: Path, overlooked: float
) -> bool:
    """Print savings and costs of triage on some sets. Returns true if the target is met."""
    runs: list[tuple[dict[str, float], dict[str, float]]] = []
    for seed, (faces, embeddings) in enumerate(sets):
        places = [folder / f"{name}-{seed}-{kind}" for kind in ("without", "with")]
        without, with_ = (
            simulate(faces, embeddings, place, overlooked=overlooked, triaged=triaged, seed=seed)
            for place, triaged in zip(places, (False, True), strict=True)
        )
        runs.append((without, with_))
        print(f"{name}, seed {seed}: {faces.height} faces; without {_text(without)}; with {_text(with_)}", flush=True)
    ratios = {
        cost: np.mean([_per_accepted(one) / _per_accepted(two, cost) for one, two in runs]) for cost in PAGE_COSTS
    }
    print(f"{name}: times fewer looks per accepted picture, by what a page costs (target at 1: {TARGET:.0f})")
    print("   " + ", ".join(f"{cost}: {ratio:.2f}" for cost, ratio in ratios.items()))
    worse = np.array([two["precision"] - one["precision"] for one, two in runs])
    error = worse.std(ddof=1) / np.sqrt(len(worse)) if len(worse) > 1 else 0.0
    print(f"   precision: {worse.mean():+.4f} ± {error:.4f} (standard error; target: not below 0)")
    return bool(ratios[1] >= TARGET and worse.mean() >= -2 * error)


def _per_accepted(run: dict[str, float], page_cost: int = 1) -> float:
    return (run["looks"] + page_cost * run["pages"]) / max(run["accepted"], 1)


def _text(run: dict[str, float]) -> str:
    return ", ".join(f"{name} {figure:.4g}" for name, figure in run.items())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--identities", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--run", type=Path, default=ROOT)
    parser.add_argument("--overlooked", type=float, default=ERROR)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    met = []
    try:
        if (asked.run / "build" / "screen" / "screening.parquet").is_file():
            met.append(compared("sample", [of_sample(asked.run)] * asked.seeds, folder, asked.overlooked))
        else:
            print(f"no finished run of the sample in {asked.run}")
        if DATA.is_dir():
            for name, dirt in {"ORL with the paper's dirt": PAPERS, "ORL with little dirt": LITTLE}.items():
                sets = (of_orl(asked.identities, dirt, 11 + seed) for seed in range(asked.seeds))
                met.append(compared(name, sets, folder, asked.overlooked))
        else:
            print(f"no real pictures at {DATA}")
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
