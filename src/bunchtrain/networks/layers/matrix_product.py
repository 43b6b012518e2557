"""Matrix products at the processor's full rate.

On processors that are not Intel's, PyTorch's own float32 products (MKL) use half of the vector
units; its oneDNN kernels use all of them and apply bias and ReLU on the way out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_ONEDNN = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False) -> Tensor:
    """Return [relu](rows · weightᵀ + bias), (rows, out) from (rows, in) and (out, in); no gradient.

    Transposed matrices are taken as they are, without a copy.
    """
    if _ONEDNN and rows.dtype == torch.float32 and rows.device.type == "cpu" and rows.numel():
        kind, left, right = "relu" if relu else "none", _dense(rows), _dense(weight)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, kind, [], "")
        return result
    result = functional.linear(rows, weight, bias)
    return result.relu_() if relu else result


def _dense(matrix: Tensor) -> Tensor:
    """Return a matrix without gaps in memory: with them oneDNN is a thousand times slower."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


class Linear(torch.autograd.Function):
    """y = x Wᵀ, dx = dy W, dW = dyᵀ x."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor) -> Tensor:
        """Return (rows, out) from (rows, in) and (out, in)."""
        ctx.save_for_backward(rows, weight)
        return product(rows, weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of rows and weight."""
        rows, weight = ctx.saved_tensors
        return product(gradient, weight.t()), gradient.t() @ rows


def linear(rows: Tensor, weight: Tensor) -> Tensor:
    """Return rows · weightᵀ, with a gradient, which cannot be differentiated again."""
    result: Tensor = Linear.apply(rows, weight)  # type: ignore[no-untyped-call]
    return result
