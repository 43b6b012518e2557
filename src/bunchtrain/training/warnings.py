"""Warnings about the training events and the trained model, each one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import build_losses
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.method_network import MethodNetwork
from bunchtrain.methods.unsupervised._method import CONDITION, Generates
from bunchtrain.methods.weighted_sum import event_losses, event_weights
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
#: Events on which a method is checked, and the fraction of the variance of the data below which
#: generated events have collapsed.
FEW_OF_METHOD, COLLAPSED = 2000, 0.02
#: Iterations of the minimisation, in which losses such as the cross-entropy converge.
ITERATIONS = 50


def training_warnings(
    model: TrainedModel, data: Data, rows: Sequence[Mapping[str, float]]
) -> list[str]:
    """Return the warnings about a training, in one sentence each.

    model  the trained model.
    data   its events.
    rows   of the learning curves.
    """
    training, validation = (first_events(data, split) for split in ("train", "validation"))
    found = [*_about_events(data, training), *_about_inputs(model, training)]
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
    ranks = rankdata(np.nan_to_num(features, nan=np.inf), axis=0)
    inside, outside = is_class.sum(), (~is_class).sum()
    return np.asarray((ranks[is_class].sum(0) - inside * (inside + 1) / 2) / (inside * outside))


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
    if isinstance(network, MethodNetwork):
        yield from _about_method(network, validation)
        return
    tensors = validation.tensors()
    standardised = network.standardise(tensors)
    with torch.inference_mode():
        members = network.members(tensors.inputs)
    for loss, _ in build_losses(model.task, network):
        if not isinstance(loss, Head) or loss.is_batch_statistic:
            continue
        loss.eval()
        with torch.no_grad():
            found = [mean_loss(loss, outputs, standardised) for outputs in members]
        reached, constant = sum(found) / len(found), constant_loss(loss, standardised)
        if not reached < constant:
            yield (
                f"the validation loss '{loss.name}' of target '{loss.target.name}' is "
                f"{reached:.4g}, no better than that of a constant prediction, {constant:.4g}; "
                f"{_advice(model)}"
            )


def _about_method(network: MethodNetwork, validation: Batch) -> Iterator[str]:
    """Yield a warning if a method is no better than a constant, or if what it gives collapsed."""
    method, few = (
        network.method,
        validation.take(np.arange(min(FEW_OF_METHOD, len(validation)))).tensors(),
    )
    with torch.inference_mode():
        inputs = network.normalise(few.inputs)
        constants = method.constant_losses(inputs)
        weight = event_weights(few, inputs[method.tensor])
        total = weight.sum()
        if constants is not None and total > 0:
            losses = torch.stack(list(method.losses(inputs).values())).sum(0)
            reached, constant = (float((weight * x).sum() / total) for x in (losses, constants))
            if not reached < constant:
                yield (
                    f"the validation loss of method '{method.name}' is {reached:.4g}, no better "
                    f"than that of a constant, {constant:.4g}: it has learnt nothing or "
                    "collapsed; change 'training.learning_rate' or the number of epochs"
                )
        if isinstance(method, Generates) and len(few) > 1:
            made = method.generate(len(few), inputs.get(CONDITION) if method.condition else None)
            spread, true = (
                float(x.flatten(1).var(0, correction=0).sum())
                for x in (made, inputs[method.tensor])
            )
            if not spread > COLLAPSED * true:
                yield (
                    f"the events that method '{method.name}' generates are nearly all alike: their "
                    f"variance is {100 * spread / true if true else 0:.2g} % of that of the data; "
                    "lower 'training.learning_rate' or train longer"
                )


def constant_loss(head: Head, batch: Batch) -> float:
    """Return the smallest weighted mean of a loss with the same outputs for all events.

    It is minimised by L-BFGS from outputs of 0: of standardised values the mean, of classes equal
    probabilities.

    head   the loss.
    batch  events with standardised values, as `Network.standardise` returns them.
    """
    weight = (batch.weight if len(batch.weight) else torch.ones(len(batch))).float()
    weight = weight / weight.sum()
    outputs = torch.zeros(head.outputs, requires_grad=True)
    optimiser = torch.optim.LBFGS([outputs], max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    found: list[float] = []

    def closure() -> Tensor:
        optimiser.zero_grad()
        rows = head.output_rows(batch)
        given = {head.target.name: outputs.expand(rows, -1)}
        loss: Tensor = (weight * event_losses(head, given, batch)).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        found.append(float(loss.detach()))
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return min(found)


def mean_loss(loss: Head, outputs: dict[str, Tensor], batch: Batch) -> float:
    """Return the weighted mean of a loss."""
    weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
    return float((weight * event_losses(loss, outputs, batch)).sum() / weight.sum())


def _advice(model: TrainedModel) -> str:
    if len(model.task.terms) > len(model.network.heads):
        return "lower the weight of the penalty, or set its 'alone' and 'ramp'"
    return "change 'training.learning_rate' or the number of epochs, and check the inputs"
