"""Excess of data over a reference in number of events, with its significance and p-value."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.evaluations.two_sample_test import log_ratio
from bunchtrain.parts.ranges import InnerFraction
from bunchtrain.report.content import Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement, Metrics, excess_significance
from bunchtrain.study import Study
from bunchtrain.targets import Target

Values = NDArray[np.float64]
#: Rows of a block of events.
_ROWS = 65_536
#: Name of the count of all events, without a network.
COUNTING = "counting"


class Excess(Evaluation):
    """Excess of data over a reference: of all events, and above a cut on the score of each model.

    The first class of the target is the reference, the second the data. In the test set the data n
    are counted, and the weights of the reference are summed, b = Σw ± (Σw²)^½; Z is the signed
    root of their likelihood ratio (arXiv:physics/0702156), p = 1 − Φ(Z). The cut keeps a
    fraction of all events, independent of their class, so that without a difference between
    the classes Z is that of a random sample of them. `counting` is without a cut.

    target    Target of two classes; the first one if unset.
    fraction  Of the events of both classes that the cut on the score keeps, those most like data.
    """

    def __init__(self, *, target: str | None = None, fraction: InnerFraction = 0.05) -> None:
        self.target, self.fraction = target, fraction

    def check(self, study: Study) -> None:
        """Raise StudyError without a target of two classes."""
        self.two_samples(study, self.target)

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return counts, significance and p-value of each model, and without one."""
        target = self.class_target(run.study, self.target)
        is_data, weight, scores = _read(run, target)
        reference = weight[~is_data]
        if not reference.sum() > 0:
            raise DataError(f"evaluation '{self.name}': the test set has no event of the reference")
        one = float(reference @ reference / reference.sum())
        found = {COUNTING: _count(is_data, weight, one)}
        for name, score in scores.items():
            cut = np.quantile(score, 1 - self.fraction, method="higher")
            kept = score >= cut
            found[name] = _count(is_data[kept], weight[kept], one)
        rows = [
            [name, *(str(Measurement.from_dict(one)) for one in metrics.values())]
            for name, metrics in found.items()
        ]
        caption = (
            f"Data and reference in the test set; for models the {self.fraction:.3g} of all events "
            "with the highest scores."
        )
        columns = ["Model", "Observed", "Expected", "Excess", "Z", "p-value"]
        return Results(found, [], [Table(caption, columns, rows)])


def _count(is_data: NDArray[np.bool_], weight: Values, one: float) -> Metrics:
    """Return the metrics of some events.

    one  mean weight of an event of the reference, for none.
    """
    from scipy import stats

    observed, reference = int(is_data.sum()), weight[~is_data]
    expected, variance = float(reference.sum()), float(reference @ reference) or one**2
    tau = expected / variance or 1 / one
    z = float(excess_significance(observed, expected * tau, tau))
    made = {
        "observed": Measurement(observed, np.sqrt(observed)),
        "expected": Measurement(expected, np.sqrt(variance)),
        "excess": Measurement(observed - expected, np.sqrt(observed + variance)),
        "excess_significance": Measurement(z, 1.0),
        "excess_p_value": Measurement(float(stats.norm.sf(z))),
    }
    return {name: found.as_dict() for name, found in made.items()}


def _read(run: EvaluatedRun, target: Target) -> tuple[NDArray[np.bool_], Values, dict[str, Values]]:
    """Return of the test set whether events are data, their weights and scores, (events,) each."""
    label, weight = list[Values](), list[Values]()
    scores: dict[str, list[Values]] = {name: [] for name in run.models}
    for block in run.events(_ROWS):
        label.append(ak.to_numpy(block[f"target_{target.name}"]))
        weight.append(ak.to_numpy(block["event_weight"]).astype(np.float64))
        for name, model in run.models.items():
            scores[name].append(log_ratio(model.predict(block), model.quantities, target))
    joined = {name: np.concatenate(one) for name, one in scores.items()}
    return np.concatenate(label) == 1, np.concatenate(weight), joined
