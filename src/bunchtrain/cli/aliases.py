"""Commands of release 0.1 that are now evaluations: they print the new command and run it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from bunchtrain.cli.results import evaluate
from bunchtrain.errors import DeprecatedKey, UserError

RunPaths = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="A run, or runs of different folds.")
]
By = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME or NAME=SIZE, e.g. jet_energy_scale=0.02, or 'COLUMN = EXPRESSION' at one "
        "standard deviation; can be repeated."
    ),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Output file.")]


def shift(
    runs: RunPaths,
    by: By = None,
    steps: Annotated[int, typer.Option(min=0, help="Number of shift sizes.")] = 0,
) -> None:
    """Propagate ±1σ systematic variations to scores, cuts and significance."""
    sizes = parse_sizes(by or [])
    _evaluate("shift", "systematic_shift", runs, by=sizes)
    if steps:
        _evaluate("shift --steps", "response_curve", runs, by=sizes, steps=steps)


def workspace(
    runs: RunPaths,
    by: By = None,
    rate: Annotated[
        list[str] | None, typer.Option(help="CLASS=UNCERTAINTY of its rate, e.g. qcd=0.1.")
    ] = None,
    bins: Annotated[int, typer.Option(min=1, help="Maximum number of bins.")] = 10,
    min_background: Annotated[
        float,
        typer.Option(
            "--min-background", "--least", min=1, help="Effective background events in each bin."
        ),
    ] = 10.0,
) -> None:
    """Write pyhf workspaces of the scores with expected significance and limit."""
    _evaluate(
        "workspace",
        "expected_sensitivity",
        runs,
        by=parse_sizes(by or []),
        rates={name: size for name, size in parse_sizes(rate or []).items() if size is not None},
        bins=bins,
        min_background=min_background,
    )


def reweight(runs: RunPaths, output: Output = None) -> None:
    """Reweight one class to the distributions of the signal class."""
    _evaluate("reweight", "reweighting", runs, output=output and str(output))


def capsules(runs: RunPaths, output: Output = None) -> None:
    """Write the output capsules of capsule networks for the test set."""
    _evaluate("capsules", "capsules", runs, output=output and str(output))


def _evaluate(old: str, name: str, runs: list[Path], **options: Any) -> None:
    """Print a note with the new command, and run it; empty options are left out."""
    words = [f"{key}={_flow(value)}" for key, value in options.items() if value]
    quoted = (f"'{word}'" if " " in word or "{" in word else word for word in words)
    command = " ".join(["bunchtrain evaluate", name, *map(str, runs), *quoted])
    warnings.warn(
        f"'bunchtrain {old}' will not exist in the next release; it is now: {command}",
        DeprecatedKey,
        stacklevel=2,
    )
    evaluate(name, [*map(str, runs), *words])


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def parse_sizes(words: list[str]) -> dict[str, float | None]:
    """Return name → size from `name=size`, None from `name` and from `column = expression`.

    Raises UserError if a size is not a positive number.
    """
    found: dict[str, float | None] = {}
    for word in words:
        name, given, text = word.partition("=")
        if set(text) & set("+*/()"):  # an expression
            found[word] = None
            continue
        try:
            found[name] = float(text) if given else None
        except ValueError:
            raise UserError(f"'{word}': the size '{text}' is not a number") from None
        if given and not float(text) > 0:
            raise UserError(f"'{word}': the size must be above 0")
    return found
