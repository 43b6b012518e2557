"""Laplace approximation of the last layer, fitted after the training (arXiv:2010.02720).

With φ_n = (h_n, 1) the inputs of the last layer, θ its weights and biases and Λ_n the curvature of
event n's −log likelihood in the outputs, the posterior is the Gaussian N(θ, Σ) with
Σ⁻¹ = Σ_n Λ_n ⊗ φ_n φ_nᵀ + δ. The prior precision δ is an option, or that of largest evidence,
δ = γ/|θ|² with γ = Σ_i λ_i/(λ_i + δ) over the eigenvalues λ of the sum (MacKay, Neural
Computation 4 (1992) 415). A linear network with a Gaussian likelihood gets its exact posterior.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import RunError, StudyError
from bunchtrain.methods.task import derive_seed
from bunchtrain.parts.ranges import Draws, Positive
from bunchtrain.uncertainty.posterior import Likelihood, MakeModel, Posterior, require_draws

#: Largest count of weights whose covariance is stored.
MAX_WEIGHTS = 4096


class LastLayerLaplace(Posterior):
    """Gaussian weights in the last layer of any trained network (arXiv:2010.02720).

    draws  count of draws of a prediction.
    prior  standard deviation of the prior of the weights; that of largest evidence if unset.
    """

    fits_after_training = True
    root: Tensor  # (weights, weights) with root rootᵀ = Σ; 0 before the fit

    def __init__(
        self, make: MakeModel, seed: int, *, draws: Draws = 50, prior: Positive | None = None
    ) -> None:
        super().__init__(make, seed)
        require_draws(draws, "last_layer_laplace")
        if prior is not None and prior <= 0:
            raise StudyError(
                f"posterior 'last_layer_laplace': option 'prior' must be above 0, got {prior:g}"
            )
        self.count, self.prior = draws, prior
        linear = [layer for layer in self.model.modules() if isinstance(layer, nn.Linear)]
        if not linear:
            raise StudyError("posterior 'last_layer_laplace' needs a model with linear layers")
        self.last = (linear[-1],)  # in a tuple, so that its weights are not saved twice
        size = linear[-1].out_features * (linear[-1].in_features + 1)
        if size > MAX_WEIGHTS:
            raise StudyError(
                f"posterior 'last_layer_laplace': the last layer has {size} weights, more than the "
                f"{MAX_WEIGHTS} whose covariance can be stored; make the layer before it narrower"
            )
        self.register_buffer("root", torch.zeros(size, size))

    def _inputs(self, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return φ (batch, input + 1) and the outputs (batch, outputs)."""
        calls: list[tuple[Tensor, Any]] = []
        hook = self.last[0].register_forward_hook(
            lambda _, inputs, outputs: calls.append((inputs[0], outputs))
        )
        outputs: Tensor = self.model(**tensors)
        hook.remove()
        if not calls or calls[-1][1] is not outputs:
            raise StudyError(
                f"posterior 'last_layer_laplace' needs a model that ends in a linear layer, and "
                f"{type(self.model).__name__} does not; use another posterior"
            )
        inputs = calls[-1][0]
        return torch.cat([inputs, inputs.new_ones(len(inputs), 1)], 1), outputs

    def draws(self, **tensors: Tensor) -> Tensor:
        """Return (draw, batch, outputs).

        Raises RunError before the fit.
        """
        if not self.root.any():
            raise RunError("the covariance of the last layer is not fitted yet")
        inputs, outputs = self._inputs(tensors)
        steps = self._noise().to(inputs) @ self.root.T  # (draw, weights)
        changes = steps.view(self.count, outputs.shape[1], inputs.shape[1])
        drawn: Tensor = outputs + torch.einsum("ni,doi->dno", inputs, changes)
        return drawn

    def _noise(self) -> Tensor:
        generators = [
            torch.Generator().manual_seed(derive_seed(self.seed, index))
            for index in range(self.count)
        ]
        return torch.stack([torch.randn(len(self.root), generator=g) for g in generators])

    def fit_posterior(self, batches: Iterable[Batch], likelihood: Likelihood) -> None:
        """Fit the covariance on the training set."""
        curvature = sum(
            _curvature(*self._inputs_and_curvatures(batch, likelihood)) for batch in batches
        )
        values, vectors = torch.linalg.eigh(torch.as_tensor(curvature))
        layer = self.last[0]
        weights = torch.cat([layer.weight, layer.bias[:, None]], 1).detach().double()
        values = values.clamp(min=0)
        if self.prior is None:
            precision = evidence_precision(values, float(weights.square().sum()))
        else:
            precision = 1 / self.prior**2
        self.root.copy_(vectors * (values + precision).rsqrt())

    def _inputs_and_curvatures(self, batch: Batch, likelihood: Likelihood) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            inputs, outputs = self._inputs({name: batch.inputs[name] for name in self.input_names})
        outputs.requires_grad_()
        with torch.enable_grad():
            return inputs.double(), curvatures(likelihood(outputs, batch), outputs).double()


def curvatures(losses: Tensor, outputs: Tensor) -> Tensor:
    """Return Λ_n = ∂²ℓ_n/∂o², (batch, outputs, outputs), negative curvatures set to 0."""
    (slopes,) = torch.autograd.grad(losses.sum(), outputs, create_graph=True)
    rows = [
        torch.autograd.grad(slopes[:, k].sum(), outputs, retain_graph=True)[0]
        for k in range(outputs.shape[1])
    ]
    values, vectors = torch.linalg.eigh(torch.stack(rows, 1))
    positive: Tensor = vectors * values.clamp(min=0)[:, None] @ vectors.mT
    return positive


def _curvature(inputs: Tensor, curvature: Tensor) -> Tensor:
    """Return Σ_n Λ_n ⊗ φ_n φ_nᵀ, (weights, weights) with the outputs outermost."""
    outputs = curvature.shape[1]
    blocks = [
        [(inputs * curvature[:, a, b, None]).T @ inputs for b in range(outputs)]
        for a in range(outputs)
    ]
    return torch.cat([torch.cat(row, 1) for row in blocks])


def evidence_precision(values: Tensor, squares: float, steps: int = 100) -> float:
    """Return δ = γ/|θ|², γ = Σ λ/(λ + δ), by iteration from δ = 1.

    values   (weights,) eigenvalues λ of the curvature.
    squares  |θ|².
    steps    count of iterations.
    """
    precision = 1.0
    for _ in range(steps):
        precision = float((values / (values + precision)).sum()) / max(squares, 1e-12)
        precision = max(precision, 1e-12)
    return precision
