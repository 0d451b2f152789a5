"""Command line of mtf. Each command imports its heavy libraries itself, so that `--help` is fast."""

from __future__ import annotations

import sys

import typer

from mtf.cli import (
    audit,
    compare,
    consent,
    dataset,
    deps,
    diff,
    duties,
    embed,
    evidence,
    fetch,
    label,
    models,
    project,
    publish,
    recall,
    release,
    review,
    root_command,
    sample,
    stages,
    subject,
    summary,
    takedown,
    verify,
    watch,
)

app = typer.Typer(
    name="mtf",
    cls=root_command.FullHelpGroup,
    callback=root_command.options,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
stages.add_to(app)
project.add_to(app)
deps.add_to(app)
duties.add_to(app)
subject.add_to(app)
takedown.add_to(app)
recall.add_to(app)
audit.add_to(app)
evidence.add_to(app)
consent.add_to(app)
summary.add_to(app)
publish.add_to(app)
diff.add_to(app)
release.add_to(app)
fetch.add_to(app)
sample.add_to(app)
review.add_to(app)
dataset.add_to(app)
label.add_to(app)
compare.add_to(app)
models.add_to(app)
embed.add_to(app)
verify.add_to(app)
watch.add_to(app)
for group in app.registered_groups:
    group.cls = root_command.FullHelpGroup


def main() -> None:
    """Entry point: prints an expected error as one line on standard error, and exits with its code."""
    sys.exit(root_command.run(app))
