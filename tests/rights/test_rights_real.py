"""Real collections, crawled from where they lie and audited: FairFace, the US Congress, ORL."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from projects import ROOT, mtf, own_project

pytestmark = pytest.mark.real
PICTURES = 12


def audited(folder: Path, archive: Path, *, source: dict[str, Any], policy: dict[str, Any]) -> tuple[int, dict]:
    """Crawl a few pictures of a tar as one person's, and audit them; the exit code and the report."""
    with tarfile.open(archive) as tar:
        names = [name for name in tar.getnames() if "." in name.rpartition("/")[2]][:PICTURES]
    project = own_project(
        folder / "project",
        f"identity,name,race,gender,age,files\nsomebody,Somebody,Amber,Males,Old,{';'.join(names)}\n",
        {
            "tasks": yaml.safe_load((ROOT / "params.yaml").read_text())["tasks"],
            "crawl": {"web": None, "sources": [{"kind": "folder", "path": str(archive)} | source]},
            "licenses": policy,
        },
    )
    crawled = mtf(project, "crawl")
    assert crawled.returncode == 0, crawled.stderr
    done = mtf(project, "audit", "licenses", "--json")
    return done.returncode, json.loads(done.stdout)


def test_fairface_is_under_cc_by_with_its_authors_credited(real_data: Path, tmp_path: Path) -> None:
    source = {"license": "CC-BY-4.0", "creator": "Kärkkäinen and Joo, FairFace"}
    code, report = audited(tmp_path, real_data / "fairface" / "train.tar", source=source, policy={})
    assert code == 0 and report["findings"] == []
    assert report["summary"]["by_license"] == {"CC-BY-4.0": PICTURES}
    (owed,) = report["obligations"]
    assert (owed["license"], owed["attribution"]) == ("CC-BY-4.0", True)


def test_of_the_congress_portraits_no_license_is_stated(real_data: Path, tmp_path: Path) -> None:
    code, report = audited(tmp_path, real_data / "congress" / "portraits.tar", source={}, policy={})
    assert code == 1 and len(report["findings"]) == PICTURES
    assert {(each["code"], each["reason"]) for each in report["findings"]} == {("no_evidence", "no license stated")}
    assert report["recommendations"]["no_evidence"].startswith("Ask the rights holder")


@pytest.mark.parametrize(("permitted", "code"), [(["CC-BY-4.0", "LicenseRef-ATT-Faces"], 0), (None, 1)])
def test_terms_of_their_own_pass_a_research_policy_and_fail_the_default_one(
    real_data: Path, tmp_path: Path, permitted: list[str] | None, code: int
) -> None:
    source = {"license": "LicenseRef-ATT-Faces", "creator": "AT&T Laboratories Cambridge"}
    policy = {"permitted": permitted} if permitted else {}
    exit_code, report = audited(tmp_path, real_data / "orl" / "faces.tar", source=source, policy=policy)
    assert exit_code == code
    reasons = {each["reason"] for each in report["findings"]}
    what = "LicenseRef-ATT-Faces is not permitted: it does not permit commercial use, modification, sharing"
    assert reasons == (set() if permitted else {what})
