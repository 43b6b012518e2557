"""Warnings about the training events and the trained model, each one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import build_losses
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.task import Task
from bunchtrain.representations._packed import PackedPoints
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.data import Data

#: Events of a class below which its fluctuations dominate.
FEW_EVENTS = 100
#: Fraction of the weight of all events in one of them.
LARGE_WEIGHT = 0.1
#: AUC of one input above which it is probably made from the target.
LEAK = 0.999
#: Events on which inputs, and the trained model, are checked.
CHECKED = 10_000
#: Points of these events, at most.
MAX_POINTS = 500_000
#: Epochs after the best one from which on overfitting is reported.
WAITED = 5


def training_warnings(
    model: TrainedModel, data: Data, rows: Sequence[Mapping[str, float]]
) -> list[str]:
    """Return the warnings about a training, in one sentence each.

    model  the trained model.
    data   its events.
    rows   of the learning curves.
    """
    training, validation = (first_events(data, split) for split in ("train", "validation"))
    found = [*_about_events(data, training), *_about_inputs(model, training), *_about_points(data)]
    if model.network.trains_by_gradient:
        found += _about_curves(rows, data.task.settings["patience"])
    return found + list(_about_constants(model, validation))


def first_events(data: Data, split: str) -> Batch:
    """Return the first events of a split, which the cache has shuffled."""
    if split in data.stores:
        store = data.stores[split]
        return store.take(np.arange(_checked_events(store.events)))
    found, count = list[Batch](), 0
    for events in data.cache.of(split).blocks(data.columns, data.block):
        found.append(data.represent(events))
        count += len(found[-1])
        if count >= CHECKED:
            break
    store = EventStore(found)
    return store.take(np.arange(_checked_events(store.events)))


def _checked_events(events: Batch) -> int:
    """Return how many events are checked, fewer if they have many points."""
    lengths = events.inputs.get("lengths")
    if lengths is None:
        return min(CHECKED, len(events))
    fitting = int((lengths.cumsum(0) <= MAX_POINTS).sum())
    return max(1, min(CHECKED, fitting, len(events)))


def _about_events(data: Data, training: Batch) -> Iterator[str]:
    for name, target in data.task.targets.items():
        if not target.classes or target.axis != "event":
            continue
        for label, count in zip(target.classes, _class_counts(data, name), strict=True):
            if count < FEW_EVENTS:
                yield (
                    f"class '{label}' has only {count} training events; use more, or merge classes"
                )
    weight = np.abs(training.weight.astype(np.float64))
    if len(weight) > 2 / LARGE_WEIGHT and weight.max() > LARGE_WEIGHT * weight.sum():
        share = float(weight.max() / weight.sum())
        yield (
            f"one training event has {100 * share:.0f} % of the weight of {len(weight):,}; check "
            "'weights.event' and 'weights.reweight.limit'"
        )


def _class_counts(data: Data, target: str) -> list[int]:
    """Return the training events of each class."""
    if "train" in data.stores:
        index = data.stores["train"].events.targets[target]
        found: list[int]
        found = np.bincount(index, minlength=len(data.task.targets[target].classes)).tolist()
        return found
    return data.cache.class_counts[target]["train"]


def _about_inputs(model: TrainedModel, training: Batch) -> Iterator[str]:
    """Yield a warning for each feature of a table that alone separates the classes."""
    table, names = training.inputs.get("table"), model.representation.names.get("table", [])
    if table is None or len(names) != table.shape[1]:
        return
    rows = max(500, min(CHECKED, 10**6 // max(1, len(names))))
    features = table[:rows]
    for name, target in model.task.targets.items():
        if not target.classes or target.axis != "event":
            continue
        index = training.targets[name][:rows]
        for k, label in enumerate(
            target.classes[1:] if len(target.classes) == 2 else target.classes
        ):
            is_class = index == (k + 1 if len(target.classes) == 2 else k)
            if min(is_class.sum(), (~is_class).sum()) < 10:
                continue
            areas = areas_under_curves(features, is_class)
            for feature in np.flatnonzero(np.maximum(areas, 1 - areas) > LEAK):
                yield (
                    f"the input '{names[feature]}' alone separates class '{label}' (AUC "
                    f"{max(areas[feature], 1 - areas[feature]):.4f}); if it is made from the "
                    "truth, leave it out of the inputs"
                )


def areas_under_curves(
    features: NDArray[np.floating], is_class: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the AUC of each feature (feature,) by the rank sum of the class; ties count half.

    features  (events, feature); NaN is as large as possible.
    is_class  (events,).
    """
    columns = np.nan_to_num(features, nan=np.inf).T
    ranks = np.stack([_average_ranks(column) for column in columns], 1)
    inside, outside = is_class.sum(), (~is_class).sum()
    return np.asarray((ranks[is_class].sum(0) - inside * (inside + 1) / 2) / (inside * outside))


def _average_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the ranks of values (events,) from 1, of equal ones their mean."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[index])


def _about_points(data: Data) -> Iterator[str]:
    """Yield a warning if the representation leaves out points of the training events."""
    made = data.representation
    if isinstance(made, PackedPoints):
        blocks = data.cache.of("train").blocks(data.task.columns, data.block)
        if text := made.limit_warning(blocks, are_predicted=data.task.predicts_points):
            yield text


def _about_curves(rows: Sequence[Mapping[str, float]], patience: int | None) -> Iterator[str]:
    """Yield a warning if the validation loss rises while the training loss falls."""
    losses = [row["validation_loss"] for row in rows]
    best = int(np.argmin(losses)) if losses else 0
    wasted = len(losses) - 1 - best
    falls = bool(losses) and rows[-1]["train_loss"] < rows[best]["train_loss"]
    if patience is None and falls and wasted >= max(WAITED, len(losses) // 2):
        yield (
            f"overfitting: the validation loss is smallest after epoch {best + 1} of {len(losses)} "
            "and rises while the training loss falls; use more events, fewer weights or dropout, "
            "and set 'training.patience'"
        )


def _about_constants(model: TrainedModel, validation: Batch) -> Iterator[str]:
    """Yield a warning for each loss that is no better than that of the best constant."""
    network = model.network
    if not isinstance(network, FittedNetwork):
        from bunchtrain.training.network_warnings import about_method, losses_and_constants

        if model.task.owns_loss:
            yield from about_method(network, validation)
            return
        found = losses_and_constants(model.task, network, validation)
    else:
        found = _losses_and_constants(model.task, network, validation)
    for loss, reached, constant in found:
        if not reached < constant:
            yield (
                f"the validation loss '{loss.name}' of target '{loss.target.name}' is "
                f"{reached:.4g}, no better than that of a constant prediction, {constant:.4g}; "
                f"{_advice(model)}"
            )


def _losses_and_constants(
    task: Task, network: FittedNetwork, validation: Batch
) -> Iterator[tuple[Head, float, float]]:
    """Yield each head with its weighted mean loss, and the smallest one of a constant."""
    batch, outputs = network.standardise(validation), network.standardised(validation.inputs)
    weight = batch.weights.astype(np.float64)
    if not weight.sum() > 0:
        return
    for loss, _ in build_losses(task, network):
        if not isinstance(loss, Head) or loss.is_batch_statistic:
            continue
        constant = np.tile(loss.constant_output(batch), (len(batch), 1))
        means = [
            float(np.average(loss.array_losses(given, batch), weights=weight))
            for given in (outputs[loss.target.name], constant)
        ]
        yield loss, means[0], means[1]


def _advice(model: TrainedModel) -> str:
    if len(model.task.terms) > len(model.network.heads):
        return "lower the weight of the penalty, or set its 'alone' and 'ramp'"
    return "change 'training.learning_rate' or the number of epochs, and check the inputs"
