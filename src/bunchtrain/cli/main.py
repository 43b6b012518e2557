"""The command `bunchtrain`; each verb is a short function over the Python interface."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from bunchtrain.cli import aliases, catalogue, data, results
from bunchtrain.cli.run import run, tune
from bunchtrain.errors import BunchtrainError, DeprecatedKey

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
err = Console(stderr=True, soft_wrap=True)


@app.callback()
def options(
    trust_code: Annotated[
        bool,
        typer.Option(
            "--trust-code", help="Execute the Python files in run folders made by other users."
        ),
    ] = False,
) -> None:
    """Train, evaluate and export models on particle-physics data."""
    if trust_code:
        os.environ["BUNCHTRAIN_TRUST_CODE"] = "1"


for verb in (run, data.inspect, data.init, results.predict, results.evaluate, results.compare):
    app.command()(verb)
for verb in (results.report, results.export, tune, catalogue.parts, catalogue.studies):
    app.command()(verb)
for verb in (catalogue.schema, data.fetch):
    app.command()(verb)
for verb in (aliases.shift, aliases.workspace, aliases.reweight, aliases.capsules):
    app.command(hidden=True)(verb)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Print a deprecation note as one line, other warnings as Python does."""
    if issubclass(category, DeprecatedKey):
        err.print(f"bunchtrain: {message}", markup=False, highlight=False)
    else:
        err.print(warnings.formatwarning(message, category, *place[:2]), markup=False, end="")


def main() -> NoReturn:
    """Run the command; an error of the user is one sentence on standard error."""
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", DeprecatedKey)
    try:
        app()
    except BunchtrainError as problem:
        err.print(f"bunchtrain: {problem}", markup=False, highlight=False)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        err.print("bunchtrain: interrupted", markup=False, highlight=False)
        sys.exit(130)
    sys.exit(0)
