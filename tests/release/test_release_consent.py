"""A data set of consenting people: no release shows a person whose consent is not valid on its date."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from pathlib import Path

import made_project
import polars as pl
import pytest
from made_project import Person

from mtf import schemas
from mtf.config import Params
from mtf.core.errors import GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import curate
from mtf.pipeline import release as releasing
from mtf.schemas import consent_file

PEOPLE = 1000
SCOPES = ("training", "evaluation", "publication")
FIRST, LAST = dt.date(2025, 1, 1), dt.date(2026, 12, 31)
RELEASES = (dt.date(2025, 7, 1), dt.date(2026, 1, 1), dt.date(2026, 12, 31))


@dataclass(frozen=True)
class Signed:
    """Consent of one person, with its scopes, dates and revocation."""

    subject: str
    scopes: tuple[str, ...]
    given_on: dt.date
    valid_until: dt.date | None = None
    revoked_on: dt.date | None = None

    def permits(self, purposes: tuple[str, ...], day: dt.date) -> bool:
        ended = self.revoked_on is not None and self.revoked_on <= day
        over = self.valid_until is not None and self.valid_until < day
        return self.given_on <= day and not ended and not over and set(purposes) <= set(self.scopes)


def simulated() -> list[Signed]:
    """1,000 people; 5 % revoke, 2 % have a consent that expires, one in ten signs two of the three purposes."""
    chance = random.Random(7)
    order = chance.sample(range(PEOPLE), PEOPLE)
    revoking, expiring = set(order[:50]), set(order[50:70])
    signed = []
    for number in range(PEOPLE):
        given_on = FIRST + dt.timedelta(chance.randrange(150))
        ends_on = given_on + dt.timedelta(chance.randrange(1, (LAST - given_on).days))
        scopes = SCOPES if chance.random() < 0.9 else tuple(chance.sample(SCOPES, 2))
        signed.append(
            Signed(
                f"person-{number:04d}",
                scopes,
                given_on,
                valid_until=ends_on if number in expiring else None,
                revoked_on=ends_on if number in revoking else None,
            )
        )
    return signed


def params_of(day: dt.date, purposes: tuple[str, ...] = SCOPES, basis: str = "consent") -> Params:
    return made_project.made_params(
        licenses={"basis": basis},
        release={"variants": ["non_curated"], "date": day.isoformat(), "purposes": list(purposes)},
        curate={"mode": "non_curated", "min_images_per_identity": 1},
        gates={"warn_only": []},
    )


def write_consents(workspace: ProjectPaths, signed: list[Signed]) -> None:
    rows = [
        {
            "subject": each.subject,
            "form": "portrait release",
            "form_version": "1",
            "scopes": list(each.scopes),
            "given_on": each.given_on,
            "valid_until": each.valid_until,
            "given_by": "self",
            "age": 30,
            "revoked_on": each.revoked_on,
            "reference": "cabinet 3",
        }
        for each in signed
    ]
    consent_file.write(workspace.consent, pl.DataFrame(rows, schema=consent_file.CONSENT.dtypes))


def without_license(workspace: ProjectPaths) -> None:
    """Pictures of a folder whose owner states no license, as those of paid volunteers."""
    path = workspace.table("crawl", "evidence")
    nothing = {name: pl.lit(None, pl.String) for name in ("license", "license_url", "statement", "creator_url")}
    data = pl.read_parquet(path).with_columns(stated=pl.lit("unstated"), **nothing)
    schemas.write(schemas.EVIDENCE, data, path)


def published(workspace: ProjectPaths) -> set[str]:
    return set(pl.read_parquet(workspace.stage("release") / "metadata_non_curated.parquet")["identity"])


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProjectPaths, list[Signed]]:
    signed = simulated()
    people = tuple(Person(each.subject, each.subject, faces=1, strangers=0) for each in signed)
    workspace = made_project.make(tmp_path_factory.mktemp("crowd") / "project", params_of(RELEASES[0]), people)
    without_license(workspace)
    write_consents(workspace, signed)
    return workspace, signed


@pytest.mark.parametrize("purposes", [SCOPES, ("training",)], ids=["three scopes", "one scope"])
def test_of_a_thousand_people_each_release_shows_those_whose_consent_is_valid_on_its_date(
    crowd: tuple[ProjectPaths, list[Signed]], purposes: tuple[str, ...]
) -> None:
    workspace, signed = crowd
    for day in RELEASES:
        params = params_of(day, purposes)
        curate.run(workspace, params)
        made_project.release(workspace, params)
        assert published(workspace) == {each.subject for each in signed if each.permits(purposes, day)}


def test_people_who_consented_to_nothing_valid_stop_a_release_that_was_curated_for_an_earlier_date(
    crowd: tuple[ProjectPaths, list[Signed]],
) -> None:
    workspace, signed = crowd
    curate.run(workspace, params_of(RELEASES[0]))
    later = params_of(RELEASES[-1])
    lost = [each for each in signed if each.permits(SCOPES, RELEASES[0]) and not each.permits(SCOPES, RELEASES[-1])]
    with pytest.raises(GateFailed) as refused:
        made_project.release(workspace, later)
    assert f"{sum(each.revoked_on is not None for each in lost)} consent_revoked" in str(refused.value)
    assert f"{sum(each.valid_until is not None for each in lost)} consent_expired" in str(refused.value)


def test_the_gates_ask_again_after_a_revocation(tmp_path: Path) -> None:
    workspace = made_project.make(tmp_path / "project", params_of(RELEASES[0]))
    signed = [Signed(each.identity, SCOPES, FIRST) for each in made_project.PEOPLE]
    write_consents(workspace, signed)
    params = params_of(RELEASES[0])
    made_project.release(workspace, params)
    write_consents(workspace, [*signed[1:], Signed("ada", SCOPES, FIRST, revoked_on=FIRST)])
    with pytest.raises(GateFailed, match=r"data/consent\.csv changed since the gates were checked"):
        releasing.run(workspace, params)


def test_a_project_by_license_is_released_alike_with_and_without_the_file(tmp_path: Path) -> None:
    params = made_project.made_params()
    made = [made_project.make(tmp_path / name, params) for name in ("with", "without")]
    write_consents(made[0], [])
    for workspace in made:
        made_project.release(workspace, params)
    sums = [(workspace.stage("release") / "SHA256SUMS").read_text() for workspace in made]
    assert sums[0] == sums[1]
