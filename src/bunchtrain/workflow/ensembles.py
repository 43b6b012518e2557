"""The ensembles of a run: scores made of those of members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import RunError
from bunchtrain.files import write_json
from bunchtrain.statistics.combination import Combination, fit_combination, mean
from bunchtrain.statistics.decorrelation.cut_profile import CutProfile, fit_cut_profile
from bunchtrain.study import Ensemble, Study, combined, model_configs
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.prediction_table import Predictions, score_name, signal_of

Columns = dict[str, NDArray[Any]]
#: What is fitted for an ensemble; ensembles by the mean have nothing.
Fitted: TypeAlias = Combination | CutProfile
#: Ensemble → target → what is fitted for it.
Combinations: TypeAlias = "Mapping[str, Mapping[str, Fitted]]"


def fit_ensembles(study: Study, validation: Predictions) -> dict[str, dict[str, Fitted]]:
    """Return what is fitted for the ensembles of a study, on the scores of the validation set."""
    return {
        name: {target: _fit(validation, ensemble, target) for target in validation.classifiers}
        for name, ensemble in study.ensembles.items()
        if ensemble.by != "mean"
    }


def _fit(validation: Predictions, ensemble: Ensemble, target: str) -> Fitted:
    scores, truth = _scores(validation, ensemble, target), validation.truth(target)
    if ensemble.by == "mean" or ensemble.by == "trained":
        return fit_combination(scores, truth, validation.weights)
    signal, _ = signal_of(validation, target)
    column = validation.columns[str(ensemble.against)]
    return fit_cut_profile(
        ensemble.by, scores[0], truth, column, signal, ensemble.efficiency, validation.weights
    )


def ensemble_columns(outcome: Predictions, combinations: Combinations) -> Columns:
    """Return the scores of all ensembles of a study, from those of its members."""
    study, columns = outcome.study, Columns()
    for name, ensemble in study.ensembles.items():
        for target, kind in outcome.classifiers.items():
            fitted = combinations[name][target] if ensemble.by != "mean" else None
            scores = _combined(outcome, ensemble, target, fitted)
            for k, label in enumerate(kind.classes or {}):
                column = score_name(study, name, target, label)
                columns[column] = scores[:, k].astype(np.float32)
    return columns


def _combined(
    outcome: Predictions, ensemble: Ensemble, target: str, fitted: Fitted | None
) -> NDArray[np.float64]:
    scores = _scores(outcome, ensemble, target)
    if isinstance(fitted, CutProfile):
        return fitted(scores[0], outcome.columns[str(ensemble.against)])
    return mean(scores) if fitted is None else fitted(scores)


def _scores(outcome: Predictions, ensemble: Ensemble, target: str) -> list[NDArray[Any]]:
    """Return the probabilities of the members of an ensemble, (events, classes) each."""
    names = combined(ensemble, model_configs(outcome.study))
    found = [(name, outcome.scores(name, target)) for name in names]
    return [scores for _, scores in found if scores is not None]


def save_ensembles(folder: RunFolder, combinations: Combinations) -> None:
    """Write what is fitted for the ensembles of a run, as plain numbers."""
    for name, by_target in combinations.items():
        content = {target: one.as_dict() for target, one in by_target.items()}
        write_json(folder.ensemble(name), content)


def load_ensembles(folder: RunFolder, study: Study) -> dict[str, dict[str, Fitted]]:
    """Return what is fitted for the ensembles of a run.

    Raises RunError if one is missing.
    """
    found: dict[str, dict[str, Fitted]] = {}
    for name, ensemble in study.ensembles.items():
        if ensemble.by != "mean":
            path = folder.ensemble(name)
            if not path.is_file():
                raise RunError(f"{path} is missing: bunchtrain run --resume {folder.path}")
            content = folder.json(str(path.relative_to(folder.path)))
            kind = CutProfile if ensemble.flattens else Combination
            found[name] = {target: kind.from_dict(one) for target, one in content.items()}
    return found
