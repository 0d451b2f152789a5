"""`mtf consent`: permissions of people to use their pictures. Add, list and check them, and revoke one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtf.core.counts import number
from mtf.core.errors import bad_value
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.config import Params
    from mtf.core.csv_files import Row
    from mtf.rights.consent import ConsentRule, Consents
    from mtf.takedown.revocation import Recorded

REFUSED = 1
SHOWN = 20

Subject = Annotated[str, typer.Argument(help="Slug of the identity, as on the roster.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
On = Annotated[str | None, typer.Option(help="Day to check for, YYYY-MM-DD. Default: release.date, else today.")]


def add_to(root: typer.Typer) -> None:
    app = typer.Typer(help="Record people's consents, check them, and revoke them.", no_args_is_help=True)
    root.add_typer(app, name="consent")
    app.command()(add)
    app.command("list")(list_consents)
    app.command()(check)
    app.command()(revoke)


def add(
    subject: Subject,
    form: Annotated[str, typer.Option(help="Name of the form that was signed.")],
    form_version: Annotated[str, typer.Option(help="Its version.")],
    scopes: Annotated[str, typer.Option(help="Purposes, separated by ;, such as 'training;evaluation'.")],
    given_on: Annotated[str, typer.Option(help="Day of the signature, YYYY-MM-DD.")],
    age: Annotated[int, typer.Option(help="Age of the subject on that day.")],
    reference: Annotated[str, typer.Option(help="Where the signed form is kept.")],
    given_by: Annotated[str, typer.Option(help="self or guardian.")] = "self",
    valid_until: Annotated[str, typer.Option(help="Last day of validity, YYYY-MM-DD. Default: until revoked.")] = "",
) -> None:
    """Record a signed consent form in data/consent.csv."""
    from mtf.rights import consent_records
    from mtf.schemas import consent_file

    workspace = ProjectPaths.find()
    given = {
        "subject": subject,
        "form": form,
        "form_version": form_version,
        "scopes": scopes,
        "given_on": given_on,
        "valid_until": valid_until,
        "given_by": given_by,
        "age": str(age),
        "reference": reference,
    }
    values = consent_file.values_of(_options(given))
    if values["given_on"] > (today := dt.datetime.now().astimezone().date()):
        raise bad_value("--given-on", given_on, f"the day of the signature, {today} or before")
    is_new = consent_records.add(workspace.consent, values)
    print(f"{workspace.relative(workspace.consent)}: {'added' if is_new else 'recorded already'}")
    _write_dependencies(workspace)
    print("Next: `dvc add data`, then `dvc repro`")


def list_consents(on: On = None, as_json: Json = False) -> None:
    """List the consents, with their state on a day."""
    from mtf.duties.origin import number

    workspace, _, rule = _project(on)
    rows = [*_stated(workspace, rule)]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        form = f"{row['form']} {row['form_version']}"
        print(f"{row['given_on']}  {row['state']:<14}  {row['subject']}  {form}  {', '.join(row['scopes'])}")
    people = len({row["subject"] for row in rows})
    consents, subjects = number(len(rows), "consent"), number(people, "person", "people")
    print(f"{consents} of {subjects}; states on {rule.on}")


def check(
    on: On = None,
    purpose: Annotated[
        list[str] | None, typer.Option(help="Purpose to check for; may be repeated. Default: release.purposes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that everybody on the roster permits a release. Exit code 0: all do, 1: somebody does not, 2: bad input."""
    from mtf.rights.consent import Consents
    from mtf.schemas import consent_file, roster_file

    workspace, params, rule = _project(on, purpose)
    consents = Consents(consent_file.load(workspace.consent), rule)
    roster = roster_file.load(workspace.roster, params)["identity"].to_list()
    refused = {subject: refusal for subject in roster if (refusal := consents.refusal(subject))}
    if as_json:
        people = {subject: {"code": str(each.reason), "detail": each.detail} for subject, each in refused.items()}
        head = {"on": rule.on.isoformat(), "purposes": list(rule.purposes), "people": len(roster)}
        print(json.dumps({**head, "refused": people}, indent=2, ensure_ascii=False))
    else:
        print(*_checked(consents, roster, params, rule), sep="\n")
    if refused:
        raise typer.Exit(REFUSED)


def revoke(
    subject: Subject,
    reference: Annotated[str, typer.Option(help="Reference to the request, such as a letter or a ticket.")],
    requested_by: Annotated[str, typer.Option(help="Who asks for it: subject, guardian, or a name.")] = "the subject",
    reason: Annotated[str, typer.Option(help="Reason in a few words.")] = "consent revoked",
    on: Annotated[str | None, typer.Option(help="Day of the revocation, YYYY-MM-DD. Default: today.")] = None,
    record_only: Annotated[
        bool, typer.Option("--record-only", help="Only record it; run `dvc repro` and git yourself.")
    ] = False,
) -> None:
    """Revoke a person's consents, take their pictures down, and make and commit the version without them.

    The command that follows, `mtf takedown erase`, erases them from every version and writes the receipt.
    """
    from mtf import config
    from mtf.takedown import revocation
    from mtf.takedown.requests import Request

    workspace = ProjectPaths.find()
    params = config.load(workspace.params)
    request = Request(subject, reason, requested_by, reference)
    day = _day("--on", on) if on else dt.datetime.now(dt.UTC).date()
    recorded = revocation.record(request, workspace, params, on=day)
    print(*_recorded(subject, recorded), sep="\n", flush=True)
    if record_only:
        print("Next: `dvc repro`, `git add data.dvc dvc.lock metrics && git commit`, then `mtf takedown erase`")
        return
    committed = revocation.make_version(workspace, message=f"Take down after a revoked consent ({reference})")
    print(
        f"committed: {', '.join(committed)}" if committed else "nothing to commit: the version is without them already"
    )
    print("Next: `mtf takedown erase --signed-by YOU`")


def _options(given: dict[str, str]) -> Row:
    """Options as a row of the file, whose messages name the option in place of the cell."""
    from mtf.core.csv_files import Row

    class Options(Row):
        def column(self, name: str) -> str:
            return f"--{name.replace('_', '-')}" if name != "subject" else "SUBJECT"

    return Options(0, given, "")


def _project(on: str | None, purposes: list[str] | None = None) -> tuple[ProjectPaths, Params, ConsentRule]:
    from mtf import config
    from mtf.rights.consent import ConsentRule
    from mtf.schemas import consent_file

    workspace = ProjectPaths.find()
    params = config.load(workspace.params)
    day = _day("--on", on) if on else params.release.date or dt.datetime.now(dt.UTC).date()
    wanted = params.release.purposes if purposes is None else consent_file.scopes_of(";".join(purposes), "--purpose")
    return workspace, params, ConsentRule(wanted, day, params.licenses.age_of_consent)


def _day(option: str, text: str) -> dt.date:
    from mtf.core.errors import bad_value

    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise bad_value(option, text, "a day of the calendar, YYYY-MM-DD") from None


def _stated(workspace: ProjectPaths, rule: ConsentRule) -> Iterator[dict[str, Any]]:
    from mtf.rights import consent
    from mtf.schemas import consent_file

    for row in consent_file.load(workspace.consent).iter_rows(named=True):
        days = {name: None if row[name] is None else row[name].isoformat() for name in consent_file.DAYS}
        yield {**row, **days, "state": consent.state(row, rule)}


def _checked(consents: Consents, roster: list[str], params: Params, rule: ConsentRule) -> Iterator[str]:
    """Lines on the people who do not permit the release, by code, each with what to do."""
    from mtf.rights.audit.findings import RECOMMENDATIONS, Code
    from mtf.rights.consent import REASONS

    refused = {subject: refusal for subject in roster if (refusal := consents.refusal(subject))}
    for reason in REASONS:
        people = [(subject, each.detail) for subject, each in refused.items() if each.reason == reason]
        if people:
            yield f"{reason}: {len(people)}. {RECOMMENDATIONS[Code(reason)]}"
            yield from (f"  {subject}: {detail}" for subject, detail in people[:SHOWN])
            if len(people) > SHOWN:
                yield f"  … and {len(people) - SHOWN} more; all of them: mtf consent check --json"
    yield f"{len(roster) - len(refused)} of {len(roster)} people permit {', '.join(rule.purposes)} on {rule.on}"
    strangers = consents.table.filter(~consents.table["subject"].is_in(roster))["subject"].unique().sort().to_list()
    if strangers:
        yield f"not on the roster: {', '.join(strangers[:SHOWN])}{', …' if len(strangers) > SHOWN else ''}"
    if params.licenses.basis == "license":
        yield "licenses.basis is license: releases do not ask for these consents"
    is_identifying = any(task.column == "identity" for task in params.tasks.values())
    if is_identifying and "biometric_identification" not in rule.purposes:
        yield "a task predicts who a face is: is biometric_identification a purpose of this release?"


def _recorded(subject: str, recorded: Recorded) -> Iterator[str]:
    changed, of = recorded.revocation.changed, recorded.revocation.consents
    yield f"{subject}: {changed} of {number(of, 'consent')} revoked" if changed else f"{subject}: revoked already"
    if recorded.takedown is None:
        yield "no version on this machine has the person; nothing to take down"
        return
    pictures = recorded.takedown.pictures
    matched = number(pictures, "picture matches", "pictures match")
    yield f"takedown recorded: {matched}, in all versions that are on this machine"
    for unreadable in recorded.takedown.unreadable_versions[:SHOWN]:
        yield f"WARNING: not looked through: {unreadable}"


def _write_dependencies(workspace: ProjectPaths) -> None:
    """Make the stages depend on the file, now that it exists; before that DVC would have stopped at it."""
    from mtf.core.errors import BadInput
    from mtf.pipeline import code_deps

    try:
        changed = code_deps.write(workspace) if (workspace.root / code_deps.PIPELINE).is_file() else []
    except BadInput as error:
        print(f"dvc.yaml: not changed: {error}")
        return
    if changed:
        print(f"dvc.yaml: {', '.join(each.stage for each in changed)} depend on it from now on")
