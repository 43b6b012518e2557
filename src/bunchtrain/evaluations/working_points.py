"""Working points: the cut on the score and the background rejections for each signal efficiency.

The score of a tagger of several classes, as in flavour tagging (ATL-PHYS-PUB-2017-003), is

    D_S = ln [p_S / Σ_k f_k p_k],    Σ_k f_k = 1,

where k runs over the other classes. A smaller f_c of a b tagger gives a lower rejection of charm
jets and a higher rejection of light jets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bunchtrain.evaluations._class_evaluation import (
    ClassEvaluation,
    ClassPredictions,
    class_fractions,
)
from bunchtrain.parts.ranges import InnerFractions, UnitFraction
from bunchtrain.report.content import Table
from bunchtrain.statistics.classification import signal_roc
from bunchtrain.statistics.metrics import Measurement, Metrics, rejection
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Values


class WorkingPoints(ClassEvaluation):
    """Cut on ln p_S / Σ f_k p_k and rejection of each other class at given signal efficiencies.

    efficiencies  Signal efficiencies.
    fractions     f_k of each other class, which add up to 1; equal if None.
    """

    def __init__(
        self,
        *,
        efficiencies: InnerFractions = (0.6, 0.7, 0.77, 0.85),
        fractions: dict[str, UnitFraction] | None = None,
        target: str | None = None,
    ) -> None:
        super().__init__(target=target)
        self.efficiencies, self.fractions = efficiencies, fractions

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, a wrong efficiency or wrong fractions."""
        super().check(study)
        self.need_fractions("efficiencies", self.efficiencies)
        self.need_class_fractions(study, self.fractions)

    def measure(self, events: ClassPredictions, training: str, probabilities: Values) -> Metrics:
        """Return cut, efficiency and rejections at each signal efficiency.

        `working_point_77_cut` is the largest cut on D_S that at least 77 % of the signal pass,
        `working_point_77_efficiency` the fraction that passes it, which is larger where scores are
        tied, and `working_point_77/light` the rejection 1/ε of the class `light` by this cut. Its
        error includes that of the cut, which varies with the signal events of the test set.
        """
        target, fractions = events.target, class_fractions(events.target, self.fractions)
        all_backgrounds = events.roc(probabilities, fractions)
        truth, weights, signal = events.truth, events.weights, target.signal_index
        curves = {
            target.classes[k]: signal_roc(probabilities, truth, weights, signal, [k], fractions)
            for k in target.background_indices
        }
        found: dict[str, Measurement] = {}
        for efficiency in self.efficiencies:
            name = f"working_point_{100 * efficiency:g}"
            cut = all_backgrounds.threshold_at(efficiency)
            passing, _ = all_backgrounds.passing(cut)
            found[f"{name}_cut"] = Measurement(cut)
            found[f"{name}_efficiency"] = Measurement(*passing)
            for label, curve in curves.items():
                mistag, error = curve.background_by_cut(efficiency)
                found[f"{name}/{label}"] = rejection(mistag, error, curve.background_count)
        return {name: one.as_dict() for name, one in found.items()}

    def tables(self, events: ClassPredictions, metrics: Mapping[str, Metrics]) -> Iterator[Table]:
        """Yield the cuts and rejections of all models at the working points."""
        others, rows = events.backgrounds, []
        for efficiency in self.efficiencies:
            key = f"{events.prefix}working_point_{100 * efficiency:g}"
            for model, found in metrics.items():
                if f"{key}_cut" in found:
                    shown = [str(Measurement.from_dict(found[f"{key}/{name}"])) for name in others]
                    cut = f"{found[f'{key}_cut']['value']:.4g}"
                    real = Measurement.from_dict(found[f"{key}_efficiency"])
                    rows.append([f"{100 * efficiency:g} %", model, cut, str(real), *shown])
        caption = (
            f"Working points: the largest cut on ln(p/Σ f p) that at least this fraction of "
            f"{events.signal} passes, the fraction that passes it, and the rejection 1/ε of each "
            "other class by this cut."
        )
        columns = [f"ε of {events.signal}", "Model", "Cut", "ε of the cut"]
        columns += [f"1/ε, {name}" for name in others]
        yield Table(caption, columns, rows)
