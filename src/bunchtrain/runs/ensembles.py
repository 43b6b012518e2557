"""The ensembles of a run: scores of several members combined to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import RunError
from bunchtrain.evaluation.combination import Combination, fit_combination, mean
from bunchtrain.files import write_json
from bunchtrain.runs.folder import RunFolder
from bunchtrain.runs.outcome import Outcome, score_name
from bunchtrain.study import Ensemble, Study, combined, members

Columns = dict[str, NDArray[Any]]
#: Ensemble → target → its trained combination; ensembles by the mean have none.
Combinations: TypeAlias = "Mapping[str, Mapping[str, Combination]]"


def fit_ensembles(study: Study, validation: Outcome) -> dict[str, dict[str, Combination]]:
    """Return the trained combinations of a study, fitted on the scores of the validation set."""
    return {
        name: {
            target: fit_combination(
                _scores(validation, ensemble, target), validation.truth(target), validation.weights
            )
            for target in validation.classifiers
        }
        for name, ensemble in study.ensembles.items()
        if ensemble.by == "trained"
    }


def ensemble_columns(outcome: Outcome, combinations: Combinations) -> Columns:
    """Return the scores of all ensembles of a study, from those of its members."""
    study, columns = outcome.study, Columns()
    for name, ensemble in study.ensembles.items():
        for target, kind in outcome.classifiers.items():
            combine = combinations[name][target] if ensemble.by == "trained" else mean
            scores = combine(_scores(outcome, ensemble, target))
            for k, label in enumerate(kind.classes or {}):
                column = score_name(study, name, target, label)
                columns[column] = scores[:, k].astype(np.float32)
    return columns


def _scores(outcome: Outcome, ensemble: Ensemble, target: str) -> list[NDArray[Any]]:
    """Return the probabilities of the members of an ensemble, (events, classes) each."""
    names = combined(ensemble, members(outcome.study))
    found = [(name, outcome.scores(name, target)) for name in names]
    return [scores for _, scores in found if scores is not None]


def save_ensembles(folder: RunFolder, combinations: Combinations) -> None:
    """Write the trained combinations of a run, as plain numbers."""
    for name, by_target in combinations.items():
        content = {target: one.as_dict() for target, one in by_target.items()}
        write_json(folder.ensemble(name), content)


def load_ensembles(folder: RunFolder, study: Study) -> dict[str, dict[str, Combination]]:
    """Return the trained combinations of a run.

    Raises RunError if one is missing.
    """
    found = {}
    for name, ensemble in study.ensembles.items():
        if ensemble.by == "trained":
            path = folder.ensemble(name)
            if not path.is_file():
                raise RunError(f"{path} is missing: bunchtrain run --resume {folder.path}")
            content = folder.json(str(path.relative_to(folder.path)))
            found[name] = {t: Combination.from_dict(one) for t, one in content.items()}
    return found
