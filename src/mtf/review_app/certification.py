"""Certification: how many looks a bound on wrong people takes, and what the answers so far say."""

from __future__ import annotations

import secrets

from mtf.annotation.acceptance_sampling import CONFIDENCE, looks_needed
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.curation import certificate

RELEASE = "`dvc repro --single-item --force release` writes it into the release's card and Croissant file"
# Numbers of wrong faces in the sample for which the plan is shown.
SHOWN_WRONG = (0, 1, 2, 4)


def planned(
    workspace: ProjectPaths, params: Params, *, max_share: float, allowed: int, anew: bool, writes: bool
) -> str:
    """Plan the certificate, unless one of the current data set is open already; returns text on the looks.

    writes: False only says how many looks are needed.
    """
    faces = certificate.curated_faces(workspace, params)
    sizes = [stratum.height for stratum in certificate.strata(faces)]
    lines = [
        f"{faces.height} faces in the curated set; looks for at most {max_share:.2%} wrong people ({CONFIDENCE:.0%})"
    ]
    reachable = int(max_share * faces.height)
    for wrong in sorted({*SHOWN_WRONG, allowed}):
        if wrong > reachable:
            share = (reachable + 1) / faces.height
            lines.append(f"  no number of looks, if more turn out wrong: {reachable + 1} are {share:.2%} already")
            break
        looks = sum(looks_needed(sizes, max_share=max_share, allowed=wrong))
        lines.append(f"  {looks} looks, if {_at_most(wrong)} out wrong")
    plan = certificate.read_plan(workspace)
    if plan is not None and not certificate.holds(plan, faces):
        lines.append("The data set has changed since the last certificate, which is invalid now.")
        plan = None
    if writes and (plan is None or anew):
        plan = certificate.make_plan(
            workspace, faces, max_share=max_share, allowed=allowed, seed=secrets.randbelow(2**63)
        )
        lines.append(f"Drawn: {_drawn(plan)}")
    elif plan is not None:
        lines.append(f"Open: the sample of {plan.made_at:%Y-%m-%d %H:%M} UTC, {_drawn(plan)}")
    return "\n".join(lines)


def _at_most(wrong: int) -> str:
    if wrong == 0:
        return "none of them turns"
    return f"at most {wrong} of them {'turns' if wrong == 1 else 'turn'}"


def _drawn(plan: certificate.Plan) -> str:
    if len(plan.looks) == 1:
        return f"{plan.looks[0]} faces at random"
    doubtful, rest = plan.looks
    return f"{doubtful} of the doubtful faces and {rest} of the others, at random"


def result(workspace: ProjectPaths, params: Params) -> str:
    """Text on the certificate as it stands."""
    found = certificate.read(workspace, params)
    if found is None:
        return "No certificate is planned."
    lines = [certificate.in_words(found)]
    if (attention := certificate.decoy_line(found)) is not None:
        lines.append(attention)
    lines += [f"  {line}" for line in certificate.group_lines(found)]
    if found.bound is not None:
        lines.append(RELEASE)
    return "\n".join(lines)
