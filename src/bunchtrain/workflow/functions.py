"""Functions of the public Python interface that are commands, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bunchtrain.errors import UserError
from bunchtrain.files import as_path, write_text
from bunchtrain.report.results import Results
from bunchtrain.study import Study, load, select_models
from bunchtrain.tables.inspect.drafting import Hints, sketch
from bunchtrain.workflow.check import Check
from bunchtrain.workflow.check import check as check_study
from bunchtrain.workflow.run import Run, evaluate
from bunchtrain.workflow.tune import SearchResult, search

#: Finished runs: one, or one for each fold.
Runs = Run | Sequence[Run]


def init(
    files: str | Path | Sequence[str | Path],
    output: Path | str = "study.yaml",
    *,
    target: str | None = None,
    rows: str | Sequence[str] | None = None,
    time: str | None = None,
) -> Study:
    """Write a commented starting study for data files, and return it.

    Args:
        files: with the same columns.
        output: study file to write.
        target: column that is predicted, `none` for a study without labels; recognised if None.
        rows: prefix of the object that is a row, or of several objects; recognised if None.
        time: column of the time of a series, `none` if rows have no order; recognised if None.

    Raises UserError if the output exists, DataError if the files cannot be read.
    """
    if as_path(output, "the output").exists():
        raise UserError(f"{output} already exists; choose another output")
    listed = list(files) if isinstance(files, list | tuple) else [files]
    paths = [str(as_path(file, "a file")) for file in listed]
    found = sketch(paths, Hints(target, rows, time))
    write_text(Path(output), found.text)
    return load(output)


def check(study: Study | str | Path, *assignments: str, size: str | None = None) -> Check:
    """Return what a run of a study would find, from a sample of its events, without a training.

    Args:
        study: a loaded study, or the first argument of `load`.
        assignments: dotted overrides, where the study is not loaded yet.
        size: `demo`, `small` or `full`.
    """
    return check_study(_loaded(study, assignments, size))


def tune(
    study: Study | str | Path,
    space: Path | str | Mapping[str, Any] | None = None,
    *assignments: str,
    size: str | None = None,
    only: Sequence[str] = (),
    **options: Any,
) -> SearchResult:
    """Return the result of a search of hyperparameters.

    Args:
        study: a loaded study, or the first argument of `load`.
        space: dotted key → {low, high, log} or {choices}, or a YAML file of it.
        assignments: dotted overrides, where the study is not loaded yet.
        size: `demo`, `small` or `full`.
        only: the model to tune, if the study has several.
        options: `metric`, `trials`, `workers`, `engine` and `folder`, as of the command.
    """
    return search(select_models(_loaded(study, assignments, size), only), space, **options)


def shift(runs: Runs, by: Mapping[str, float | None] | None = None) -> Results:
    """Return the effect of ±1σ of systematic effects on scores, cuts and significance.

    Args:
        runs: finished runs.
        by: effect → its size; those of the study if None.
    """
    return evaluate(runs, "systematic_shift", **({"by": dict(by)} if by else {}))


def workspace(runs: Runs, **options: Any) -> Results:
    """Write pyhf workspaces of the scores, and return expected significance and limit.

    `options` are those of the evaluation `expected_sensitivity`, as `by`, `rates` and `bins`.
    """
    return evaluate(runs, "expected_sensitivity", **options)


def reweight(runs: Runs, output: Path | str | None = None) -> Results:
    """Return the reweighting of one class to the distributions of the signal class.

    Args:
        runs: finished runs.
        output: file for the factors.
    """
    return evaluate(runs, "reweighting", **({"output": str(output)} if output else {}))


def _loaded(study: Study | str | Path, assignments: Sequence[str], size: str | None) -> Study:
    return study if isinstance(study, Study) else load(study, *assignments, size=size)
