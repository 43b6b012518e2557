"""What quantised models share: the price of bits, the course of the training, calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.pruning import Pruner
from bunchtrain.networks.layers.quantised.arithmetic import Arithmetic, Integers
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Weights


class QuantisedModel(nn.Module):
    """A model of quantised layers, whose loss has the term β · EBOPs.

    β rises from the first to the second value of `beta`, evenly in its logarithm, while the
    training goes from 0 to `rise`, and stays there, so that one training passes from a rich network
    to a frugal one. Until `quantised_from` of the training, numbers are real; at 1 the network is
    quantised after its training, with the ranges of the training set.

    Args:
        beta: least and largest price of a bit operation.
        rise: fraction of the training at which β is at its largest.
        quantised_from: fraction of the training from which numbers are quantised.
        budget: EBOPs at most of the network that is kept; None for no bound.
    """

    #: Prunes the layers, where a model sets it.
    pruner: Pruner | None

    def __init__(
        self,
        beta: tuple[float, float],
        rise: float,
        quantised_from: float,
        budget: float | None = None,
    ) -> None:
        super().__init__()
        self.beta_range, self.rise, self.quantised_from = beta, rise, quantised_from
        self.budget = budget
        self.progress, self.pruner = 1.0, None
        self._active = True

    def bit_operations(self) -> Tensor:
        """Return the estimate of effective bit operations, EBOPs (), with gradient for widths."""
        raise NotImplementedError

    def input_formats(self) -> dict[str, tuple[Integers, Integers, Integers]]:
        """Return input → sign, integer and fractional bits, in the shape of one event."""
        raise NotImplementedError

    def quantise_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the inputs in their formats, rounded half up and clipped."""
        raise NotImplementedError

    def exact(self, inputs: dict[str, Any], arithmetic: Arithmetic) -> Any:
        """Return the outputs of quantised inputs as arrays; see the package's documentation."""
        raise NotImplementedError

    @property
    def beta(self) -> float:
        """The price of a bit operation at this point of the training."""
        low, high = self.beta_range
        part = min(1.0, self.progress / self.rise)
        return low if low == high else float(low * (high / low) ** part)

    def penalty(self, events: int) -> Tensor | float:
        """Return β · EBOPs."""
        return self.beta * self.bit_operations() if self.beta else 0.0

    def anneal(self, progress: float) -> None:
        """Take the fraction of the training done."""
        self.progress = progress
        self._activate(progress > self.quantised_from)
        if self.pruner:
            self.pruner.anneal(progress)

    @property
    def traces_front(self) -> bool:
        """True where the training goes from rich networks to frugal ones."""
        return self.beta_range[0] != self.beta_range[1]

    @property
    def settled(self) -> bool:
        """True where the network may be kept: all pruned, β at its largest or the budget kept."""
        if self.pruner and not self.pruner.is_done(self.progress):
            return False
        if self.budget is not None:
            return float(self.bit_operations().detach()) <= self.budget
        return not self.traces_front or self.progress >= self.rise

    def calibrate(self, show_training_set: Callable[[], None]) -> None:
        """Take all ranges from the training set, which the function shows to the network.

        It is shown until no format changes any more, which with learned widths is once.
        """
        self._activate(True)
        was_training, quantisers = self.training, list(self.quantisers())
        self.eval()
        for _ in range(len(quantisers) + 1):
            before = [quantiser.integer.clone() for quantiser in quantisers]
            self._observe(show_training_set)
            if all(torch.equal(i, q.integer) for i, q in zip(before, quantisers, strict=True)):
                break
        self.train(was_training)

    def _observe(self, show_training_set: Callable[[], None]) -> None:
        for quantiser in self.quantisers():
            quantiser.forget()
            quantiser.observing = True
        with torch.no_grad():
            show_training_set()
        for quantiser in self.quantisers():
            quantiser.observing = False
            quantiser.settle()

    def overflows(self, show_events: Callable[[], None]) -> dict[str, int]:
        """Return quantiser → how many values of the events shown lay beyond its range."""
        named = {n: m for n, m in self.named_modules() if isinstance(m, Quantiser)}
        found = dict.fromkeys(named, 0)

        def count(name: str, quantiser: Quantiser, given: tuple[Tensor]) -> None:
            found[name] += int(quantiser.overflowing(given[0]).sum())

        hooks = [m.register_forward_pre_hook(partial(count, n)) for n, m in named.items()]
        with torch.no_grad():
            show_events()
        for hook in hooks:
            hook.remove()
        return found

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
