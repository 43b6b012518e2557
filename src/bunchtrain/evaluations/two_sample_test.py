"""Statistics of the test whether data have the distribution of a reference, for toys.

A statistic alone is no p-value: the evaluation `p_value` compares it with that of toys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.report.content import Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement, Metrics, auc, roc
from bunchtrain.statistics.two_sample import binned_chi_squared, energy_distance, largest_ks
from bunchtrain.study import Study
from bunchtrain.tables.expressions.expression import Expression, as_real
from bunchtrain.targets import Quantity, Target

Values = NDArray[np.float64]
#: Rows of a block of events.
_ROWS = 65_536
_SETS = ("train", "validation", "test")
#: Largest |ln of a ratio of probabilities|.
_LIMIT = 30.0
#: Name of the statistics without a network.
CLASSICAL = "classical"


class TwoSampleTest(Evaluation):
    """Statistics of a two-sample test: log likelihood ratio and AUC of each model, and classical.

    The first class of the target is the reference, the second the data. With the ratio r(x) =
    p(data)/p(reference) that a model predicts, t = 2 [Σ_data w ln r − Σ_reference w (r − 1)]
    (arXiv:1806.02350) and the AUC (arXiv:1610.06545). Beside them, of the same events and as
    model `classical`: Kolmogorov–Smirnov and χ² of each column, and the energy distance of all.

    target   Target of two classes; the first one if unset.
    columns  Columns or expressions for the classical statistics; the inputs of the models if unset.
    sets     Sets of events for the statistics of models; those without a model are of all sets.
    bins     Bins of a column for χ².
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        columns: Sequence[str] = (),
        sets: Sequence[Literal["train", "validation", "test"]] = ("test",),
        bins: Annotated[int, Field(ge=2, le=1000)] = 10,
    ) -> None:
        self.target, self.columns, self.bins = target, tuple(columns), bins
        self.sets = tuple(dict.fromkeys(sets))

    def check(self, study: Study) -> None:
        """Raise StudyError without a target of two classes."""
        self.two_samples(study, self.target)
        if not self.sets:
            raise StudyError(f"evaluation '{self.name}': sets: give one, such as test")

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the statistics of each model, and the classical ones."""
        target = self.class_target(run.study, self.target)
        models = run.models
        columns = self.columns or sorted({c for one in models.values() for c in one.columns})
        is_data, weight, scores, values = self._read(run, target, columns)
        found: dict[str, Metrics] = {
            name: _statistics(is_data[name], weight[name], one) for name, one in scores.items()
        }
        found[CLASSICAL] = self._classical(is_data[CLASSICAL], weight[CLASSICAL], values)
        rows = [
            [name, statistic, f"{one['value']:.4g}"]
            for name, metrics in found.items()
            for statistic, one in metrics.items()
        ]
        caption = (
            "Statistics of the two-sample test, large for data unlike the reference; their "
            "p-values are by toys."
        )
        return Results(found, [], [Table(caption, ["Model", "Statistic", "Value"], rows)])

    def _read(
        self, run: EvaluatedRun, target: Target, columns: Sequence[str]
    ) -> tuple[dict[str, Values], dict[str, Values], dict[str, Values], Values]:
        """Return by model whether events are data, weights and ln r, (events,), and the columns."""
        parts: dict[str, list[tuple[Values, ...]]] = {name: [] for name in (*run.models, CLASSICAL)}
        expressions = {name: Expression(name) for name in columns}
        for split in _SETS:
            for block in run.events(_ROWS, split=split):
                label = ak.to_numpy(block[f"target_{target.name}"]).astype(np.int64)
                weight = ak.to_numpy(block["event_weight"]).astype(np.float64)
                given = [as_real(one(block), name) for name, one in expressions.items()]
                parts[CLASSICAL].append((label, weight, np.stack(given, 1)))
                if split not in self.sets:
                    continue
                for name, model in run.models.items():
                    score = log_ratio(model.predict(block), model.quantities, target)
                    parts[name].append((label, weight, score))
        joined = {
            name: [np.concatenate(one) for one in zip(*blocks, strict=True)]
            for name, blocks in parts.items()
        }
        for name, (label, _, _) in joined.items():
            if not 0 < label.sum() < len(label):
                raise DataError(f"the events for '{name}' are of one class alone")
        scores = {name: one[2] for name, one in joined.items() if name != CLASSICAL}
        is_data = {name: one[0] for name, one in joined.items()}
        return is_data, {n: one[1] for n, one in joined.items()}, scores, joined[CLASSICAL][2]

    def _classical(self, label: Values, weight: Values, values: Values) -> Metrics:
        """Return the statistics without a network."""
        first, second = values[label == 0], values[label == 1]
        weights = weight[label == 0], weight[label == 1]
        found = {
            "kolmogorov_smirnov": largest_ks(first, second, weights),
            "energy_distance": energy_distance(first, second),
            "chi_squared": binned_chi_squared(first, second, weights, self.bins),
        }
        return {name: Measurement(value).as_dict() for name, value in found.items()}


def log_ratio(
    predicted: Mapping[str, Values],
    quantities: Mapping[str, tuple[str, Quantity]],
    target: Target,
) -> Values:
    """Return ln p(data)/p(reference) of each event, (events,)."""
    of = {pair: name for name, pair in quantities.items()}
    reference, data = (
        np.asarray(predicted[of[target.name, Quantity(label)]], np.float64)
        for label in target.classes
    )
    with np.errstate(divide="ignore"):
        found: Values = np.clip(np.log(data) - np.log(reference), -_LIMIT, _LIMIT)
    return found


def _statistics(label: Values, weight: Values, ratio: Values) -> Metrics:
    """Return log likelihood ratio and AUC of a model."""
    data = label == 1
    t = 2 * (weight[data] @ ratio[data] - weight[~data] @ np.expm1(ratio[~data]))
    area = auc(roc(ratio, data, weight))
    return {
        "log_likelihood_ratio": Measurement(float(t)).as_dict(),
        "two_sample_auc": area.as_dict(),
    }
