"""Changes of metrics under systematic effects of one standard deviation, up and down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bunchtrain.evaluations._class_evaluation import ClassPredictions
from bunchtrain.evaluations._evaluation import EvaluatedRun
from bunchtrain.evaluations._systematic_evaluation import (
    By,
    SystematicEvaluation,
    fix_on_nominal,
    score_events,
)
from bunchtrain.parts.ranges import InnerFractions
from bunchtrain.report.content import Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.changes import measure_changes
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.study import Study
from bunchtrain.systematics._systematic import describe_shift

#: Metric → its nominal value, and its changes up and down.
Changes = dict[str, tuple[float, Measurement, Measurement]]
#: Beginning of the name of a metric → its label, with the signal efficiency.
LABELS = {
    "mistag": "ε_B at ε_S = {}",
    "signal_passing": "ε_S, nominal cut {}",
    "background_passing": "ε_B, nominal cut {}",
}


class SystematicShift(SystematicEvaluation):
    """Changes of AUC, efficiencies and significance under systematic effects.

    Cuts and bins are fixed on the nominal events. `auc_shift_up/jet_energy_scale` is the change of
    the AUC under this effect, `signal_passing_50_shift_down/…` that of ε_S of the nominal cut. The
    errors are those of a paired bootstrap.

    by            Effect → size of one standard deviation, the study's or the part's own if null; or
                  a list of effects; all of the study if empty. `pt = pt * 1.02` is an effect, too:
                  the value of a column at one standard deviation.
    efficiencies  Signal efficiencies of the cuts; those of `classification` if None.
    """

    def __init__(
        self,
        *,
        by: By = {},  # noqa: B006 (never changed)
        efficiencies: InnerFractions | None = None,
        target: str | None = None,
    ) -> None:
        super().__init__(target=target, by=by)
        self.efficiencies = efficiencies

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or effect, or an efficiency outside (0, 1)."""
        super().check(study)
        self.need_fractions("efficiencies", self.efficiencies or ())

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the changes of all models as metrics, table and details.

        Raises DataError if a class has no events, nominal or shifted.
        """
        results = Results(title="Changes under systematic effects")
        systematics = self.effects(run.study)
        sizes = {name: one.size for name, one in systematics.items()}
        for events in self.predictions(run):
            found = {name: self._changes(events, name) for name in sizes}
            by_model = {
                m: {n: one[m] for n, one in found.items()} for m in events.all_probabilities
            }
            for model, effects in by_model.items():
                results.metrics[model] = {
                    f"{events.prefix}{metric}_shift_{direction}/{name}": change.as_dict()
                    for name, changes in effects.items()
                    for metric, (_, up, down) in changes.items()
                    for direction, change in (("up", up), ("down", down))
                }
            columns = {name: run.shifted_columns(name, self.by.get(name)) for name in sizes}
            texts = [describe_shift(n, one, columns[n]) for n, one in systematics.items()]
            results.tables = [_table(by_model, sizes, texts)]
            results.details = {"sizes": sizes, "changes": _as_json(by_model), "columns": columns}
        return results

    def _changes(self, events: ClassPredictions, effect: str) -> dict[str, Changes]:
        """Return model → changes under an effect."""
        shifted, found = [self.shift(events, effect, sign) for sign in (1, -1)], {}
        for model in events.all_probabilities:
            nominal = score_events(events, model)
            fixed = fix_on_nominal(events, nominal, self.efficiencies)
            up, down = (
                measure_changes(fixed, nominal, score_events(one, model)) for one in shifted
            )
            found[model] = {
                metric: (value, change, down[metric][1]) for metric, (value, change) in up.items()
            }
        return found


def _table(
    by_model: Mapping[str, Mapping[str, Changes]], sizes: Mapping[str, float], shifts: list[str]
) -> Table:
    caption = "Changes by one standard deviation; cuts and bins are those of the nominal events."
    columns = ["Model", "Effect", "Metric", "Nominal", "Up", "Down"]
    rows = list(_rows(by_model, sizes))
    return Table(" ".join([caption, *(f"{text}." for text in shifts)]), columns, rows)


def _rows(
    by_model: Mapping[str, Mapping[str, Changes]], sizes: Mapping[str, float]
) -> Iterator[list[str]]:
    for model, effects in by_model.items():
        for effect, changes in effects.items():
            first = [model, f"{effect} ± {sizes[effect]:g}"]
            for metric, (value, up, down) in changes.items():
                yield [
                    *first,
                    _label(metric),
                    f"{value:.4g}",
                    _format_change(up),
                    _format_change(down),
                ]
                first = ["", ""]


def _as_json(by_model: Mapping[str, Mapping[str, Changes]]) -> dict[str, object]:
    return {
        model: {
            effect: {
                metric: {"nominal": value, "up": up.as_dict(), "down": down.as_dict()}
                for metric, (value, up, down) in changes.items()
            }
            for effect, changes in effects.items()
        }
        for model, effects in by_model.items()
    }


def _label(metric: str) -> str:
    """Return the label of a metric: `mistag_30` is ε_B at ε_S = 0.3."""
    if found := re.fullmatch(rf"({'|'.join(LABELS)})_([\d.e-]+)", metric):
        return LABELS[found[1]].format(f"{float(found[2]) / 100:g}")
    return {"auc": "AUC"}.get(metric, metric)


def _format_change(change: Measurement) -> str:
    return f"{'+' if change.value > 0 else ''}{change}".replace("-", "−")
