"""Consent beside license: the file, the rule, and who may be used for which purpose on which day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mtf import config
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.curation import funnel_inputs
from mtf.gates import figures
from mtf.gates.expectations import CONSENT_GATES, Severity, expectations
from mtf.rights import consent, consent_records
from mtf.rights.audit import report
from mtf.rights.audit import run as audit
from mtf.rights.audit.findings import RECOMMENDATIONS, Code
from mtf.rights.consent import ConsentRule, Consents
from mtf.schemas import ConsentScope, Reason, consent_file
from mtf.schemas.takedown_file import Takedowns
from projects import ROOT, merged

HEADER = ",".join(consent_file.COLUMNS) + "\n"
ROW = "ada,portrait release,2,training;evaluation;publication,2025-03-01,2027-03-01,self,34,,file 17\n"
DAY = dt.date(2026, 6, 1)
RULE = ConsentRule(("training", "publication"), DAY)


def settings(**licenses: Any) -> config.Params:
    import yaml

    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    changes = {"licenses": {"basis": "consent"} | licenses, "release": {"date": DAY.isoformat()}}
    return config.parse(merged(raw, changes))


def signed(subject: str = "ada", **changes: Any) -> dict[str, Any]:
    usual = {
        "subject": subject,
        "form": "portrait release",
        "form_version": "2",
        "scopes": ["training", "evaluation", "publication"],
        "given_on": dt.date(2025, 3, 1),
        "valid_until": None,
        "given_by": "self",
        "age": 34,
        "revoked_on": None,
        "reference": "file 17",
    }
    return usual | changes


def consents(*rows: dict[str, Any], rule: ConsentRule = RULE) -> Consents:
    return Consents(pl.DataFrame(rows, schema=consent_file.CONSENT.dtypes), rule)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "consent.csv"


def test_a_file_is_read_and_written_unchanged(path: Path) -> None:
    path.write_text(HEADER + ROW)
    table = consent_file.load(path)
    assert table.row(0, named=True) == signed(valid_until=dt.date(2027, 3, 1))
    consent_file.write(path, table)
    assert path.read_text() == HEADER + ROW


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            ROW.replace("training;", "trainig;"),
            "row 3 column scopes: 'trainig' is not permitted; permitted: one or more",
        ),
        (ROW.replace("training;evaluation;publication", ""), "row 3 column scopes: ''"),
        (ROW.replace("ada", "Ada L"), "row 3 column subject: 'Ada L' is not permitted; permitted: the slug"),
        (ROW.replace("2025-03-01", "01.03.2025"), "row 3 column given_on: '01.03.2025' is not permitted"),
        (ROW.replace("2025-03-01", ""), "row 3 column given_on: ''"),
        (ROW.replace("2027-03-01", "2025-02-30"), "row 3 column valid_until: '2025-02-30'"),
        (ROW.replace("2027-03-01", "2024-03-01"), "permitted: a day from given_on (2025-03-01) on, or nothing"),
        (ROW.replace("self", "mother"), "row 3 column given_by: 'mother' is not permitted; permitted: self, guardian"),
        (ROW.replace(",34,", ",,"), "row 3 column age: '' is not permitted; permitted: the subject's age in years"),
        (ROW.replace(",34,", ",340,"), "row 3 column age: '340'"),
        (ROW.replace("portrait release", ""), "row 3 column form: ''"),
        (ROW.replace("file 17", "ada@example.org"), "row 3 column reference: 'ada@example.org'"),
        (ROW.replace("file 17", ""), "row 3 column reference: ''"),
        (ROW.replace("bea", "ada"), "row 2 is the same"),
    ],
)
def test_a_bad_value_is_named_with_its_file_row_column_and_what_is_permitted(path: Path, row: str, says: str) -> None:
    first = ROW if "the same" in says else ROW.replace("ada", "zoe")
    path.write_text(HEADER + first + row)
    with pytest.raises(BadInput) as refused:
        consent_file.load(path)
    assert says in str(refused.value)
    assert str(refused.value).startswith("consent.csv ")
    assert "\n" not in str(refused.value)


def test_a_further_column_is_refused_since_nothing_else_may_say_who_the_person_is(path: Path) -> None:
    path.write_text(HEADER.strip() + ",name\n")
    with pytest.raises(BadInput, match="the columns are"):
        list(consent_file.load(path))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([signed()], None),
        ([], Reason.CONSENT_MISSING),
        ([signed("bea")], Reason.CONSENT_MISSING),
        ([signed(given_on=DAY + dt.timedelta(1))], Reason.CONSENT_MISSING),
        ([signed(given_on=DAY)], None),
        ([signed(scopes=["training", "evaluation"])], Reason.CONSENT_SCOPE),
        ([signed(valid_until=DAY - dt.timedelta(1))], Reason.CONSENT_EXPIRED),
        ([signed(valid_until=DAY)], None),
        ([signed(revoked_on=DAY)], Reason.CONSENT_REVOKED),
        ([signed(revoked_on=DAY + dt.timedelta(1))], None),
        ([signed(age=17)], Reason.GUARDIAN_MISSING),
        ([signed(age=17, given_by="guardian")], None),
        # Two forms cover the purposes together.
        ([signed(scopes=["training"]), signed(form="b", scopes=["publication"])], None),
        # A renewed consent counts, and so does a renewal that was revoked.
        ([signed(revoked_on=dt.date(2025, 5, 1)), signed(given_on=dt.date(2026, 1, 1))], None),
        (
            [signed(valid_until=dt.date(2025, 4, 1)), signed(given_on=dt.date(2026, 1, 1), revoked_on=DAY)],
            Reason.CONSENT_REVOKED,
        ),
        # The most serious reason of several purposes is given.
        (
            [signed(scopes=["training"], revoked_on=DAY), signed(form="b", scopes=["evaluation"])],
            Reason.CONSENT_REVOKED,
        ),
    ],
)
def test_the_rule_asks_for_each_purpose_on_the_day_of_the_release(
    rows: list[dict[str, Any]], reason: Reason | None
) -> None:
    refusal = consents(*rows).refusal("ada")
    assert (refusal.reason if refusal else None) == reason


def test_the_reason_names_form_day_and_purpose() -> None:
    refusal = consents(signed(revoked_on=dt.date(2026, 5, 2))).refusal("ada")
    assert refusal is not None
    assert refusal.detail == (
        "consent of 2025-03-01 (portrait release 2) to training was revoked on 2026-05-02; the release is of 2026-06-01"
    )


def test_the_purposes_of_params_yaml_are_those_of_the_table() -> None:
    from typing import get_args

    from mtf.config.publishing import Purpose

    assert get_args(Purpose) == tuple(map(str, ConsentScope))
    assert tuple(map(str, consent.REASONS)) == CONSENT_GATES
    assert {str(reason) for reason in consent.REASONS} < {str(code) for code in Code}


def test_a_basis_of_consent_asks_for_the_day_of_the_release() -> None:
    import yaml

    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    with pytest.raises(BadInput, match=r"release\.date: null is not permitted with licenses\.basis both") as refused:
        config.parse(merged(raw, {"licenses": {"basis": "both"}}))
    assert "YYYY-MM-DD" in str(refused.value)


def test_a_date_without_quotes_is_refused_since_dvc_would_stop_at_it() -> None:
    import yaml

    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    with pytest.raises(BadInput, match=r'release\.date: 2026-06-01 needs quotes.*write "2026-06-01"'):
        config.parse(merged(raw, {"release": {"date": DAY}}))


def faces_and_images(evidence: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    keys = evidence.select("identity", "image_id")
    images = evidence.select("identity", "image_id", "url", "page_url", "claim")
    return keys, images


@pytest.mark.parametrize(
    ("basis", "reasons"),
    [
        ("license", {"ada": None, "bea": "no_evidence", "cleo": None}),
        ("consent", {"ada": None, "bea": None, "cleo": "consent_missing"}),
        ("both", {"ada": None, "bea": "no_evidence", "cleo": "consent_missing"}),
    ],
)
def test_a_picture_is_used_by_license_by_consent_or_by_both(
    evidence_of: Callable[..., pl.DataFrame], basis: str, reasons: dict[str, str | None]
) -> None:
    evidence = evidence_of(
        {"identity": "ada"}, {"identity": "bea", "license": None, "stated": "unstated"}, {"identity": "cleo"}
    )
    params = settings(basis=basis)
    faces, images = faces_and_images(evidence)
    legal = funnel_inputs.with_legal(
        faces,
        images=images,
        evidence=evidence,
        takedowns=Takedowns(),
        licenses=params.licenses,
        today=DAY,
        consents=Consents(consents(signed("ada"), signed("bea")).table, ConsentRule.of(params)),
    )
    assert dict(legal.select("identity", "license_reason").iter_rows()) == reasons


def test_a_policy_of_consent_is_never_judged_without_the_consents(evidence_of: Callable[..., pl.DataFrame]) -> None:
    evidence = evidence_of({"identity": "ada"})
    pictures = evidence.select("identity", "image_id")
    with pytest.raises(ValueError, match="asks for consents"):
        audit.of_data_set(pictures, evidence, settings(), Takedowns(), today=DAY)
    faces, images = faces_and_images(evidence)
    with pytest.raises(ValueError, match="asks for consents"):
        funnel_inputs.with_legal(
            faces, images=images, evidence=evidence, takedowns=Takedowns(), licenses=settings().licenses, today=DAY
        )


def test_an_opt_out_binds_whatever_the_basis(evidence_of: Callable[..., pl.DataFrame]) -> None:
    from mtf.rights import policy

    evidence = evidence_of({"identity": "ada", "opt_out": "tdmrep: tdm-reservation: 1"})
    assert policy.judge(evidence, settings().licenses, today=DAY).to_list() == ["opted_out"]


def test_the_audit_of_a_release_has_a_code_and_a_recommendation_for_each_reason(
    evidence_of: Callable[..., pl.DataFrame],
) -> None:
    people = ("revoked", "expired", "young", "narrow", "unknown", "fine")
    evidence = evidence_of(*({"identity": name, "license": None, "stated": "unstated"} for name in people))
    given = consents(
        signed("revoked", revoked_on=DAY),
        signed("expired", valid_until=dt.date(2026, 1, 1)),
        signed("young", age=12),
        signed("narrow", scopes=["training"]),
        signed("fine"),
    )
    pictures = evidence.select("identity", "image_id")
    found = audit.of_data_set(pictures, evidence, settings(), Takedowns(), given, today=DAY)
    by_person = dict(found.findings.select("identity", "code").iter_rows())
    assert by_person == {
        "revoked": "consent_revoked",
        "expired": "consent_expired",
        "young": "guardian_missing",
        "narrow": "consent_scope",
        "unknown": "consent_missing",
    }
    assert not found.is_compliant
    summary = report.summary(found)
    assert summary["release"]["date"] == DAY.isoformat()
    assert {code: RECOMMENDATIONS[Code(code)] for code in by_person.values()} == summary["recommendations"]


def test_a_revocation_after_the_release_is_a_warning_that_asks_for_the_takedown(
    evidence_of: Callable[..., pl.DataFrame],
) -> None:
    evidence = evidence_of({"identity": "ada"}, {"identity": "bea"})
    later = DAY + dt.timedelta(9)
    given = consents(signed("ada", revoked_on=later), signed("bea", revoked_on=later), signed("bea", form="b"))
    pictures = evidence.select("identity", "image_id")
    found = audit.of_data_set(pictures, evidence, settings(), Takedowns(), given, today=DAY)
    [finding] = found.findings.filter(pl.col("code") == "consent_revoked").to_dicts()
    assert (finding["identity"], finding["level"]) == ("ada", "warning")
    assert finding["reason"] == "consent was revoked on 2026-06-10, after the date of the release"


def test_each_gate_is_critical_even_if_it_is_to_warn_only() -> None:
    params = settings()
    params = params.model_copy(
        update={"gates": params.gates.model_copy(update={"warn_only": ["consent_revoked", "consent_missing"]})}
    )
    of_consent = [each for each in expectations(params) if each.name in CONSENT_GATES]
    assert [each.name for each in of_consent] == list(CONSENT_GATES)
    assert {each.severity for each in of_consent} == {Severity.CRITICAL}
    assert all(RECOMMENDATIONS[Code(each.name)] in each.says for each in of_consent)
    by_license = config.load(ROOT / "params.yaml")
    assert not [each for each in expectations(by_license) if each.name in CONSENT_GATES]


def test_the_figures_of_the_gates_count_pictures_by_person() -> None:
    data = pl.DataFrame({"identity": ["ada", "ada", "bea"], "image_id": ["1", "2", "3"]})
    tables = figures.consents(data, consents(signed("bea"), signed("ada", revoked_on=DAY)))
    assert tables["consent_revoked"].rows() == [("ada", 2)]
    assert tables["consent_missing"].rows() == [("nobody", 0)]


def project(folder: Path, params: config.Params | None = None) -> ProjectPaths:
    import yaml

    workspace = ProjectPaths(folder)
    workspace.data.mkdir()
    workspace.params.write_text(yaml.safe_dump((params or settings()).model_dump(mode="json", exclude_unset=True)))
    return workspace


def test_a_basis_of_consent_without_the_file_is_refused_with_the_command_that_begins_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"data/consent\.csv: no such file.*mtf consent add"):
        consent.load(project(tmp_path), settings())


def test_a_pipeline_that_would_overlook_a_revocation_is_refused(tmp_path: Path) -> None:
    workspace = project(tmp_path)
    workspace.consent.write_text(HEADER + ROW)
    pipeline = tmp_path / "dvc.yaml"
    pipeline.write_text("stages:\n  curate:\n    cmd: mtf curate\n    deps:\n      - data/roster.csv\n")
    with pytest.raises(BadInput, match=r"dvc\.yaml: no stage depends on data/consent\.csv.*mtf deps --write"):
        consent.load(workspace, settings())
    pipeline.write_text(pipeline.read_text() + "      - data/consent.csv\n")
    assert consent.load(workspace, settings()).refusal("ada") is None


def test_a_project_by_license_neither_reads_nor_needs_the_file(tmp_path: Path) -> None:
    workspace = project(tmp_path, config.load(ROOT / "params.yaml"))
    workspace.consent.write_text("what ever\n")
    assert consent.load(workspace, config.load(ROOT / "params.yaml")).refusal("ada") is None


def test_a_revocation_is_recorded_once_and_keeps_earlier_ones(path: Path) -> None:
    consent_records.add(path, signed())
    consent_records.add(path, signed(form="b", given_on=dt.date(2026, 1, 1)))
    consent_records.add(path, signed("bea"))
    assert not consent_records.add(path, signed("bea"))
    first = consent_records.revoke(path, "ada", on=dt.date(2025, 6, 1))
    again = consent_records.revoke(path, "ada", on=dt.date(2025, 7, 1))
    assert (first.consents, first.changed, again.changed) == (2, 2, 0)
    days = consent_file.load(path)["revoked_on"].to_list()
    # A consent cannot be revoked before it was given.
    assert days == [dt.date(2025, 6, 1), dt.date(2026, 1, 1), None]


def test_a_consent_that_contradicts_a_recorded_one_is_refused(path: Path) -> None:
    consent_records.add(path, signed())
    with pytest.raises(BadInput, match="recorded already, with other values"):
        consent_records.add(path, signed(age=35))


def test_an_unknown_subject_cannot_revoke(path: Path) -> None:
    path.write_text(HEADER + ROW)
    with pytest.raises(BadInput, match=r"'nobody' is not permitted; permitted: a subject of consent\.csv"):
        consent_records.revoke(path, "nobody", on=DAY)
