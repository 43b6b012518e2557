"""Normalizing flow: a density from invertible maps of a Gaussian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from bunchtrain.errors import MissingDependency, StudyError
from bunchtrain.methods.protocols import CONDITION
from bunchtrain.methods.unsupervised._method import Method, gaussian_losses
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import ANOMALY_SCORE, LOG_LIKELIHOOD


class NormalizingFlow(Method):
    """Density p(x | c) = N(f(x; c)) |det ∂f/∂x|, with the loss −log p (arXiv:1906.04032).

    It gives the log likelihood of an event, the anomaly score −log p and generated events. The
    flows are those of zuko.

    flow        `spline_coupling` and `spline_autoregressive`: rational-quadratic splines of the
                neural spline flow, coupled in two passes or autoregressive;
                `affine_autoregressive`: masked autoregressive flow (arXiv:1705.07057).
    transforms  number of maps.
    hidden      widths of the networks that give the parameters of a map.
    bins        bins of a spline.
    """

    quantities = (ANOMALY_SCORE, LOG_LIKELIHOOD)

    def __init__(
        self,
        sizes: Mapping[str, Size],
        *,
        flow: Literal[
            "spline_coupling", "spline_autoregressive", "affine_autoregressive"
        ] = "spline_coupling",
        transforms: Annotated[int, Field(ge=1, le=100)] = 4,
        hidden: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = (64, 64),
        bins: Annotated[int, Field(ge=2, le=1000)] = 8,
    ) -> None:
        super().__init__(sizes)
        try:
            from zuko.flows import MAF, NSF
        except ModuleNotFoundError:
            raise MissingDependency(
                "method 'normalizing_flow' needs zuko: pip install 'bunchtrain[flows]'"
            ) from None
        if self.features < 2 and flow == "spline_coupling":
            raise StudyError(
                "method 'normalizing_flow': a coupling needs two features or more; choose "
                "'flow: spline_autoregressive'"
            )
        options = {"transforms": transforms, "hidden_features": hidden, "randperm": True}
        if flow == "affine_autoregressive":
            self.flow = MAF(self.features, self.condition, **options)
        else:
            passes = 2 if flow == "spline_coupling" else None
            self.flow = NSF(self.features, self.condition, bins=bins, passes=passes, **options)

    def log_prob(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the log density of each event in the units of the normalised tensors, (batch,)."""
        context = inputs[CONDITION] if self.condition else None
        found: Tensor = self.flow(context).log_prob(inputs[self.tensor].flatten(1))
        return found

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return −log p of each event, (batch,)."""
        return {"negative_log_likelihood": -self.log_prob(inputs)}

    def constant_losses(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return −log p of independent Gaussians, (batch,)."""
        return gaussian_losses(inputs[self.tensor].flatten(1))

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return anomaly score −log p and log p of each event, (batch,) each."""
        found = self.log_prob(inputs)
        return {ANOMALY_SCORE: -found, LOG_LIKELIHOOD: found}

    def generate(self, count: int, condition: Tensor | None) -> Tensor:
        """Return normalised events, (count, *shape), of the conditions (count, condition)."""
        if condition is None:
            sampled = self.flow().sample((count,))
        else:
            sampled = self.flow(condition).sample()
        return torch.as_tensor(sampled).view(count, *self.shape)
