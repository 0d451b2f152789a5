"""The certificate in a release: the bound stands in the card and in the Croissant file, or why there is none."""

from __future__ import annotations

import json

import made_project
import polars as pl
from made_project import made_params

from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import LedgerWriter
from mtf.core.project_paths import ProjectPaths
from mtf.curation import certificate
from mtf.schemas import Step


def certify(workspace: ProjectPaths) -> None:
    """Look at every face of the set, and find all of them right."""
    params = made_params()
    faces = certificate.curated_faces(workspace, params)
    plan = certificate.make_plan(workspace, faces, max_share=0.02, allowed=0, seed=1)
    keys = certificate.sample(workspace, faces, plan).filter(pl.col("stratum") >= 0)
    with LedgerWriter(workspace.certificate, "dora") as writer:
        for row in keys.join(faces, on=["identity", "face_id"]).iter_rows(named=True):
            writer.append(
                Decision(
                    image_id=row["image_id"],
                    box=(row["x"], row["y"], row["width"], row["height"]),
                    identity=row["identity"],
                    step=Step.IDENTITY,
                    verdict=Verdict.ACCEPT,
                    reviewer="dora",
                )
            )


def documents(workspace: ProjectPaths) -> tuple[str, list[str]]:
    made_project.release(workspace, made_params())
    root = workspace.stage("release")
    described = json.loads((root / "croissant.json").read_text())
    return (root / "README.md").read_text(), described["rai:dataAnnotationAnalysis"]


def test_a_release_without_a_certificate_says_nothing_of_it(project: ProjectPaths) -> None:
    card, analysis = documents(project)
    assert "Wrong people" not in card
    assert len(analysis) == 1


def test_the_bound_stands_in_the_card_and_in_the_croissant_file(project: ProjectPaths) -> None:
    certify(project)
    card, analysis = documents(project)
    sentence = "At most 0.00% of the faces show another person than named (95% confidence"
    assert f"## Wrong people\n\n{sentence}" in card
    assert any(line.startswith(sentence) for line in analysis)
    assert "- gender Females: cannot be said (0 of 5 sampled, 5 faces)\n" in card


def test_a_certificate_of_another_set_is_said_to_be_invalid(project: ProjectPaths) -> None:
    certify(project)
    path = project.table("split", "splits")
    rows = pl.read_parquet(path)
    rows.head(rows.height - 1).write_parquet(path)
    card, analysis = documents(project)
    assert "The certificate is invalid: the data set has changed since its sample was drawn." in card
    assert not any("At most" in line for line in analysis)
