"""From a run's scores to binned likelihoods: a workspace a network, and what each promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from bunchtrain.errors import RunError, StudyError, nearest
from bunchtrain.evaluation.likelihood.expected import expected_limit, expected_significance
from bunchtrain.evaluation.likelihood.workspace import Template, histogram, workspace
from bunchtrain.files import write_json
from bunchtrain.runs.outcome import Outcome, signal_of
from bunchtrain.runs.progress import say
from bunchtrain.runs.result import Run
from bunchtrain.runs.shifting import effect, fixed, scored, shifted


@dataclass(frozen=True)
class Promise:
    """What a binned likelihood promises for one network.

    bins          number of bins.
    significance  expected, with the error of the finite samples alone, and with all effects.
    limit         expected upper limit on μ at 95 % CL_s, likewise.
    path          of the workspace with all effects.
    """

    bins: int
    significance: tuple[float, float]
    limit: tuple[float, float]
    path: Path


@dataclass
class Promises:
    """Expected significance and limit of each network; shows itself as a table."""

    title: str
    effects: Sequence[str]
    found: dict[str, Promise] = field(default_factory=dict)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        said = ", ".join(self.effects) or "none"
        table = Table(title=f"{self.title}: binned likelihoods; systematic effects: {said}")
        table.add_column("Network")
        for heading in ("Bins", "Z, statistical", "Z, all", "μ limit, statistical", "μ limit, all"):
            table.add_column(heading, justify="right")
        for network, one in self.found.items():
            numbers = [f"{value:.3g}" for value in (*one.significance, *one.limit)]
            table.add_row(network, str(one.bins), *numbers)
        yield table


def workspaces(
    run: Run,
    by: Mapping[str, float | None],
    rates: Mapping[str, float] | None = None,
    bins: int = 10,
) -> Promises:
    """Write a pyhf workspace of every network's score into the run's folder and return the figures.

    The bins are those of the largest expected significance on the test set's nominal events.

    Args:
        run: finished run of a study with classes.
        by: systematic effect → its size; the study's or the part's own if None.
        rates: class → relative uncertainty of its rate.
        bins: Largest number of bins.

    Raises:
        StudyError: there is no such effect or class.
        RunError: the study has no classes.
        MissingDependency: pyhf is not installed.
    """
    target = next(iter(run.predictions.classifiers), None)
    if target is None:
        raise RunError(f"study '{run.study.name}' has no classes, so there is no signal")
    _, names = signal_of(run.predictions, target)
    _check(rates or {}, names)
    moved = {
        name: [shifted(run, name, effect(run.study, name, size), sign) for sign in (1, -1)]
        for name, size in by.items()
    }
    found = Promises(run.study.heading, list(by))
    for network in run.predictions.taggers:
        say(f"likelihood of {network}")
        found.found[network] = _promise(run, network, target, moved, rates or {}, bins)
    return found


def _check(rates: Mapping[str, float], names: Sequence[str]) -> None:
    for name, rate in rates.items():
        if name not in names:
            raise StudyError(f"--rate: there is no class '{name}'{nearest(name, names)}")
        if not 0 < rate < 1:
            raise StudyError(f"--rate: the uncertainty of '{name}' must be between 0 and 1")


def _promise(
    run: Run,
    network: str,
    target: str,
    moved: Mapping[str, list[Outcome]],
    rates: Mapping[str, float],
    bins: int,
) -> Promise:
    signal, names = signal_of(run.predictions, target)
    analysis = fixed(scored(run.predictions, network, target), run.study, bins)

    def counts(outcome: Outcome, number: int) -> tuple[NDArray[Any], NDArray[Any]]:
        own, chosen = scored(outcome, network, target), outcome.truth(target) == number
        return histogram(own.score[chosen], analysis.edges, own.weight[chosen], analysis.scale)

    templates = {
        name: Template(
            *counts(run.predictions, k),
            {e: (counts(up, k)[0], counts(down, k)[0]) for e, (up, down) in moved.items()},
            rates.get(name, 0.0),
        )
        for k, name in enumerate(names)
    }
    bare = {name: Template(t.nominal, t.error) for name, t in templates.items()}
    specs = [workspace(one, names[signal], "score") for one in (bare, templates)]
    path = run.folder.path / "workspaces" / f"{network}.json"
    path.parent.mkdir(exist_ok=True)
    write_json(path, specs[1])
    write_json(path.with_suffix(".bins.json"), {"edges": np.asarray(analysis.edges).tolist()})
    z = [expected_significance(spec) for spec in specs]
    limits = [expected_limit(spec)[0] for spec in specs]
    return Promise(len(analysis.edges) - 1, (z[0], z[1]), (limits[0], limits[1]), path)
