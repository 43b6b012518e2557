"""The command `bunchtrain`; each subcommand is a short function that calls the Python interface."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, NoReturn, TextIO

import typer
from rich.console import Console

from bunchtrain.cli import aliases, catalogue, data, results
from bunchtrain.cli.check import check
from bunchtrain.cli.display import display
from bunchtrain.cli.failures import as_error
from bunchtrain.cli.interruption import exit_code, received
from bunchtrain.cli.run import run, stage, tune
from bunchtrain.errors import DeprecatedKey, InterruptedRun
from bunchtrain.parts import report_own_errors

app = typer.Typer(invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False)
err = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)


@app.callback()
def options(
    context: typer.Context,
    trust_code: Annotated[
        bool,
        typer.Option(
            "--trust-code", help="Execute the Python files in run folders made by other users."
        ),
    ] = False,
) -> None:
    """Train, evaluate and export models on particle-physics data."""
    if context.invoked_subcommand is None:
        print(context.get_help())
    if trust_code:
        os.environ["BUNCHTRAIN_TRUST_CODE"] = "1"


#: In the order of the help text.
VERBS: list[Callable[..., None]] = [
    run,
    data.inspect,
    data.init,
    check,
    results.predict,
    results.generate,
    display,
]
VERBS += [results.evaluate, results.compare, results.report, results.export, tune, stage]
VERBS += [catalogue.parts, catalogue.studies, catalogue.schema, data.fetch]
DEPRECATED: list[Callable[..., None]] = [aliases.shift, aliases.workspace, aliases.reweight]
DEPRECATED += [aliases.capsules]
for verb in VERBS + DEPRECATED:
    app.command(hidden=verb in DEPRECATED)(verb)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a deprecation note as one line, other warnings as Python does."""
    if issubclass(category, DeprecatedKey):
        err.print(f"bunchtrain: {message}")
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        print(text, file=file or sys.stderr, end="")


def main() -> NoReturn:
    """Run the command; an error of the user is one sentence on standard error."""
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", DeprecatedKey)
    try:
        with report_own_errors():
            code = app(standalone_mode=False)
    except Exception as problem:
        error = as_error(problem)
        if error is None or (received and not isinstance(error, InterruptedRun)):
            raise
        err.print(f"bunchtrain: {error}")
        sys.exit(exit_code() if isinstance(error, InterruptedRun) else error.exit_code)
    if code == 128 + signal.SIGINT:  # typer's for KeyboardInterrupt
        raise KeyboardInterrupt
    sys.exit(code or 0)
