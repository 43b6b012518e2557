"""Warnings about trained networks: losses no better than those of a constant, and collapse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.methods.build import build_losses
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.method_network import MethodNetwork
from bunchtrain.methods.protocols import CONDITION, Generates
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.methods.weighted_sum import event_losses, event_weights

#: Events on which a method is checked, and the fraction of the variance of the data below which
#: generated events have collapsed.
FEW_OF_METHOD, COLLAPSED = 2000, 0.02
#: Iterations of the minimisation, in which losses such as the cross-entropy converge.
ITERATIONS = 50


def losses_and_constants(
    task: Task, network: Network, validation: Batch
) -> Iterator[tuple[Head, float, float]]:
    """Yield each head with its weighted mean loss, and the smallest one of a constant.

    The network is evaluated in batches of the size of the training.
    """
    heads = [
        loss
        for loss, _ in build_losses(task, network)
        if isinstance(loss, Head) and not loss.is_batch_statistic
    ]
    for head in heads:
        if isinstance(head, nn.Module):
            head.eval()
    sums, total = torch.zeros(len(heads)).double(), torch.zeros(()).double()
    store, size = EventStore([validation]), int(task.settings["batch_size"])
    for start in range(0, len(store), size):
        batch = store.take(np.arange(start, min(start + size, len(store)))).tensors()
        standardised, weight = network.standardise(batch), _weights(batch)
        with torch.inference_mode():
            members = network.members(batch.inputs)
        with torch.no_grad():
            for index, head in enumerate(heads):
                for outputs in members:
                    losses = event_losses(head, outputs, standardised)
                    sums[index] += (weight * losses).sum() / len(members)
        total += weight.sum()
    every = network.standardise(validation.tensors())
    for head, found in zip(heads, sums / total, strict=True):
        yield head, float(found), constant_loss(head, every)


def about_method(network: Network, validation: Batch) -> Iterator[str]:
    """Yield a warning if a method is no better than a constant, or if what it gives collapsed."""
    assert isinstance(network, MethodNetwork)  # as the task owns its loss
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
    weight = _weights(batch).float()
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


def _weights(batch: Batch) -> Tensor:
    return batch.weight if len(batch.weight) else torch.ones(len(batch))
