"""Transforms of predictions: the object of each point, and tables with a row for each object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.representations._representation import PointRepresentation
from bunchtrain.study import Study, model_configs
from bunchtrain.study.base import Part
from bunchtrain.tables.predictions import ROWS, Predictions
from bunchtrain.tables.writing import write_parquet
from bunchtrain.targets import Quantity, Target
from bunchtrain.trained_model import TrainedModel
from bunchtrain.transforms._clustering import Clustering, Floats, Ints, Predicted, ScoredEdges
from bunchtrain.transforms._objects import object_rows
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.prediction_schema import contents_of_file


def make_transforms(study: Study) -> dict[str, Clustering]:
    """Return the transforms of a study by name.

    Raises StudyError if one is unknown, reads no predictions, or reads those of another axis.
    """
    targets = {one.name: one for one in study.predicted_targets()}
    made = {}
    for name, part in study.transforms.items():
        where = f"transforms.{name}"
        try:
            if not issubclass(parts.find("transform", part.name), Clustering):
                raise StudyError(
                    f"transform '{part.name}' makes a table of a table; use it in a stage, "
                    "'stages.<name>.transform'"
                )
            one: Clustering = parts.build("transform", part.name, part.options, where=where)
            if one.reads is None:
                raise StudyError(
                    f"transform '{part.name}' reads no predictions; use it as the 'baseline' of "
                    "an evaluation"
                )
            target = one.read_target(targets)
        except StudyError as problem:
            raise StudyError(f"{where}: {problem}") from None
        for model in model_configs(study).values():
            if target.name not in {term.target for term in model.loss}:
                raise StudyError(
                    f"{where}: model '{model.name}' does not predict '{target.name}', which the "
                    "transform reads"
                )
        made[name] = one
    return made


def applicable_transforms(study: Study, transforms: Mapping[str, Part]) -> dict[str, Part]:
    """Return the transforms whose target all models of a study predict."""
    found = {}
    for name, part in transforms.items():
        try:
            make_transforms(study.model_copy(update={"transforms": {name: part}}))
        except StudyError:
            continue
        found[name] = part
    return found


def transformed_columns(
    study: Study,
    training: str,
    model: TrainedModel,
    events: ak.Array,
    predicted: Mapping[str, Any],
) -> dict[str, ak.Array]:
    """Return `<training>_<transform>` → the object of each point, a list for each event.

    events     block of events.
    predicted  columns that the model predicts for them.
    """
    found: dict[str, ak.Array] = {}
    transforms = make_transforms(study)
    if not transforms:
        return found
    assert isinstance(model.representation, PointRepresentation)  # its target is on points or edges
    counts = np.zeros(0, np.int64)
    if len(events):
        counts = model.representation.point_index(events[model.columns])[1]
    targets = {one.name: one for one in study.predicted_targets()}
    for name, transform in transforms.items():
        target = transform.read_target(targets)
        if transform.reads == "point":
            of_target: Predicted = _points(training, target, predicted, model)
        else:
            of_target = _edges(training, target, predicted, counts, model)
        found[f"{training}_{name}"] = transform(events, counts, of_target)
    return found


def untransformed_columns(
    study: Study, training: str, model: TrainedModel, events: ak.Array
) -> dict[str, ak.Array]:
    """Return the columns of `transformed_columns` for events without predictions: −1, no object."""
    if not study.transforms:
        return {}
    assert isinstance(model.representation, PointRepresentation)  # its target is on points or edges
    counts = model.representation.point_index(events[model.columns])[1]
    found = {}
    for name, transform in make_transforms(study).items():
        items = transform.items(events, counts)
        found[f"{training}_{name}"] = ak.unflatten(np.full(int(items.sum()), -1), items)
    return found


def columns_of_transforms(study: Study) -> set[str]:
    """Return the columns of events that the transforms of a study read beside predictions."""
    return {name for one in make_transforms(study).values() for name in one.needs()}


def _edges(
    training: str,
    target: Target,
    predicted: Mapping[str, Any],
    counts: Ints,
    model: TrainedModel,
) -> ScoredEdges:
    """Return the predicted edges of a block, with the probability of the signal class."""
    wanted = (
        Quantity("edge", "first"),
        Quantity("edge", "second"),
        Quantity(target.classes[target.signal_index]),
    )
    of = {pair: name for name, pair in model.quantities.items()}
    columns = [predicted[f"{training}_{of[target.name, one]}"] for one in wanted]
    start = np.cumsum(counts) - counts
    shift = np.repeat(start, ak.to_numpy(ak.num(columns[0])))
    first, second, score = (ak.to_numpy(ak.flatten(one)) for one in columns)
    return ScoredEdges(first.astype(np.int64) + shift, second.astype(np.int64) + shift, score)


def _points(
    training: str, target: Target, predicted: Mapping[str, Any], model: TrainedModel
) -> dict[str, Floats]:
    """Return label → prediction of each point of a block, NaN for those without."""
    return {
        quantity.label: ak.to_numpy(ak.flatten(predicted[f"{training}_{column}"]))
        for column, (of, quantity) in model.quantities.items()
        if of == target.name
    }


def write_objects(folder: RunFolder, study: Study) -> None:
    """Write `<transform>_<model>.parquet`, one row for each object of the test set."""
    ids = next((one for one in study.all_targets() if one.ids), None)
    path = folder.predictions_file
    contents = contents_of_file(path, study)
    for name in study.transforms:
        for model in model_configs(study):

            def rows(model: str = model, name: str = name) -> Iterator[dict[str, Any]]:
                for block in Predictions.read_blocks(path, ROWS, contents):
                    objects = block.scores(model, "object")[name]
                    truth = block.columns[ids.name] if ids else None
                    yield object_rows(block.columns["entry"], objects, truth)

            write_parquet(folder.path / f"{name}_{model}.parquet", rows())
