"""Review effort with and without triage: looks per accepted picture, and precision of the outcome. And the mode
`screened`: what it drops without people.

    .venv/bin/python benchmarks/review_effort.py [--sets lfw orl sample screened] [--seeds 3] [--people most]
        [--embedding dlib] [--run FOLDER] [--overlooked 0.02] [--vectors FILE] [--clock FILE]

Sets with ground truth; queue, triage, session and ledger are those of the review app, and the reviewer is simulated:

- LFW, 16 people with up to 15 pictures each. With unusable crops in the proportions of the paper's funnel, 60 % of the
  crops are no faces (patches of the Congress portraits away from the face), and 85 % of the faces are of other LFW
  people. Of the right faces 4 % are blurred, 3 % covered and 4 % duplicates. With little dirt, the shares are those of
  the sample. The faces are found by CenterFace and embedded by `--embedding`.
- ORL's 40 people × 10 pictures in the same proportions, with the embedding `appearance`, which does not distinguish
  people: the triage without clusters.
- The sample, if FOLDER (default: this checkout) has its finished run.

A look, the unit of effort:

- Without triage each face is one look at each step.
- With triage a page of a cluster, of likely accepts or of likely rejects is PAGE_COSTS looks (assumed), however many
  faces and steps it asks about. Each face picked out of it is another look. On pages without a prediction, and on pages
  of second looks, each face is one look.
- A group of duplicates is one look in both cases.

Errors of the reviewer (assumed): a share ERROR of all faces, in both directions, alone or on a page, each time anew.
The same share of the exceptions on a page is overlooked, or `--overlooked`. A reviewer who takes a patch of wall
for a face takes it for the right person, too, unless a page asks both at once.

What a page costs beside the looks is measured: with `--clock FILE`, written by `review_latency.py --clock`, the waiting
in both rooms by the browser's clock is added, as seconds: `key_ms` for each key, `page_ms` for each page that comes,
and SCROLL_S for each scroll. A browser cannot tell how long a person looks: LOOK_S a look, the looks of a page and
SCROLL_S are assumed.

The targets apply at a page's cost of 4 looks on LFW, and of one look elsewhere. The exit status is 1 if one is missed.
`--vectors` keeps the embeddings of a run for the next one.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import polars as pl

from mtf import config
from mtf.annotation.ledger import Ledger, LedgerWriter
from mtf.annotation.ledger_lines import SCHEMA
from mtf.core.project_paths import ProjectPaths
from mtf.core.slugs import slug
from mtf.curation.screened import right_person
from mtf.faces import face_vectors, near_duplicates, quality
from mtf.faces.box import Box, face_id
from mtf.faces.detectors import Landmarks
from mtf.faces.detectors import create as create_detector
from mtf.faces.embeddings import EMBEDDINGS, appearance, distinguishes_people
from mtf.pipeline import identity_proposals
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_table import with_keepers
from mtf.review_app.engine.identity_pages import AGAIN
from mtf.review_app.engine.loading import load_review_data
from mtf.review_app.engine.page import Page
from mtf.review_app.engine.plan import ReviewPlan
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.engine.triage import LIKELY, UNSURE
from mtf.sample import panel, truth
from mtf.schemas import IMAGE, Step, funnel_steps

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
ERROR = 0.02
PAGE_COSTS = (1, 2, 4, 8)
# Seconds of a person, assumed.
LOOK_S, SCROLL_S = 1.0, 1.0
SIDE_PX = 112
# An embedding that distinguishes people has one person's vectors close together: near-duplicates are closer still.
LFW_SCREEN = config.Screen(embedding_distance=0.01)
NO_SOURCES = pl.DataFrame(schema=dict.fromkeys([*IMAGE, "host", "page", "engine"], pl.String))
BOX = ("x", "y", "width", "height")
PEOPLE, MOST_PICTURES = 16, 15
TARGET = 4.0
LFW_PAGE_COST = 4
LFW_TARGETS = {"the paper's dirt": 8.0, "little dirt": 4.0}
LFW_PRECISION = 0.98
# Mode `screened`: people, and the highest shares of right faces dropped, of one person's, and of strangers kept.
SCREENED_PEOPLE = 40
SCREENED_TARGETS = (0.05, 0.20, 0.01)


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


class Crop(NamedTuple):
    """A picture with one face.

    source: name of the picture, and of what was done to it.
    pixels: the picture.
    box, landmarks: the face; a patch without one has no landmarks.
    """

    source: str
    pixels: np.ndarray
    box: Box
    landmarks: Landmarks | None


class Lfw:
    """LFW's pictures, detected once, and the embeddings of all crops so far."""

    def __init__(self, embedding: str, vectors: Path | None) -> None:
        self.embedding = EMBEDDINGS.get(embedding).from_params(config.Screen(embedding=embedding), root=ROOT)
        self._file = vectors
        self._vectors: dict[str, np.ndarray] = dict(np.load(vectors)) if vectors and vectors.is_file() else {}
        self._detector = create_detector(config.Crop(detector="centerface"))
        self._files: dict[str, list[str]] = {}
        with tarfile.open(DATA / "lfw" / "faces.tar") as tar:
            for member in sorted(tar.getmembers(), key=lambda one: one.name):
                if member.name.endswith(".jpg"):
                    self._files.setdefault(slug(Path(member.name).parent.name), []).append(member.name)

    def people(self, count: int, choice: str, seed: int) -> dict[str, list[str]]:
        """People with five pictures or more: those with the most, or any (`choice`)."""
        several = {name: files for name, files in self._files.items() if len(files) >= 5}
        order = np.random.default_rng(seed).permutation(len(several))
        names = list(several) if choice == "most" else [list(several)[place] for place in order]
        chosen = sorted(names, key=lambda name: -len(several[name]))[:count] if choice == "most" else names[:count]
        return {name: several[name] for name in chosen}

    def strangers(self, person: str) -> list[list[str]]:
        return [files for name, files in self._files.items() if name != person]

    @functools.cached_property
    def _pictures(self) -> dict[str, bytes]:
        with tarfile.open(DATA / "lfw" / "faces.tar") as tar:
            return {member.name: tar.extractfile(member).read() for member in tar.getmembers() if member.isfile()}  # type: ignore[union-attr]

    @functools.cache  # noqa: B019 (one object per run)
    def crop(self, file: str) -> Crop:
        pixels = cv2.imdecode(np.frombuffer(self._pictures[file], np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        found = self._detector(pixels)
        middle = pixels.shape[1] / 2
        face = min(found, key=lambda one: abs(one.box.x + one.box.width / 2 - middle), default=None)
        if face is None:
            return Crop(file, pixels, Box(75, 75, 100, 100), None)
        return Crop(file, pixels, face.box, face.landmarks)

    def vector(self, crop: Crop) -> np.ndarray:
        key = f"{crop.source} {type(self.embedding).__name__}"
        if key not in self._vectors:
            self._vectors[key] = np.asarray(self.embedding(crop.pixels, crop.box, crop.landmarks), np.float16)
        return self._vectors[key]

    def keep_vectors(self) -> None:
        if self._file:
            np.savez(self._file, **self._vectors)


def lfw_planted(
    lfw: Lfw, people: dict[str, list[str]], dirt: Dirt, seed: int, *, most: int = MOST_PICTURES
) -> list[tuple[str, str, Crop]]:
    """Crops of the set, shuffled, as (identity, kind, crop)."""
    random = np.random.default_rng(seed)
    crops: list[tuple[str, str, Crop]] = []
    for person, files in people.items():
        chosen = [files[place] for place in random.permutation(len(files))[:most]]
        for file in chosen:
            crops += [(person, kind, crop) for kind, crop in _as_found(lfw.crop(file), dirt, random)]
        others = lfw.strangers(person)
        for _ in range(round(len(chosen) * dirt.stranger / (1 - dirt.stranger))):
            other = others[int(random.integers(len(others)))]
            crops.append((person, "stranger", lfw.crop(other[int(random.integers(len(other)))])))
    wanted = round(len(crops) * dirt.no_face / (1 - dirt.no_face))
    names = list(people)
    pool = lfw_patches()
    picked = np.concatenate([random.permutation(len(pool)) for _ in range(0, wanted, len(pool))] or [[]])[:wanted]
    crops += [(names[number % len(names)], "no face", pool[int(place)]) for number, place in enumerate(picked)]
    return [crops[number] for number in random.permutation(len(crops))]


def _as_found(crop: Crop, dirt: Dirt, random: np.random.Generator) -> list[tuple[str, Crop]]:
    """A right face: good, sometimes twice, blurred or covered."""
    chance = random.random()
    if chance < dirt.blurred:
        blurred = cv2.GaussianBlur(crop.pixels, (0, 0), crop.box.width / 20)
        return [("blurred", crop._replace(source=f"{crop.source} blurred", pixels=blurred))]
    if chance < dirt.blurred + dirt.covered:
        x, y, width, height = crop.box
        covered = crop.pixels.copy()
        covered[y + height // 4 : y + height // 2, max(x, 0) : x + width] = 15
        return [("covered", crop._replace(source=f"{crop.source} covered", pixels=covered))]
    if random.random() >= dirt.twice:
        return [("good", crop)]
    again = cv2.convertScaleAbs(np.roll(crop.pixels, 1, axis=1), alpha=1.03)
    return [("good", crop), ("twice", crop._replace(source=f"{crop.source} again", pixels=again))]


@functools.cache
def lfw_patches() -> list[Crop]:
    """Patches without a face, the same in all runs."""
    found = patches(800, np.random.default_rng(0))
    return [Crop(f"patch {number}", pixels, Box(8, 12, 76, 92), None) for number, pixels in enumerate(found)]


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


def screened(
    crops: list[tuple[str, str, Crop]], settings: config.Screen, vector: Callable[[Crop], np.ndarray]
) -> tuple[pl.DataFrame, np.ndarray]:
    """Table that a review session works on, with `kind` as ground truth, and the embeddings in its order."""
    rows, vectors = [], []
    for number, (person, kind, crop) in enumerate(crops):
        pixels, box = crop.pixels, crop.box
        height, width = pixels.shape[:2]
        image_id = f"{number:064x}"
        vectors.append(vector(crop))
        rows.append(
            {"identity": person, "face_id": face_id(image_id, box), "image_id": image_id, "kind": kind, **box._asdict()}
            | {"face_share": box.width * box.height / (width * height), **measured(crop)}
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


_MEASURED: dict[str, dict[str, float]] = {}


def measured(crop: Crop) -> dict[str, float]:
    if crop.source not in _MEASURED:
        _MEASURED[crop.source] = quality.measure(crop.pixels, crop.box)._asdict()
    return _MEASURED[crop.source]


class Reviewer:
    """Simulated reviewer. Knows the step at which to reject each face (None: none), errs at random, counts looks."""

    def __init__(self, faces: pl.DataFrame, overlooked: float, seed: int) -> None:
        rows = faces.select("identity", "face_id", "goes_at").iter_rows()
        self.goes_at = {Key(*names): goes_at for *names, goes_at in rows}
        self.looks, self.pages = 0, 0
        self.keys, self.shown = 0, 0
        self._overlooked = overlooked
        self._random = np.random.default_rng(seed)

    def review(self, session: ReviewSession) -> None:
        while (page := session.page()).faces:
            assert page.step is not None
            self.shown += 1
            if page.step is Step.DUPLICATE:
                self._group(session, page.faces)
            else:
                self._judge(session, page)

    def _judge(self, session: ReviewSession, page: Page) -> None:
        says = {face: self._says(face, page) for face in page.faces}
        accepted = [face for face in page.faces if says[face]]
        rejected = [face for face in page.faces if not says[face]]
        if page.run in (UNSURE, AGAIN):
            self.looks += len(page.faces)
            self.keys += len(page.faces)
        else:
            exceptions = len(rejected if page.run == LIKELY else accepted)
            self.pages += 1
            self.looks += exceptions
            self.keys += 1 + exceptions
        if accepted:
            session.accept(accepted, at=page.step)
        for reason, faces in self._by_reason(rejected, page).items():
            session.reject(faces, reason, at=page.step)

    def _by_reason(self, rejected: list[Key], page: Page) -> dict[str | None, list[Key]]:
        """Faces by the reason to reject them: a page of likely rejects takes one key, elsewhere each its own."""
        reasons: dict[str | None, list[Key]] = {}
        for face in rejected:
            step = self.goes_at[face]
            is_named = page.run == LIKELY and step in page.asks
            reasons.setdefault(funnel_steps.review_reasons()[step][0] if is_named else None, []).append(face)
        return reasons

    def _says(self, face: Key, page: Page) -> bool:
        right = self.goes_at[face] not in (page.asks or (page.step,))
        is_exception = page.run not in (UNSURE, AGAIN) and right != (page.run == LIKELY)
        return right != (self._random.random() < (self._overlooked if is_exception else ERROR))

    def _group(self, session: ReviewSession, faces: tuple[Key, ...]) -> None:
        self.looks += 1
        self.keys += 1
        if any(self.goes_at[face] == Step.DUPLICATE for face in faces):
            session.keep([next((face for face in faces if self.goes_at[face] is None), faces[0])])
        else:
            session.accept(faces)


def simulate(
    faces: pl.DataFrame,
    embeddings: np.ndarray | None,
    folder: Path,
    *,
    overlooked: float,
    triaged: bool,
    seed: int,
    by_identity: bool = False,
) -> dict[str, float]:
    empty = Ledger(pl.DataFrame(schema=SCHEMA), [])
    material = ReviewData(
        faces, empty, box_iou=0.5, reviewers=1, labels={}, embeddings=embeddings, distinguishes_people=by_identity
    )
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
        "keys": reviewer.keys,
        "shown": reviewer.shown,
        "accepted": len(accepted),
        "precision": len(right) / max(len(accepted), 1),
        "recall": len(right) / sum(goes_at is None for goes_at in reviewer.goes_at.values()),
    }


def of_orl(identities: int, dirt: Dirt, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    crops = [
        (person, kind, Crop(f"{seed} {number}", pixels, Box(8, 12, pixels.shape[1] - 16, pixels.shape[0] - 20), None))
        for number, (person, kind, pixels) in enumerate(planted(identities, dirt, seed=seed))
    ]
    _MEASURED.clear()
    settings = config.Screen(embedding="appearance")
    return _with_truth(*screened(crops, settings, lambda crop: appearance(crop.pixels, crop.box)))


def of_lfw(lfw: Lfw, dirt: Dirt, seed: int, choice: str) -> tuple[pl.DataFrame, np.ndarray]:
    crops = lfw_planted(lfw, lfw.people(PEOPLE, choice, seed), dirt, seed)
    return _with_truth(*screened(crops, LFW_SCREEN, lfw.vector))


def _with_truth(faces: pl.DataFrame, embeddings: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
    goes_at = WRONG | {"twice": Step.DUPLICATE, "good": None}
    steps = pl.Series("goes_at", [goes_at[kind] for kind in faces["kind"]], dtype=pl.String)
    return faces.with_columns(steps), embeddings.astype(np.float16)


def screened_mode(lfw: Lfw, dirt: Dirt, seed: int) -> dict[str, float]:
    """Shares that the mode `screened` drops and keeps at the step identity, over SCREENED_PEOPLE of LFW."""
    people = lfw.people(SCREENED_PEOPLE, "any", seed)
    crops = lfw_planted(lfw, people, dirt, seed, most=10**6)
    faces, embeddings = screened(crops, LFW_SCREEN, lfw.vector)
    proposals = identity_proposals.propose(faces, embeddings, NO_SOURCES, seed=seed)
    judged = right_person(config.pipeline.Screened()).judge(faces.with_columns(proposals.columns))
    kept = judged.with_columns(is_kept=pl.col("reason").is_null())
    # Blurred and covered faces of the right person are for the step quality to drop.
    right = kept.filter(pl.col("kind").is_in(["good", "twice"]))
    by_person = right.group_by("identity").agg(dropped=1 - pl.col("is_kept").mean())["dropped"]
    return {
        "right dropped": 1 - _kept_share(right),
        "of one person at most": float(max(by_person)),
        "strangers kept": _kept_share(kept.filter(kind="stranger")),
        "no faces kept": _kept_share(kept.filter(kind="no face")),
        "faces": kept.height,
    }


def _kept_share(faces: pl.DataFrame) -> float:
    return float(np.mean(faces["is_kept"].to_numpy()))


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


class Wanted(NamedTuple):
    """Target of a set.

    times: fewer looks per accepted picture, where a page costs `page_cost`.
    precision: lowest permitted; None if it must not be below that without triage.
    """

    times: float = TARGET
    page_cost: int = 1
    precision: float | None = None


def compared(
    name: str,
    sets: Iterable[tuple[pl.DataFrame, np.ndarray | None]],
    folder: Path,
    overlooked: float,
    wanted: Wanted,
    *,
    clock: Mapping[str, Mapping[str, float]],
    by_identity: bool = False,
) -> bool:
    """Print savings and costs of triage on some sets. Returns true if the target is met."""
    runs: list[tuple[dict[str, float], dict[str, float]]] = []
    for seed, (faces, embeddings) in enumerate(sets):
        places = [folder / f"{name}-{seed}-{kind}" for kind in ("without", "with")]
        without, with_ = (
            simulate(
                faces, embeddings, place, overlooked=overlooked, triaged=triaged, seed=seed, by_identity=by_identity
            )
            for place, triaged in zip(places, (False, True), strict=True)
        )
        runs.append((without, with_))
        print(f"{name}, seed {seed}: {faces.height} faces; without {_text(without)}; with {_text(with_)}", flush=True)
    ratios = {
        cost: np.mean([_per_accepted(one) / _per_accepted(two, cost) for one, two in runs]) for cost in PAGE_COSTS
    }
    print(f"{name}: times fewer looks per accepted picture, by what a page costs", end="")
    print(f" (target at {wanted.page_cost}: {wanted.times:.0f})")
    print("   " + ", ".join(f"{cost}: {ratio:.2f}" for cost, ratio in ratios.items()))
    for room, times in clock.items():
        _show_seconds(room, times, runs)
    worse = np.array([two["precision"] - one["precision"] for one, two in runs])
    error = worse.std(ddof=1) / np.sqrt(len(worse)) if len(worse) > 1 else 0.0
    precision = float(np.mean([two["precision"] for _, two in runs]))
    print(f"   precision: {precision:.4f}, {worse.mean():+.4f} ± {error:.4f} against no triage (standard error)")
    is_precise = worse.mean() >= -2 * error if wanted.precision is None else precision >= wanted.precision
    return bool(ratios[wanted.page_cost] >= wanted.times and is_precise)


def _per_accepted(run: dict[str, float], page_cost: int = 1) -> float:
    return (run["looks"] + page_cost * run["pages"]) / max(run["accepted"], 1)


def _show_seconds(room: str, times: Mapping[str, float], runs: list[tuple[dict[str, float], dict[str, float]]]) -> None:
    """Print seconds per accepted picture in a room with triage, and times fewer than without, waiting included."""
    without, with_ = (np.mean([_waiting_s(run, times) for run in kind]) for kind in zip(*runs, strict=True))
    print(
        f"   {room}, by the browser's clock: waiting {without:.3f} s per accepted picture without, {with_:.3f} s with;"
    )
    for cost in PAGE_COSTS:
        pairs = [(LOOK_S * _per_accepted(one), LOOK_S * _per_accepted(two, cost)) for one, two in runs]
        seconds = [
            (slow + _waiting_s(one, times), fast + _waiting_s(two, times))
            for (one, two), (slow, fast) in zip(runs, pairs, strict=True)
        ]
        ratio = np.mean([slow / fast for slow, fast in seconds])
        print(f"     a page of {cost} looks: {np.mean(seconds, axis=0)[1]:.2f} s, {ratio:.2f} times fewer")


def _waiting_s(run: dict[str, float], times: Mapping[str, float]) -> float:
    """Seconds per accepted picture that are not looking: keys, pages that come, scrolls."""
    waiting_s = run["keys"] * times["key_ms"] / 1000
    waiting_s += run["shown"] * (times["page_ms"] / 1000 + SCROLL_S * times["scrolls"])
    return waiting_s / max(run["accepted"], 1)


def _text(run: dict[str, float]) -> str:
    return ", ".join(f"{name} {figure:.4g}" for name, figure in run.items())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", nargs="+", default=["lfw", "screened", "orl", "sample"])
    parser.add_argument("--identities", type=int, default=40, help="of ORL")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--people", choices=("most", "any"), default="most", help="of LFW")
    parser.add_argument("--embedding", default="dlib", help="for LFW")
    parser.add_argument("--run", type=Path, default=ROOT)
    parser.add_argument("--overlooked", type=float, default=ERROR)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--clock", type=Path)
    asked = parser.parse_args()
    clock = json.loads(asked.clock.read_text()) if asked.clock else {}
    folder = Path(tempfile.mkdtemp())
    dirts = {"the paper's dirt": PAPERS, "little dirt": LITTLE}
    met = []
    try:
        if not DATA.is_dir():
            print(f"no real pictures at {DATA}")
        elif {"lfw", "screened"} & set(asked.sets):
            lfw = Lfw(asked.embedding, asked.vectors)
            for name, dirt in dirts.items():
                if "lfw" in asked.sets:
                    sets = (of_lfw(lfw, dirt, 11 + seed, asked.people) for seed in range(asked.seeds))
                    wanted = Wanted(LFW_TARGETS[name], LFW_PAGE_COST, LFW_PRECISION)
                    by_identity = distinguishes_people(config.Screen(embedding=asked.embedding))
                    title = f"LFW with {name}"
                    met.append(
                        compared(title, sets, folder, asked.overlooked, wanted, clock=clock, by_identity=by_identity)
                    )
                if "screened" in asked.sets:
                    met.append(_screened_shown(lfw, name, dirt, asked.seeds))
                lfw.keep_vectors()
        if DATA.is_dir() and "orl" in asked.sets:
            for name, dirt in dirts.items():
                sets = (of_orl(asked.identities, dirt, 11 + seed) for seed in range(asked.seeds))
                met.append(compared(f"ORL with {name}", sets, folder, asked.overlooked, Wanted(), clock=clock))
        if "sample" in asked.sets and (asked.run / "build" / "screen" / "screening.parquet").is_file():
            sets = [of_sample(asked.run)] * asked.seeds
            met.append(compared("sample", sets, folder, asked.overlooked, Wanted(), clock=clock))
        elif "sample" in asked.sets:
            print(f"no finished run of the sample in {asked.run}")
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if all(met) else 1)


def _screened_shown(lfw: Lfw, name: str, dirt: Dirt, seeds: int) -> bool:
    """Print what the mode `screened` does on LFW; true if its targets are met."""
    runs = [screened_mode(lfw, dirt, 11 + seed) for seed in range(seeds)]
    for seed, run in enumerate(runs):
        print(f"screened, LFW with {name}, seed {seed}: {_text(run)}", flush=True)
    dropped = np.mean([run["right dropped"] for run in runs])
    most = max(run["of one person at most"] for run in runs)
    kept = np.mean([run["strangers kept"] for run in runs])
    print(f"screened, LFW with {name}: {dropped:.2%} dropped, of one person at most {most:.0%}, {kept:.2%} kept")
    return bool(np.all(np.array([dropped, most, kept]) <= np.array(SCREENED_TARGETS) + 1e-9))


if __name__ == "__main__":
    main()
