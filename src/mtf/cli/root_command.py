"""Root of the command line: help in full sentences, `-v`, `-q` and the log file, and errors as one line each."""

from __future__ import annotations

import logging
import os
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated, Any

import typer
from typer._click.exceptions import ClickException
from typer.core import TyperGroup

from mtf import __version__
from mtf.cli import log_file
from mtf.core import extras, interrupts, system_errors
from mtf.core.console import QUIET_VARIABLE
from mtf.core.errors import BadInput, MtfError, one_line

BROKEN_PIPE = 141
"""Exit code of a program whose reader has gone, as a shell sees it: 128 + SIGPIPE."""

log = logging.getLogger("mtf")


class FullHelpGroup(TyperGroup):
    """A group that lists its commands with the first sentence of their help, wrapped and never cut.

    It ends quietly when the reader of its output has gone; Typer would end with the exit code of a failed gate.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (as the base class)
        rows = [(name, each.get_short_help_str(limit=1000)) for name, each in self.commands.items() if not each.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(BROKEN_PIPE) from None


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"mtf {__version__}")
        raise typer.Exit


def options(
    version: Annotated[  # noqa: ARG001 (its callback prints it)
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", envvar="MTF_VERBOSE", help="Print details on standard error.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", envvar=QUIET_VARIABLE, help="Print results, warnings and errors alone: no progress."
        ),
    ] = False,
    log_to: Annotated[
        Path | None,
        typer.Option(
            "--log-file", envvar="MTF_LOG_FILE", help="Append details, output and errors to this file, with times."
        ),
    ] = None,
) -> None:
    """Build, version, audit and evaluate licensed face-image data sets."""
    if verbose and quiet:
        raise BadInput("--verbose and --quiet exclude each other; choose one")
    # For the processes that a command starts, too.
    if quiet:
        os.environ[QUIET_VARIABLE] = "1"
    log_file.configure(log_to, verbose=verbose)
    log.debug("version %s, arguments: %s", __version__, " ".join(sys.argv[1:]))


def run(app: typer.Typer) -> int:
    """Run the command line; the exit code.

    An expected error is one line on standard error. `--verbose` and the log file have its traceback, too.
    """
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == interrupts.EXIT_CODE:  # typer makes it of KeyboardInterrupt
            print("mtf: interrupted", file=sys.stderr)
        return code if isinstance(code, int) else 0
    except ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except Exception as error:
        code, line = _explained(error)
        if line is None:
            raise
        log.debug("traceback of the error", exc_info=True)
        if isinstance(error, OSError):
            _discard_output()
        print(f"mtf: {one_line(line)}", file=sys.stderr)
        return code
    finally:
        log_file.close()


def _explained(error: Exception) -> tuple[int, str | None]:
    """Exit code and line for an error; no line for one that nobody expects."""
    if isinstance(error, MtfError):
        return error.exit_code, str(error)
    if isinstance(error, ModuleNotFoundError) and (lacking := extras.missing(error)):
        return lacking.exit_code, str(lacking)
    if isinstance(error, typer.Abort):
        return interrupts.EXIT_CODE, "interrupted"
    if isinstance(error, BrokenProcessPool):
        return 2, "a worker process was ended from outside, perhaps for want of memory; lower compute.workers"
    if isinstance(error, OSError):
        return 2, system_errors.explained(error)
    return 2, None


def _discard_output() -> None:
    """Let the interpreter's last flush end well: what is left in the buffer has no reader."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.close(descriptor)
