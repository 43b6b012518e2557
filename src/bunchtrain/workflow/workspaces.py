"""From a run's scores to binned likelihoods: a workspace a network, and what each promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from bunchtrain.errors import StudyError, nearest
from bunchtrain.files import write_json
from bunchtrain.statistics.changes import Analysis, Scored, replica
from bunchtrain.statistics.likelihood.expected import expected_quantile, expected_significance
from bunchtrain.statistics.likelihood.workspace import Template, histogram, workspace
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.workflow.prediction_table import Predictions, signal_of
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.result import Run
from bunchtrain.workflow.shifted import effects, variations
from bunchtrain.workflow.tested import class_target, fixed, of_folds, scored, several

#: Which uncertainties a likelihood knows of: those of the data's counts alone, those of effects and
#: rates too, and that of the finite simulation too.
LEVELS = ("counts", "effects", "all")
#: Bootstrap samples of the simulation, for the error of the significance.
SAMPLES = 20


@dataclass(frozen=True)
class Promise:
    """What a binned likelihood promises for one network.

    bins          number of bins.
    significance  level → expected significance; its error is that of the finite simulation.
    limit         level → expected upper limit on μ at 95 % CL_s.
    path          of the workspace with all uncertainties.
    replicas      level → significance in each bootstrap sample, the same events for all networks.
    """

    bins: int
    significance: dict[str, Measurement]
    limit: dict[str, float]
    path: Path
    replicas: dict[str, NDArray[np.float64]]

    def gain(self, over: Promise, level: str) -> Measurement:
        """Return the ratio of the significances; the fluctuations of common events cancel."""
        ratios = self.replicas[level] / over.replicas[level]
        value = self.significance[level].value / over.significance[level].value
        return Measurement(value, float(np.std(ratios, ddof=1)))


@dataclass
class Promises:
    """Expected significance and limit of each network; shows itself as a table."""

    title: str
    effects: Sequence[str]
    found: dict[str, Promise] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            "effects": list(self.effects),
            "networks": {
                network: {
                    "bins": one.bins,
                    "significance": {k: z.as_dict() for k, z in one.significance.items()},
                    "limit": one.limit,
                    "gain": {k: one.gain(self._first, k).as_dict() for k in LEVELS},
                }
                for network, one in self.found.items()
            },
        }

    @property
    def _first(self) -> Promise:
        return next(iter(self.found.values()))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        said = ", ".join([*self.effects, "rates"])
        yield self.title
        yield self._table("Expected significance Z", lambda one: one.significance.values())
        yield self._table(
            "Expected upper limit on μ, 95 % CL_s",
            lambda one: [f"{v:.3g}" for v in one.limit.values()],
        )
        if len(self.found) > 1:
            title = f"Z over that of {next(iter(self.found))}"
            yield self._table(title, lambda one: [one.gain(self._first, k) for k in LEVELS])
        yield (
            f"Counts: only the data fluctuate. Effects: also {said}. All: also the "
            "finite simulation. Errors: bootstrap of the simulation."
        )

    def _table(self, title: str, cells: Any) -> Table:
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("Network", style="bold", min_width=14)
        for heading in ("Bins", *(level.capitalize() for level in LEVELS)):
            table.add_column(heading, justify="right", no_wrap=True, min_width=13)
        for network, one in self.found.items():
            table.add_row(network, str(one.bins), *map(str, cells(one)))
        return table


def workspaces(
    runs: Run | Sequence[Run],
    by: Mapping[str, float | None],
    rates: Mapping[str, float] | None = None,
    bins: int = 10,
    least: float = 10.0,
) -> Promises:
    """Write a pyhf workspace of every network's score into the first run's folder.

    The bins are those of the largest expected significance on the nominal events of the test set.
    Returns the figures, which `promises.json` holds, too.

    Args:
        runs: finished run of a study with classes, or runs of its folds, counted as one.
        by: systematic effect → its size; the study's or the part's own if None.
        rates: class → relative uncertainty of its rate.
        bins: Largest number of bins.
        least: Effective background events, (Σw)²/Σw², that every bin needs.

    Raises:
        StudyError: there is no such effect or class.
        RunError: the study has no classes, or two runs test the same event.
        MissingDependency: pyhf is not installed.
    """
    runs = several(runs)
    nominal = of_folds([run.predictions for run in runs])
    target = class_target(nominal, "is no signal")
    _check(rates or {}, signal_of(nominal, target)[1])
    moved = variations(runs, effects(runs[0].study, by))
    found = Promises(runs[0].study.heading, list(by))
    for network in nominal.taggers:
        say(f"likelihood of {network}")
        analysis = fixed(scored(nominal, network, target), runs, bins, least)
        events = {name: [_events(one, network, target) for one in o] for name, o in moved.items()}
        own = _events(nominal, network, target)
        counted = _Counted(own, events, signal_of(nominal, target), analysis, rates or {})
        path = runs[0].folder.path / "workspaces" / f"{network}.json"
        found.found[network] = _promise(counted, path)
    write_json(runs[0].folder.path / "promises.json", found.as_dict())
    return found


def _check(rates: Mapping[str, float], names: Sequence[str]) -> None:
    for name, rate in rates.items():
        if name not in names:
            raise StudyError(f"--rate: there is no class '{name}'{nearest(name, names)}")
        if not 0 < rate < 1:
            raise StudyError(f"--rate: the uncertainty of '{name}' must be between 0 and 1")


#: Scores of events, and the number of each one's class.
_Events = tuple[Scored, NDArray[Any]]


def _events(outcome: Predictions, network: str, target: str) -> _Events:
    return scored(outcome, network, target), outcome.truth(target)


@dataclass(frozen=True)
class _Counted:
    """A network's events in bins, nominal and shifted.

    classes  number of the signal, and the names of all.
    """

    nominal: _Events
    moved: Mapping[str, Sequence[_Events]]
    classes: tuple[int, list[str]]
    analysis: Analysis
    rates: Mapping[str, float]

    def templates(self, sample: int | None = None) -> dict[str, Template]:
        """Return the templates of all classes, of a bootstrap sample if it has a number."""
        nominal = self._counts(self.nominal, sample)
        moved = {
            effect: [self._counts(events, sample) for events in both]
            for effect, both in self.moved.items()
        }
        return {
            name: Template(
                *nominal[k],
                {effect: (up[k][0], down[k][0]) for effect, (up, down) in moved.items()},
                self.rates.get(name, 0.0),
            )
            for k, name in enumerate(self.classes[1])
        }

    def _counts(
        self, events: _Events, sample: int | None
    ) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Return the histogram of each class."""
        own, label = events
        weight = own.weight if sample is None else own.weight * replica(own.entry, 1, sample)
        found = []
        for number in range(len(self.classes[1])):
            mine = label == number
            kept = own.score[mine], self.analysis.edges, weight[mine], self.analysis.scale
            found.append(histogram(*kept))
        return found

    def specs(self, sample: int | None = None) -> dict[str, dict[str, Any]]:
        """Return level → workspace."""
        full = self.templates(sample)
        none = np.zeros_like(self.analysis.edges[1:])
        signal, names = self.classes
        levels = {
            "counts": {name: Template(t.nominal, none) for name, t in full.items()},
            "effects": {n: Template(t.nominal, none, t.shifts, t.rate) for n, t in full.items()},
            "all": full,
        }
        return {level: workspace(one, names[signal], "score") for level, one in levels.items()}


def _promise(counted: _Counted, path: Path) -> Promise:
    specs = counted.specs()
    path.parent.mkdir(exist_ok=True)
    write_json(path, specs["all"])
    edges = np.asarray(counted.analysis.edges)
    write_json(path.with_suffix(".bins.json"), {"edges": edges.tolist()})
    z = {level: expected_significance(spec) for level, spec in specs.items()}
    samples = [counted.specs(number) for number in range(SAMPLES)]
    replicas = {
        level: np.array([expected_significance(one[level]) for one in samples]) for level in LEVELS
    }
    return Promise(
        len(edges) - 1,
        {level: Measurement(z[level], float(np.std(replicas[level], ddof=1))) for level in LEVELS},
        {level: expected_quantile(spec) for level, spec in specs.items()},
        path,
        replicas,
    )
