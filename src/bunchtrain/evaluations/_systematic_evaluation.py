"""Base of the evaluations of scores under systematic effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.evaluations._class_evaluation import ClassPredictions, FirstTargetEvaluation
from bunchtrain.parts.ranges import Positive
from bunchtrain.statistics.changes import CutsAndBins, fix_cuts_and_bins
from bunchtrain.statistics.scored_events import ScoredEvents
from bunchtrain.study import Study, evaluation_options
from bunchtrain.systematics._systematic import Systematic

#: Effect → size of one standard deviation, the study's or the part's own if None; or names alone.
By = dict[str, Positive | None] | list[str] | str


class SystematicEvaluation(FirstTargetEvaluation):
    """Evaluates the scores of one target on shifted events."""

    #: Whether at least one effect must be given.
    needs_effects: bool = True

    def __init__(self, *, target: str | None, by: By) -> None:
        super().__init__(target=target)
        self.by: dict[str, float | None] = (
            by if isinstance(by, dict) else dict.fromkeys([by] if isinstance(by, str) else by)
        )

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or effect, or if there is no effect."""
        super().check(study)
        self.effects(study)

    def effects(self, study: Study) -> dict[str, Systematic]:
        """Return the effects of the option `by`, or all of the study if it is empty.

        Raises StudyError for an unknown effect, a size that is not positive, or without an effect.
        """
        for name, size in self.by.items():
            if size is not None and not size > 0:
                raise StudyError(
                    f"evaluation '{self.name}': the size of '{name}' must be above 0, got {size:g}"
                )
        by = self.by or dict.fromkeys(study.systematics)
        if self.needs_effects and not by:
            raise StudyError(
                f"evaluation '{self.name}' needs an effect in 'systematics' or 'by', e.g. "
                "{jet_energy_scale: 0.02}"
            )
        try:
            return {name: make_systematic(study, name, size) for name, size in by.items()}
        except StudyError as problem:
            raise StudyError(f"evaluation '{self.name}': {problem}") from None

    def shift(self, events: ClassPredictions, name: str, deviations: float) -> ClassPredictions:
        """Return the predictions under an effect shifted by a number of standard deviations.

        Raises DataError if a class has no events then.
        """
        table = events.run.shifted(name, self.by.get(name), deviations)
        return self.check_classes(replace(events, table=table))


def make_systematic(study: Study, name: str, size: float | None = None) -> Systematic:
    """Return a systematic effect of a study, or the part of that name, of a given size.

    `column = expression` is an expression_shift of this column; several are separated by `;`.
    Raises StudyError, naming the nearest, if there is none.
    """
    if "=" in name:
        return _expression_shift(name, size)
    part, known = study.systematics.get(name), parts.locate("systematic")
    if part is None and name not in known:
        every = [*study.systematics, *known]
        hint = nearest(name, every) or f"; there are {one_of(every)}"
        raise StudyError(f"there is no systematic effect '{name}'{hint}")
    options = dict(part.options) if part else {}
    if size is not None:
        options["size"] = size
    where = f"systematics.{name}"
    made: Systematic = parts.build("systematic", part.name if part else name, options, where=where)
    return made


def _expression_shift(text: str, size: float | None) -> Systematic:
    """Return the effect of `column = expression; …`."""
    pairs = [one.partition("=")[::2] for one in text.split(";") if one.strip()]
    columns = {name.strip(): expression.strip() for name, expression in pairs}
    if not all(columns) or not all(columns.values()):
        raise StudyError(f"'{text}' is not 'column = expression', as in 'jet_pt = jet_pt * 1.02'")
    options: dict[str, Any] = {"columns": columns} | ({} if size is None else {"size": size})
    made: Systematic = parts.build("systematic", "expression_shift", options, where="by")
    return made


def score_events(events: ClassPredictions, model: str) -> ScoredEvents:
    """Return the score ln p_S / Σ_k p_k of a model with probabilities."""
    probabilities = events.probabilities(model)
    assert probabilities is not None
    score, entry = events.discriminant(probabilities), events.table.columns["entry"]
    return ScoredEvents(entry, score, events.is_signal, events.weights)


def fix_on_nominal(
    events: ClassPredictions,
    nominal: ScoredEvents,
    efficiencies: Sequence[float] | None = None,
    bins: int = 10,
    min_background: float = 10.0,
) -> CutsAndBins:
    """Return the cuts and bins of a score, fixed on the nominal events.

    Cuts are at the efficiencies of `classification` if None. The test set of each of n folds
    counts as 1/n of the luminosity.
    """
    if efficiencies is None:
        efficiencies = evaluation_options(events.run.study, "classification")["efficiencies"]
    scale = events.run.study.weights.luminosity_scale / events.run.folds
    return fix_cuts_and_bins(nominal, efficiencies or (), scale, bins, min_background)
