"""Expected significance and limit of binned scores, with systematic effects, by pyhf."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import StudyError, nearest
from bunchtrain.evaluations._class_evaluation import ClassPredictions
from bunchtrain.evaluations._evaluation import EvaluatedRun
from bunchtrain.evaluations._systematic_evaluation import (
    By,
    SystematicEvaluation,
    fix_on_nominal,
    score_events,
)
from bunchtrain.files import write_json
from bunchtrain.parts.ranges import InnerFraction
from bunchtrain.report.content import Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.changes import CutsAndBins, binning_optimism
from bunchtrain.statistics.likelihood.expected import (
    expected_limit,
    expected_significance,
    import_pyhf,
    limit_std,
)
from bunchtrain.statistics.likelihood.workspace import (
    Template,
    histogram,
    unphysical_bins,
    workspace,
)
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.statistics.metrics.sample import student_t
from bunchtrain.statistics.scored_events import ScoredEvents, bootstrap_weights
from bunchtrain.study import Study

#: Uncertainties in a likelihood: Poisson fluctuations of the data alone; effects and rates as well;
#: and also that of the finite simulation.
LEVELS = ("counts", "effects", "all")
#: Number of bootstrap samples of the simulation, for the errors, and the share of a fluctuation
#: that each has: a whole one of a bin of ten events is not linear: errors 3 to 9 % larger.
SAMPLES, SHARE = 20, 0.5


class ExpectedSensitivity(SystematicEvaluation):
    """Expected significance and upper limit of a binned likelihood of each score.

    The bins are those of the largest significance on the nominal test set. Metrics are
    `expected_significance_<level>` (Asimov, arXiv:1007.1727) and `expected_limit_<level>` (on μ, at
    95 % CL_s), with the uncertainties `counts` (only the data fluctuate), `effects` (also effects
    and rates) and `all` (also the finite simulation). Their errors are √(σ² + o²) with σ of a
    bootstrap of the simulation, times Student's t, and the bias o of bins that are chosen on the
    same events, `binning_optimism`. The workspaces are written to `<model>.json` in the folder of
    the evaluation, the bins, of ln p_S / Σ_k p_k, to `<model>.bins.json`. Bins with negative
    expected events are listed below the table.

    by              Effect → size of one standard deviation, the study's or the part's own if null;
                    or a list of effects; all of the study if empty.
    rates           Class → relative uncertainty of its rate.
    bins            Largest number of bins.
    min_background  Effective background events, (Σw)²/Σw², that every bin needs.
    """

    of_events, needs_effects = True, False

    def __init__(
        self,
        *,
        by: By = {},  # noqa: B006 (never changed)
        rates: dict[str, InnerFraction] = {},  # noqa: B006 (never changed)
        bins: Annotated[int, Field(ge=1, le=1000)] = 10,
        min_background: Annotated[float, Field(ge=1, le=1e12)] = 10.0,
        target: str | None = None,
    ) -> None:
        super().__init__(target=target, by=by)
        self.rates, self.bins, self.min_background = rates, bins, min_background

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, effect or class, or a rate outside (0, 1).

        Raises MissingDependency if pyhf is not installed.
        """
        super().check(study)
        classes = self.targets(study)[0].classes
        for name, rate in self.rates.items():
            if name not in classes:
                hint = nearest(name, classes)
                raise StudyError(
                    f"evaluation '{self.name}': rates: there is no class '{name}'{hint}"
                )
            if not 0 < rate < 1:
                raise StudyError(
                    f"evaluation '{self.name}': rates: the uncertainty of '{name}' must be between "
                    f"0 and 1, got {rate:g}"
                )
        import_pyhf()

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return significance and limit of each model, and write its workspace.

        Raises DataError if a class has no events, nominal or shifted, or for too few events.
        """
        results = Results(title="Expected sensitivity")
        folder = run.folder / "evaluations" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        effects = list(self.effects(run.study))
        for events in self.predictions(run):
            shifted = {
                name: [self.shift(events, name, sign) for sign in (1, -1)] for name in effects
            }
            found = {}
            for model in events.all_probabilities:
                nominal = score_events(events, model)
                fixed = fix_on_nominal(events, nominal, (), self.bins, self.min_background)
                both = {
                    name: [(score_events(one, model), one.truth) for one in pair]
                    for name, pair in shifted.items()
                }
                binned = _BinnedEvents((nominal, events.truth), both, events, fixed, self.rates)
                optimism = binning_optimism(nominal, fixed, self.bins, self.min_background, SAMPLES)
                found[model] = _measure(binned, folder / f"{model}.json", optimism)
            first = next(iter(found.values()))
            results.metrics = {
                model: {
                    f"{events.prefix}expected_{name}_{level}": value.as_dict()
                    for name, by_level in (("significance", one.significance), ("limit", one.limit))
                    for level, value in by_level.items()
                }
                for model, one in found.items()
            }
            results.tables = list(_tables(found, first, effects))
            results.details = {
                "effects": effects,
                "models": {name: one.as_dict(first) for name, one in found.items()},
            }
        return results


@dataclass(frozen=True)
class Sensitivity:
    """Expected sensitivity of a binned likelihood of one score.

    bins          number of bins.
    significance  level → expected significance.
    limit         level → expected upper limit on μ at 95 % CL_s.
    remarks       sentences on bins with negative expected events.
    replicas      level → significance in each bootstrap sample, with the same weights of events
                  for all models.
    """

    bins: int
    significance: dict[str, Measurement]
    limit: dict[str, Measurement]
    replicas: dict[str, NDArray[np.float64]]
    remarks: list[str]

    def ratio(self, to: Sensitivity, level: str) -> Measurement:
        """Return the ratio of the significances; fluctuations of common events cancel."""
        ratios = self.replicas[level] / to.replicas[level]
        value = self.significance[level].value / to.significance[level].value
        return Measurement(value, float(np.std(ratios, ddof=1)) / SHARE)

    def as_dict(self, first: Sensitivity) -> dict[str, Any]:
        """Return the sensitivity, and its ratio to that of the first model, for JSON."""
        return {
            "bins": self.bins,
            "remarks": self.remarks,
            "significance": {level: one.as_dict() for level, one in self.significance.items()},
            "limit": {level: one.as_dict() for level, one in self.limit.items()},
            "ratio": {level: self.ratio(first, level).as_dict() for level in LEVELS},
        }


#: Scores of events, and the index of the class of each.
_ClassScores = tuple[ScoredEvents, NDArray[Any]]


@dataclass(frozen=True)
class _BinnedEvents:
    """The events of a model in the bins of its score, nominal and shifted."""

    nominal: _ClassScores
    shifted: Mapping[str, Sequence[_ClassScores]]
    events: ClassPredictions
    fixed: CutsAndBins
    rates: Mapping[str, float]

    def templates(self, sample: int | None = None) -> dict[str, Template]:
        """Return the templates of all classes, of a bootstrap sample if its index is given."""
        nominal = self._histograms(self.nominal, sample)
        shifted = {
            effect: [self._histograms(one, sample) for one in both]
            for effect, both in self.shifted.items()
        }
        return {
            name: Template(
                *nominal[k],
                {effect: (up[k][0], down[k][0]) for effect, (up, down) in shifted.items()},
                self.rates.get(name, 0.0),
            )
            for k, name in enumerate(self.events.target.classes)
        }

    def _histograms(
        self, events: _ClassScores, sample: int | None
    ) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Return the histogram of each class."""
        scored, truth = events
        weight = scored.weight
        if sample is not None:
            weight = weight * sample_weights(scored.entry, sample)
        return [
            histogram(scored.score[own], self.fixed.edges, weight[own], self.fixed.scale)
            for own in (truth == k for k in range(len(self.events.target.classes)))
        ]

    def workspaces(self, sample: int | None = None) -> dict[str, dict[str, Any]]:
        """Return level → workspace."""
        full = self.templates(sample)
        none = np.zeros_like(self.fixed.edges[1:])
        levels = {
            "counts": {name: Template(t.nominal, none) for name, t in full.items()},
            "effects": {n: Template(t.nominal, none, t.shifts, t.rate) for n, t in full.items()},
            "all": full,
        }
        return {name: workspace(one, self.events.signal, "score") for name, one in levels.items()}


def _measure(binned: _BinnedEvents, path: Path, optimism: float) -> Sensitivity:
    """Return the sensitivity, and write the workspace with all uncertainties and its bins."""
    specs, edges = binned.workspaces(), np.asarray(binned.fixed.edges)
    write_json(path, specs["all"])
    others = ", ".join(binned.events.backgrounds)
    described = {
        "variable": f"ln(p_S/Σ_k p_k), natural logarithm; S: {binned.events.signal}; k: {others}",
        "edges": edges.tolist(),
        "convention": "a bin includes its lower edge; the first and last bin are open",
    }
    write_json(path.with_suffix(".bins.json"), described)
    samples = [binned.workspaces(index) for index in range(SAMPLES)]
    significance, limit, replicas = {}, {}, {}
    for level in LEVELS:
        replicas[level] = np.array([expected_significance(one[level]) for one in samples])
        value, std = expected_significance(specs[level]), float(np.std(replicas[level], ddof=1))
        significance[level] = _measured(value, std, optimism)
        value = expected_limit(specs[level])
        std = limit_std(specs[level], value, [one[level] for one in samples])
        limit[level] = _measured(value, std, optimism)
    remarks = unphysical_bins(binned.templates(), binned.events.signal)
    return Sensitivity(len(edges) - 1, significance, limit, replicas, remarks)


def sample_weights(entry: NDArray[Any], sample: int) -> NDArray[np.float64]:
    """Return the weights 1 + `SHARE` (n − 1) of a sample, n of mean 1 from Poisson, (events,)."""
    weights: NDArray[np.float64] = 1 + SHARE * (bootstrap_weights(entry, 1, sample) - 1)
    return weights


def _measured(value: float, std: float, optimism: float) -> Measurement:
    """Return a value with its error, from σ of the samples and the share by which it is biased."""
    return Measurement(value, float(np.hypot(std / SHARE * student_t(SAMPLES), optimism * value)))


def _tables(
    found: Mapping[str, Sensitivity], first: Sensitivity, effects: Sequence[str]
) -> list[Table]:
    """Return the tables of significance, limit and, of several models, ratio to the first."""
    columns = ["Model", "Bins", *(level.capitalize() for level in LEVELS)]
    also = ", ".join([*effects, "rates"])
    note = (
        f"Counts: only the data fluctuate; effects: also {also}; all: also the finite simulation."
    )

    note += "".join(f" {name}: {text}" for name, one in found.items() for text in one.remarks)

    def table(caption: str, cells: Callable[[Sensitivity], Sequence[Measurement]]) -> Table:
        rows = [[name, one.bins, *map(str, cells(one))] for name, one in found.items()]
        return Table(caption, columns, rows)

    tables = [
        table(f"Expected significance Z. {note}", lambda one: list(one.significance.values())),
        table("Expected upper limit on μ, 95 % CL_s.", lambda one: list(one.limit.values())),
    ]
    if len(found) > 1:
        caption = f"Ratio of Z to that of {next(iter(found))}."
        tables.append(table(caption, lambda one: [one.ratio(first, k) for k in LEVELS]))
    return tables
