"""Density of one or more values given the event: a neural spline flow (arXiv:1906.04032).

Value d is y_d = μ_d + σ_d u_d, and z_d = f(u_d; θ_d) is Gaussian, where f is the rational-quadratic
spline of zuko, the identity beyond ±5. The outputs of the network are μ, log σ² and all parameters
of the splines, so that the density is any function of the event. With several values the flow is
autoregressive, θ_d = a_d + Σ_{j<d} Σ_m B_djm b_m(u_j), with Gaussian bumps b_m on −3 … 3:

ℓ = −Σ_d [log N(z_d; 0, 1) + log df/du_d − log σ_d].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import AffineTransform, Distribution, Independent, Normal

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import missing
from bunchtrain.heads._head import Head
from bunchtrain.parts.ranges import InnerFractions
from bunchtrain.targets import Quantity, Target

if TYPE_CHECKING:
    from zuko.transforms import Transform

#: Bounds on |log σ²|: of a standardised value, and in the units of the value.
BOUND, UNIT_BOUND = 30.0, 80.0
#: Points of the density from which mean, width and quantiles are computed.
POINTS = 512
#: Rows whose points are computed at a time.
ROWS = 1024


class NormalizingFlow(Head, nn.Module):
    """Density of the values by a neural spline flow conditional on the event (arXiv:1906.04032).

    Unlike a Gaussian it may have tails, several peaks and correlations. Predicted are mean,
    standard deviation and quantiles of each value; `distribution` gives log p and samples.

    bins    bins of a spline.
    levels  probabilities of the quantiles, in (0, 1).
    """

    def __init__(
        self,
        target: Target,
        *,
        bins: Annotated[int, Field(ge=2, le=1000)] = 8,
        levels: InnerFractions = (0.025, 0.16, 0.5, 0.84, 0.975),
    ) -> None:
        super().__init__(target)
        self.require_values()
        self.bins, self.levels = bins, levels
        self.values = len(target.values)
        self.parameters_of_spline = 3 * bins - 1
        try:
            from zuko import transforms
        except ModuleNotFoundError:
            raise missing("zuko", "flows", "loss 'normalizing_flow'") from None
        self._zuko: Any = transforms
        if self.values == 1:
            uniform = ((torch.arange(POINTS) + 0.5) / POINTS)[:, None]
        else:
            engine: Any = torch.quasirandom.SobolEngine
            uniform = engine(self.values, scramble=True, seed=1).draw(POINTS)
        points = torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6))
        self.register_buffer("points", points, persistent=False)

    @property
    def outputs(self) -> int:
        """μ and log σ² of each value, and the parameters a and B of its spline."""
        pairs = self.values * (self.values - 1) // 2
        return 2 * self.values + (self.values + pairs * self.bins) * self.parameters_of_spline

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,), −log p in units of the standardised values."""
        output = outputs[self.target.name]
        if not len(output):  # which PyTorch's sums over values do not allow
            return output.float().sum(1)
        density = self._density(output, BOUND)
        return -density.log_prob(self.true_values(batch))

    def distribution(self, output: Tensor) -> Distribution:
        """Return the density of the values (batch, value)."""
        return self._density(output, UNIT_BOUND)

    def _density(self, output: Tensor, bound: float) -> Distribution:
        from zuko.distributions import NormalizingFlow as Flow

        base = Normal(torch.zeros_like(output[:, : self.values].float()), 1.0, validate_args=False)
        flow: Distribution = Flow(self._transform(output, bound), Independent(base, 1))
        return flow

    def _transform(self, output: Tensor, bound: float) -> Transform:
        """Return the map from values to Gaussian variables, (batch, value) both."""
        n, spline, zuko = self.values, self.parameters_of_spline, self._zuko
        sizes = [n, n, output.shape[1] - 2 * n]
        mean, log_variance, rest = torch.split(output.float(), sizes, 1)
        own, mixed = torch.split(rest, [n * spline, rest.shape[1] - n * spline], 1)
        own = torch.unflatten(own, 1, (n, spline))  # (batch, value, parameter)
        pairs = n * (n - 1) // 2
        weights = torch.unflatten(mixed, 1, (pairs * self.bins, spline)) if n > 1 else mixed

        def splines(u: Tensor) -> Any:
            found = own if n == 1 else self._mixed(own, weights, u)
            sizes = [self.bins, self.bins, self.bins - 1]
            return zuko.DependentTransform(
                zuko.MonotonicRQSTransform(*torch.split(found, sizes, -1)), 1
            )

        width = (0.5 * log_variance.clamp(-bound, bound)).exp()
        standardise = zuko.DependentTransform(AffineTransform(mean, width).inv, 1)
        return zuko.ComposedTransform(standardise, zuko.AutoregressiveTransform(splines, n))

    def _mixed(self, own: Tensor, weights: Tensor, u: Tensor) -> Tensor:
        """Return θ (…, batch, value, parameter) for u (…, batch, value)."""
        centres = torch.linspace(-3, 3, self.bins, dtype=u.dtype, device=u.device)
        bumps = torch.exp(-0.5 * (u[..., None] - centres).square())  # (…, batch, value, bin)
        found, first = [own[:, 0].expand(*u.shape[:-1], -1)], 0
        for d in range(1, self.values):
            used = weights[:, first : first + d * self.bins]  # (batch, earlier bin, parameter)
            before = bumps[..., :d, :].flatten(-2)
            found.append(own[:, d] + (before[..., None, :] @ used).squeeze(-2))
            first += d * self.bins
        return torch.stack(found, -2)

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return mean and std for μ, and log std² as a shift of log σ²."""
        rest = np.zeros(self.outputs - 2 * len(mean))
        shift = np.concatenate([mean, 2 * np.log(std), rest])
        return shift, np.concatenate([std, np.ones_like(std), np.ones_like(rest)])

    def predictions(self, output: Tensor) -> dict[Quantity, Tensor]:
        """Return mean, σ and the quantiles of each value, (batch,) each."""
        if torch.compiler.is_compiling():
            columns = self._columns(output)
        else:
            columns = torch.cat([self._columns(rows) for rows in torch.split(output, ROWS)])
        labels = [
            quantity
            for value in self.target.values
            for quantity in (
                Quantity(value),
                Quantity(value, "sigma"),
                *(Quantity(value, "quantile", level) for level in self.levels),
            )
        ]
        return dict(zip(labels, columns.unbind(1), strict=True))

    def _columns(self, output: Tensor) -> Tensor:
        """Return mean, σ and quantiles of the first value, of the second, …, (batch, column)."""
        points = self.get_buffer("points").to(output.device)
        z = points[:, None].expand(-1, output.shape[0], -1)
        values = self._transform(output, UNIT_BOUND).inv(z)  # (point, batch, value)
        mean = values.mean(0)
        deviations = values - mean
        columns = [mean, deviations.square().mean(0).sqrt()]
        ordered = values.sort(0).values
        for level in self.levels:
            place = min(max(level * POINTS - 0.5, 0.0), POINTS - 1.0)
            low = min(int(place), POINTS - 2)
            columns.append(torch.lerp(ordered[low], ordered[low + 1], place - low))
        return torch.stack(columns, 2).flatten(1)
