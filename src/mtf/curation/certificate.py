"""Certificate of the curated set: an upper bound on the share of wrong people, from blind answers on a random sample.

`data/certificate/plan.json` says what was sampled, and `data/certificate/NAME/TIME.jsonl` has the answers, one file per
person and session, in the format of the ledger. They are no votes: the funnel does not read them. The sample follows
from the plan's seed and the curated set, so the plan names nobody. Once the set has changed, the certificate is
invalid. The bound is that of `mtf.annotation.acceptance_sampling`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from mtf import schemas
from mtf.annotation import consensus, ledger, matching
from mtf.annotation.acceptance_sampling import CONFIDENCE, Stratum, looks_needed, max_wrong
from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.core.hashing import fingerprint
from mtf.core.project_paths import ProjectPaths
from mtf.schemas import FACE, Reason, Step

# Share of the set that is drawn more often: the faces that look least like their person.
DOUBTFUL_SHARE = 0.1
# Smaller sets are one stratum.
MIN_STRATIFIED = 50
# Faces that the panel rejected as wrong persons, mixed in to see how attentive the answers are.
DECOY_SHARE = 0.1
# A group with fewer looks gets no bound.
MIN_GROUP_LOOKS = 30


class Plan(BaseModel):
    """Plan of a certificate: `data/certificate/plan.json`.

    set_digest: digest of the faces of the curated set.
    sample_digest: digest of the sampled faces.
    seed: seed of the sample.
    max_share: share of wrong people that the owner wants the bound to reach.
    allowed: wrong faces in the sample at which it still does.
    looks: faces to look at in each stratum, the doubtful one first.
    made_at: time of the plan.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    set_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    sample_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    seed: int = Field(ge=0, lt=2**63)
    max_share: float = Field(gt=0, lt=1)
    allowed: int = Field(ge=0)
    looks: list[int] = Field(min_length=1, max_length=2)
    made_at: AwareDatetime


@dataclass(frozen=True)
class Group:
    """Bound for a group of the roster, such as gender: Females; `bound` is None with fewer than MIN_GROUP_LOOKS."""

    column: str
    label: str
    faces: int
    looks: int
    wrong: int
    bound: float | None


@dataclass(frozen=True)
class Certificate:
    """State of a certificate.

    faces: faces of the curated set.
    looks, wrong: sampled faces that were answered, and those of them that show somebody else.
    open: sampled faces without an answer.
    bound: upper bound on the share of wrong people, 0 to 1; None while answers are missing.
    confidence: of the bound.
    groups: bounds by group, each by itself.
    decoys, decoys_missed: rejected faces that were mixed in, and those of them that were taken for right.
    people: number of people who answered.
    answered_on: date of the last answer (ISO 8601); None without one.
    is_valid: False once the curated set has changed.
    """

    faces: int
    looks: int
    wrong: int
    open: int
    bound: float | None
    confidence: float
    groups: list[Group]
    decoys: int
    decoys_missed: int
    people: int
    answered_on: str | None
    is_valid: bool


def set_digest(faces: pl.DataFrame) -> str:
    """Digest of a set's faces (identity, face_id); their order does not matter."""
    return fingerprint([list(key) for key in faces.select(FACE).sort(FACE).iter_rows()])


def plan_path(workspace: ProjectPaths) -> Path:
    return workspace.certificate / "plan.json"


def read_plan(workspace: ProjectPaths) -> Plan | None:
    """Plan of the project; None without one. Raises BadInput for a file that is none."""
    path = plan_path(workspace)
    if not path.is_file():
        return None
    try:
        return Plan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "(top level)"
        raise BadInput(
            f"{workspace.relative(path)}: {where}: {first['msg'].lower()}; remove the file to certify anew"
        ) from None


def curated_faces(workspace: ProjectPaths, params: Params) -> pl.DataFrame:
    """The curated set with `likeness` of screening (null where unknown) and the labels of the roster."""
    path = workspace.table("curate", "curated")
    if not path.is_file():
        raise BadInput(f"{workspace.relative(path)}: no such file; run `dvc repro` until the stage curate first")
    faces = schemas.read(schemas.curated(params), path)
    if faces.is_empty():
        raise BadInput(f"{workspace.relative(path)}: no faces, so there is nothing to certify")
    screening = schemas.read(schemas.SCREENING, workspace.table("screen", "screening"))
    sureness = pl.coalesce(pl.col("likeness"), -pl.col("identity_distance")).cast(pl.Float64)
    return faces.join(screening.select(*FACE, sureness=sureness), on=FACE, how="left", maintain_order="left")


def strata(faces: pl.DataFrame) -> list[pl.DataFrame]:
    """Strata of the set: the DOUBTFUL_SHARE least sure faces, then the rest; one stratum for a small set."""
    ordered = faces.sort("sureness", *FACE, nulls_last=True)
    if faces.height < MIN_STRATIFIED or faces["sureness"].null_count() == faces.height:
        return [ordered]
    doubtful = int(np.ceil(DOUBTFUL_SHARE * faces.height))
    return [ordered.head(doubtful), ordered.tail(faces.height - doubtful)]


def make_plan(workspace: ProjectPaths, faces: pl.DataFrame, *, max_share: float, allowed: int, seed: int) -> Plan:
    """Plan and write a certificate of `faces`; an earlier plan is replaced, answers on its faces stay on disk."""
    parts = strata(faces)
    looks = looks_needed([part.height for part in parts], max_share=max_share, allowed=allowed)
    plan = Plan(
        set_digest=set_digest(faces),
        sample_digest=set_digest(_drawn(parts, looks, np.random.default_rng(seed))),
        seed=seed,
        max_share=max_share,
        allowed=allowed,
        looks=looks,
        made_at=datetime.now(UTC),
    )
    atomic_files.write_json(plan_path(workspace), json.loads(plan.model_dump_json()))
    return plan


def holds(plan: Plan, faces: pl.DataFrame) -> bool:
    """True while the curated set, and what is known of its doubtful faces, are those of the plan."""
    parts = strata(faces)
    if plan.set_digest != set_digest(faces) or len(parts) != len(plan.looks):
        return False
    return plan.sample_digest == set_digest(_drawn(parts, plan.looks, np.random.default_rng(plan.seed)))


def _drawn(parts: Sequence[pl.DataFrame], looks: Sequence[int], random: np.random.Generator) -> pl.DataFrame:
    """Faces drawn from each stratum: identity, face_id, `stratum`."""
    drawn = [
        part[np.sort(random.permutation(part.height)[:count])].select(*FACE, stratum=pl.lit(place, pl.Int32))
        for place, (part, count) in enumerate(zip(parts, looks, strict=True))
    ]
    return pl.concat(drawn)


def sample(workspace: ProjectPaths, faces: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Sampled faces in the order of the questions: identity, face_id, `stratum` (-1 for a decoy)."""
    random = np.random.default_rng(plan.seed)
    drawn = _drawn(strata(faces), plan.looks, random)
    rejected = _wrong_persons(workspace)
    decoys = random.permutation(rejected.height)[: round(DECOY_SHARE * sum(plan.looks))]
    together = pl.concat([drawn, rejected[np.sort(decoys)].select(*FACE, stratum=pl.lit(-1, pl.Int32))])
    return together[random.permutation(together.height)]


def _wrong_persons(workspace: ProjectPaths) -> pl.DataFrame:
    excluded = schemas.read(schemas.EXCLUSIONS, workspace.table("curate", "exclusions"))
    by_people = (pl.col("step") == Step.IDENTITY) & (pl.col("reason") == Reason.WRONG_PERSON)
    return excluded.filter(by_people, pl.col("decided_by") != "automatic").sort(FACE)


def answers(workspace: ProjectPaths, params: Params, plan: Plan) -> pl.DataFrame:
    """Answers since the plan was made: identity, face_id, `is_wrong`, `reviewer`, `time`.

    The last answer of each person counts. A face is wrong if anybody says so, and if nobody could tell it stays open.
    """
    read = ledger.read(workspace.certificate).decisions.filter(pl.col("time") >= plan.made_at)
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    votes = consensus.current_votes(matching.match(read, faces, box_iou=params.curate.box_iou))
    timed = votes.join(read.with_row_index("order").select("order", "time"), on="order", how="left")
    asked = timed.filter(pl.col("step").is_in([str(Step.FACE), str(Step.IDENTITY)]))
    return asked.group_by(FACE).agg(
        is_wrong=(pl.col("verdict") == "reject").any(), reviewer=pl.col("reviewer").unique(), time=pl.col("time").max()
    )


def read(workspace: ProjectPaths, params: Params, released: pl.DataFrame | None = None) -> Certificate | None:
    """Certificate as it stands; None without a plan.

    released: faces that are published, if they are to be those of the certificate; by default the curated set.
    """
    plan = read_plan(workspace)
    if plan is None:
        return None
    faces = curated_faces(workspace, params)
    if not holds(plan, faces) or (released is not None and set_digest(released) != plan.set_digest):
        return Certificate(faces.height, 0, 0, 0, None, CONFIDENCE, [], 0, 0, 0, None, is_valid=False)
    asked = sample(workspace, faces, plan).join(answers(workspace, params, plan), on=FACE, how="left")
    real = asked.filter(pl.col("stratum") >= 0)
    decoys = asked.filter(pl.col("stratum") < 0, pl.col("is_wrong").is_not_null())
    given = real.filter(pl.col("is_wrong").is_not_null())
    missing = real.height - given.height
    last = given["time"].max()
    return Certificate(
        faces=faces.height,
        looks=given.height,
        wrong=int(given["is_wrong"].sum()),
        open=missing,
        bound=None if missing else _bound(faces, real),
        confidence=CONFIDENCE,
        groups=[] if missing else _groups(faces, real, list(params.attributes)),
        decoys=decoys.height,
        decoys_missed=int((~decoys["is_wrong"]).sum()),
        people=given["reviewer"].explode().n_unique() if given.height else 0,
        answered_on=last.date().isoformat() if isinstance(last, datetime) else None,
        is_valid=True,
    )


def _bound(faces: pl.DataFrame, answered: pl.DataFrame) -> float:
    """Upper bound on the share of wrong people among `faces`, from the answers on those sampled."""
    found = []
    for place, stratum in enumerate(strata(faces)):
        given = answered.filter(pl.col("stratum") == place)
        found.append(Stratum(stratum.height, given.height, int(given["is_wrong"].sum())))
    return max_wrong(found) / faces.height


def _groups(faces: pl.DataFrame, answered: pl.DataFrame, columns: Sequence[str]) -> list[Group]:
    """Bounds by group; the sampled faces of a group are a random sample of the group in each stratum."""
    placed = pl.concat(
        [
            stratum.select(*FACE, *columns, stratum=pl.lit(place, pl.Int32))
            for place, stratum in enumerate(strata(faces))
        ]
    )
    given = placed.join(answered.select(*FACE, "is_wrong"), on=FACE, how="left")
    groups = []
    for column in columns:
        for (label,), rows in sorted(given.group_by([column]), key=lambda each: str(each[0])):
            sampled = rows.filter(pl.col("is_wrong").is_not_null())
            parts = [
                Stratum(part.height, part["is_wrong"].count(), int(part["is_wrong"].sum()))
                for _, part in rows.group_by("stratum")
            ]
            enough = sampled.height >= MIN_GROUP_LOOKS
            bound = max_wrong(parts) / rows.height if enough else None
            wrong = int(sampled["is_wrong"].sum())
            groups.append(Group(column, str(label), rows.height, sampled.height, wrong, bound))
    return groups


def in_words(found: Certificate) -> str:
    """One sentence on the bound, or on why there is none."""
    if not found.is_valid:
        return "The certificate is invalid: the data set has changed since its sample was drawn."
    if found.bound is None:
        return f"The certificate is not complete: {found.open:,} of {found.looks + found.open:,} answers are missing."
    return (
        f"At most {found.bound:.2%} of the faces show another person than named ({found.confidence:.0%} confidence, "
        f"exact for a stratified sample): of {found.looks:,} faces sampled from {found.faces:,}, "
        f"{found.wrong:,} did."
    )


def decoy_line(found: Certificate) -> str | None:
    """Sentence on the rejected faces that were mixed in; None without any."""
    if not found.decoys:
        return None
    caught = found.decoys - found.decoys_missed
    return (
        f"Of {found.decoys:,} faces that the panel had rejected and that were mixed in, {caught:,} were recognised as "
        "another person."
    )


def group_lines(found: Certificate) -> list[str]:
    """One line of text for each group."""
    return [
        f"{each.column} {each.label}: "
        + (f"at most {each.bound:.2%}" if each.bound is not None else "cannot be said")
        + f" ({each.wrong:,} of {each.looks:,} sampled, {each.faces:,} faces)"
        for each in found.groups
    ]
