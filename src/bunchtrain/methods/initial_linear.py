"""Least-squares start of the linear part of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from bunchtrain.batch import Array, Batch
from bunchtrain.heads._head import Head
from bunchtrain.methods.protocols import StartsLinear
from bunchtrain.methods.supervised import Network

#: Events whose inputs are normalised at once.
CHUNK = 4096


def fit_linear_estimate(
    network: Network, heads: Mapping[str, Head], blocks: Sequence[Batch]
) -> None:
    """Set the linear function of a model, if it has one, to the fit to the standardised values.

    With X the normalised values that it is of and a column of ones, and Y the values in units of
    their standard deviation, it is the W of smallest norm that minimises |√w (X W − Y)|² over the
    training events of weights w, negative ones by their magnitude. The last layer of the rest of
    the network is 0 for these outputs. Those that are no mean of a value, as a width or a logit,
    keep their random weights.
    """
    model = network.model
    if not isinstance(model, StartsLinear) or model.linear is None:
        return
    inputs = np.concatenate([_inputs(network, model, block) for block in blocks if len(block)])
    inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
    root = np.sqrt(np.abs(np.concatenate([b.weights for b in blocks]).astype(np.float64)))[:, None]
    first = 0
    for target, outputs in network.heads.items():
        if target in network.units:
            mean, std = (np.asarray(one, np.float64) for one in network.units[target])
            values = np.concatenate([b.targets[target] for b in blocks]).reshape(len(inputs), -1)
            fit, *_ = np.linalg.lstsq(inputs * root, (values - mean) / std * root)
            places = [first + place for place in value_outputs(heads[target], len(mean))]
            _set_rows(model, places, fit)
        first += outputs


def value_outputs(head: Head, values: int) -> list[int]:
    """Return the output of a head whose shift is the mean, for each value."""
    shift, _ = head.output_scaling(np.arange(1.0, values + 1), np.ones(values))
    return [int(np.flatnonzero(shift == value + 1)[0]) for value in range(values)]


def _inputs(network: Network, model: StartsLinear, block: Batch) -> Array:
    """Return the values of the linear function for the events of a block, (events, value)."""
    parts = []
    for start in range(0, len(block), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(block)))
        chunk = block.take(rows).tensors().inputs  # a copy: cached blocks are read-only
        with torch.no_grad():
            inputs = network.normalisation(chunk)
            values = model.linear_inputs(*(inputs[name] for name in network.model_inputs))
        parts.append(values.double().numpy())
    return np.concatenate(parts)


def _set_rows(model: StartsLinear, rows: list[int], fit: Array) -> None:
    """Set some outputs to the linear function of `fit` (value + 1, outputs)."""
    linear, last = model.linear, model.dense[-1]
    assert isinstance(linear, nn.Linear)
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        linear.weight[rows] = torch.tensor(fit[:-1].T, dtype=linear.weight.dtype)
        linear.bias[rows] = torch.tensor(fit[-1], dtype=linear.bias.dtype)
        last.weight[rows] = 0
        last.bias[rows] = 0
