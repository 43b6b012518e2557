"""Base of quantised models: EBOPs penalty, schedules of the training, calibration of ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.packing import point_mask, segment_ids, starts
from bunchtrain.networks.layers.pruning import Pruner
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.networks.layers.quantised.options import QuantisationOptions
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Weights

Format = tuple[Integers, Integers, Integers]  # sign, integer and fractional bits


class QuantisedModel(nn.Module):
    """A model of quantised layers, with the term β · EBOPs in its loss.

    β increases log-linearly from the first to the second value of `beta` until the fraction `rise`
    of the training, and is constant from there, so that one training scans from high to low
    resource use. Before `quantised_from` of the training, weights and activations are not
    quantised; at 1 the network is quantised after its training, with the ranges of the training
    set.

    options  number formats and the cost of bits.
    shape    shape of the elements of the input with a format of their own, as (features,).
    """

    #: Prunes the layers, if the model has pruning.
    pruner: Pruner | None

    def __init__(self, options: QuantisationOptions, *shape: int) -> None:
        super().__init__()
        self.beta_range = options.beta if options.is_learned else (0.0, 0.0)
        self.rise, self.quantised_from = options.rise, options.quantised_from
        self.budget = options.budget
        self.progress, self.pruner = 1.0, None
        self._active = True
        self.input = options.make_input_quantiser(*shape)

    def bit_operations(self) -> Tensor:
        """Return the estimate of effective bit operations, EBOPs (), with gradient for widths."""
        raise NotImplementedError

    def input_formats(self) -> dict[str, Format]:
        """Return input → sign, integer and fractional bits, in the shape of one event."""
        raise NotImplementedError

    def quantise_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the inputs in their formats, rounded half up and clipped."""
        return {name: self.input(inputs[name]) for name in self.input_formats()}

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return the outputs for quantised inputs as arrays; see the package's docstring."""
        raise NotImplementedError

    @property
    def beta(self) -> float:
        """EBOPs coefficient β at the present progress of the training."""
        low, high = self.beta_range
        part = min(1.0, self.progress / self.rise)
        return low if low == high else float(low * (high / low) ** part)

    def weight_penalty(self, events: int) -> Tensor | float:
        """Return β · EBOPs."""
        return self.beta * self.bit_operations() if self.beta else 0.0

    def anneal(self, progress: float) -> None:
        """Set β, quantisation and pruning to this fraction of the training."""
        self.progress = progress
        self._activate(progress > self.quantised_from)
        if self.pruner:
            self.pruner.anneal(progress)

    @property
    def records_pareto_front(self) -> bool:
        """True if the training scans from high to low resource use."""
        return self.beta_range[0] != self.beta_range[1]

    @property
    def is_comparable_across_epochs(self) -> bool:
        """True if pruning is complete, and β at its largest or the EBOPs within the budget."""
        if self.pruner and not self.pruner.is_done(self.progress):
            return False
        if self.budget is not None:
            return float(self.bit_operations().detach()) <= self.budget
        return not self.records_pareto_front or self.progress >= self.rise

    def calibrate_ranges(self, inputs: Iterable[Mapping[str, Tensor]]) -> None:
        """Set all ranges from the model's inputs, batch by batch.

        The inputs are iterated until no format changes; with learned widths once is enough.
        """
        self._activate(True)
        was_training, quantisers = self.training, list(self.quantisers())
        self.eval()
        for _ in range(len(quantisers) + 1):
            before = [quantiser.integer.clone() for quantiser in quantisers]
            self._observe_ranges(inputs)
            if all(torch.equal(i, q.integer) for i, q in zip(before, quantisers, strict=True)):
                break
        self.train(was_training)

    @torch.no_grad()
    def _observe_ranges(self, inputs: Iterable[Mapping[str, Tensor]]) -> None:
        for quantiser in self.quantisers():
            quantiser.low.zero_()
            quantiser.high.zero_()
            quantiser.observing = True
        for batch in inputs:
            self(**batch)
        for quantiser in self.quantisers():
            quantiser.observing = False
            quantiser.update_format()

    @contextmanager
    def count_overflows(self) -> Iterator[dict[str, int]]:
        """Return a context in which calls are counted: quantiser → values beyond its range."""
        named = {n: m for n, m in self.named_modules() if isinstance(m, Quantiser)}
        counts = dict.fromkeys(named, 0)

        def count(name: str, quantiser: Quantiser, arguments: tuple[Tensor]) -> None:
            counts[name] += int(quantiser.overflow_mask(arguments[0]).sum())

        hooks = [m.register_forward_pre_hook(partial(count, n)) for n, m in named.items()]
        try:
            yield counts
        finally:
            for hook in hooks:
                hook.remove()

    def quantisers(self) -> Iterator[Quantiser]:
        """Yield the quantisers of inputs and activations."""
        yield from (module for module in self.modules() if isinstance(module, Quantiser))

    def _activate(self, active: bool) -> None:
        if active == self._active:
            return
        self._active = active
        for module in self.modules():
            if isinstance(module, Quantiser | Weights):
                module.active = active


class QuantisedParticles(QuantisedModel):
    """A quantised model of the first `particles` of an event, each with a slot in the circuit.

    Later particles are ignored; an empty slot of the circuit has the bit `present` 0 and must not
    contribute.

    particles  slots of the circuit.
    features   features of a particle.
    options    number formats and the cost of bits.
    """

    def __init__(self, particles: int, features: int, options: QuantisationOptions) -> None:
        super().__init__(options, features)
        self.particles, self.features = particles, features

    def first(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first particles of each event, quantised, and their number (batch,)."""
        points = features.shape[0]
        first = starts(lengths)[segment_ids(lengths, points)]
        position = torch.arange(points, device=features.device) - first
        return self.input(features[position < self.particles]), lengths.clamp(max=self.particles)

    def input_formats(self) -> dict[str, Format]:
        """Return the formats of `features` (slot, feature) and of `present` (slot,)."""
        shape = (self.particles, self.features)
        k, i, f = (np.broadcast_to(bits, shape) for bits in self.input.kif)
        one = np.ones(self.particles, np.int64)
        return {"features": (k, i, f), "present": (0 * one, one, 0 * one)}

    def quantise_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return `features` (batch, slot, feature) in their format, and which are `present`."""
        quantised, counts = self.first(inputs["features"], inputs["lengths"])
        present = point_mask(counts, self.particles)
        features = quantised.new_zeros((*present.shape, self.features))
        features[present] = quantised
        return {"features": features, "present": present.to(quantised.dtype)}
