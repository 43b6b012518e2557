"""The ensembles of a run: predictions computed from those of its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import RunError
from bunchtrain.files import damaged, read_json, write_json
from bunchtrain.statistics.combination import Combination, fit_combination, mean_probability
from bunchtrain.statistics.decorrelation import CutProfile, fit_cut_profile
from bunchtrain.study import Ensemble, Study, ensemble_models, model_configs
from bunchtrain.tables.predictions import Predictions
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import column_name
from bunchtrain.workflow.folder import RunFolder

#: What is fitted for an ensemble and a target; ensembles by the mean have nothing.
Fitted: TypeAlias = Combination | CutProfile
#: Ensemble → target → what is fitted for it.
FittedEnsembles: TypeAlias = "Mapping[str, Mapping[str, Fitted]]"


def fit_ensembles(study: Study, validation: Predictions) -> dict[str, dict[str, Fitted]]:
    """Return what is fitted for the ensembles of a study on the validation set."""
    return {
        name: {
            target: _fit(study, validation, ensemble, target)
            for target in validation.classifications
        }
        for name, ensemble in study.ensembles.items()
        if ensemble.by != "mean"
    }


def _fit(study: Study, validation: Predictions, ensemble: Ensemble, target: str) -> Fitted:
    scores, truth = _scores(study, validation, ensemble, target), validation.truth(target)
    if ensemble.by == "mean" or ensemble.by == "trained":
        return fit_combination(scores, truth, validation.weights)
    column, signal = validation.columns[str(ensemble.against)], validation.targets[target]
    return fit_cut_profile(
        ensemble.by,
        scores[0],
        truth,
        column,
        signal.signal_index,
        ensemble.efficiency,
        validation.weights,
    )


def ensemble_columns(
    study: Study, predictions: Predictions, fitted: FittedEnsembles
) -> dict[str, NDArray[Any]]:
    """Return the predictions of all ensembles of a study, from those of its models."""
    several, columns = len(study.targets) > 1, {}
    for name, ensemble in study.ensembles.items():
        for target, shape in predictions.classifications.items():
            scores = _scores(study, predictions, ensemble, target)
            model = fitted[name][target] if ensemble.by != "mean" else None
            if isinstance(model, CutProfile):
                found = model(scores[0], predictions.columns[str(ensemble.against)])
            else:
                found = mean_probability(scores) if model is None else model(scores)
            for k, label in enumerate(shape.classes):
                column = column_name(name, target, Quantity(label), several)
                columns[column] = found[:, k].astype(np.float32)
    return columns


def _scores(
    study: Study, predictions: Predictions, ensemble: Ensemble, target: str
) -> list[NDArray[Any]]:
    """Return the probabilities of the models of an ensemble, (events, classes) each."""
    names = ensemble_models(ensemble, model_configs(study))
    found = [predictions.probabilities(name, target) for name in names]
    return [scores for scores in found if scores is not None]


def save_ensembles(folder: RunFolder, fitted: FittedEnsembles) -> None:
    """Write what is fitted for the ensembles of a run as JSON."""
    for name, by_target in fitted.items():
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
            content = read_json(path, dict[str, dict[str, Any]])
            kind = CutProfile if ensemble.flattens else Combination
            try:
                found[name] = {target: kind.from_dict(one) for target, one in content.items()}
            except (KeyError, TypeError, ValueError) as problem:
                raise damaged(path, f"{type(problem).__name__}: {problem}") from None
    return found
