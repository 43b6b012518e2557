"""The schema of a run's predictions: which training predicts which quantity in which column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq

from bunchtrain.files import damaged
from bunchtrain.study import Study, model_configs, training_names
from bunchtrain.tables.prediction_contents import METADATA, Contents, PredictedColumn, read_contents
from bunchtrain.tables.predictions import Predictions
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import Kind, column_name
from bunchtrain.trained_model import TrainedModel

#: Quantities whose column name ends in a level in per cent, e.g. `mass_low68`.
WITH_LEVEL = ("low", "high", "in_set", "quantile")
_LATER = ("score", "log_likelihood", "index", "probability", "object")
#: Quantities of a target; the others, of the same column names, are not in files of release 0.1.
OF_TARGETS = [kind for kind in get_args(Kind) if kind not in _LATER]


def make_schema(study: Study, columns: Mapping[str, PredictedColumn]) -> Contents:
    """Return the schema of tables with these columns of models, and those of the ensembles."""
    trainings = {name: list(training_names(study, m)) for name, m in model_configs(study).items()}
    targets = study.all_targets()
    ensembles = {
        column_name(name, target.name, Quantity(label), len(targets) > 1): PredictedColumn(
            name, target.name, Quantity(label)
        )
        for name in study.ensembles
        for target in targets
        for label in target.classes
    }
    return Contents(
        {target.name: target for target in targets},
        trainings | {name: [name] for name in study.ensembles},
        list(study.ensembles),
        {**columns, **ensembles},
    )


def schema_of_models(study: Study, models: Mapping[str, TrainedModel]) -> Contents:
    """Return the schema of the predictions of these models, training → model, and ensembles."""
    columns = {
        f"{training}_{column}": PredictedColumn(training, target, quantity)
        for training, model in models.items()
        for column, (target, quantity) in model.quantities.items()
    }
    columns |= {
        f"{training}_{name}": PredictedColumn(training, "", Quantity(name, "object"))
        for training in models
        for name in study.transforms
    }
    return make_schema(study, columns)


def read_predictions(path: Path, study: Study) -> Predictions:
    """Return the predictions in a file of a run; of a file without schema it is derived.

    Raises RunError if the file is missing, damaged or of another study.
    """
    return Predictions.read(path, contents_of_file(path, study))


def contents_of_file(path: Path, study: Study) -> Contents:
    """Return the schema of the predictions in a file of a run; raises as `read_predictions`."""
    derived = None
    if path.is_file():
        try:
            content = pq.read_schema(path)
        except (pa.ArrowException, OSError) as problem:
            raise damaged(path, problem) from None
        if METADATA.encode() not in (content.metadata or {}):
            derived = make_schema(study, columns_by_name(study, content.names))
    found = read_contents(path, derived)
    for target in study.all_targets():
        known = found.targets.get(target.name)
        if known is None or (known.labels, known.content) != (target.labels, target.content):
            raise damaged(path, f"it has another target '{target.name}' than the study")
    return found


def columns_by_name(study: Study, names: Iterable[str]) -> dict[str, PredictedColumn]:
    """Return column → what a model predicts in it, from the names, as in files of release 0.1."""
    several, known, found = len(study.targets) > 1, list(names), {}
    for training in (
        one for m in model_configs(study).values() for one in training_names(study, m)
    ):
        for target in study.all_targets():
            for label, kind in product(target.labels, OF_TARGETS):
                start = column_name(training, target.name, Quantity(label, kind), several)
                pattern = re.escape(start) + (r"(\d+(?:p\d+)?)" if kind in WITH_LEVEL else "()")
                for name in known:
                    if match := re.fullmatch(pattern, name):
                        level = float(match[1].replace("p", ".")) / 100 if match[1] else None
                        quantity = Quantity(label, kind, level)
                        found[name] = PredictedColumn(training, target.name, quantity)
    return found
