"""Matrix products, dropout and buffers at the full rate of the CPU.

On CPUs of other vendors than Intel, PyTorch's own float32 products (MKL) use half of vector units
as wide as AVX-512; its oneDNN kernels use all of them and fuse bias and ReLU. On those of Intel,
and with AVX2, MKL is at least as fast, and writes and adds into a given place. Newly allocated
memory is cleared by the system page by page at a tenth of the write rate, which for tensors with a
row for each edge costs as much as the arithmetic: buffers are reused step after step.
"""

from __future__ import annotations

import platform
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

_ONEDNN = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _by_intel() -> bool:
    """Return whether the processor is one of Intel's."""
    description = Path("/proc/cpuinfo")  # of Linux
    is_linux = description.exists()
    text = description.read_text(errors="replace") if is_linux else platform.processor()
    return "GenuineIntel" in text


_INTEL = _by_intel()

#: Whether MKL leaves half of the vector units unused.
_HALVED = torch.backends.cpu.get_cpu_capability() == "AVX512" and not _INTEL


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False) -> Tensor:
    """Return [relu](rows · weightᵀ + bias), (rows, out) from (rows, in) and (out, in); no gradient.

    Transposed matrices are not copied.
    """
    by_onednn = _ONEDNN and (relu or not _INTEL)
    if by_onednn and rows.dtype == torch.float32 and rows.device.type == "cpu" and rows.numel():
        kind, left, right = "relu" if relu else "none", _contiguous(rows), _contiguous(weight)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, kind, [], "")
        return result
    result = functional.linear(rows, weight, bias)
    return result.relu_() if relu else result


def affine(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return rows · weightᵀ + bias of few rows; no gradient.

    By MKL, unless it leaves vector units unused: at less cost for each call.
    """
    if _HALVED:
        return product(rows, weight, bias)
    return torch.mm(rows, weight.t()) if bias is None else torch.addmm(bias, rows, weight.t())


def product_into(out: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """Write rows · weightᵀ to `out` and return it; the library is chosen as in `affine`."""
    return out.copy_(product(rows, weight)) if _HALVED else torch.mm(rows, weight.t(), out=out)


def product_with_relu(out: Tensor, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Write relu(rows · weightᵀ + bias) to `out` and return it; the library is that of `affine`."""
    if _HALVED:
        return out.copy_(product(rows, weight, bias, relu=True))
    return torch.addmm(bias, rows, weight.t(), out=out).relu_()


def add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add leftᵀ · right, of (rows, out) and (rows, in), to `total` (out, in) in place.

    The library is chosen as in `affine`.
    """
    if _HALVED:
        total += product(left.t(), right.t())
    else:
        total.addmm_(left.t(), right)


def _contiguous(matrix: Tensor) -> Tensor:
    """Return a matrix contiguous by rows or columns: else oneDNN is a thousand times slower."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


def runs_in_chunks(module: nn.Module, values: Tensor) -> bool:
    """Return whether a module runs as whole layers on a CPU, in chunks that fit in its cache.

    It does not on other devices, for export, with autocast, in transformations of torch.func, for a
    gradient in inference, in a mode that is not that of all its parts, and where one has a hook.
    """
    if values.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    if torch.compiler.is_exporting() or torch.is_autocast_enabled("cpu") or not len(values):
        return False
    if torch._C._functorch.maybe_current_level() is not None:
        return False
    if not module.training and torch.is_grad_enabled():
        return False
    parts = list(module.modules())
    return all(m.training == module.training and not m._forward_hooks for m in parts)


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
    """Return rows · weightᵀ with a gradient that cannot be differentiated again."""
    result: Tensor = Linear.apply(rows, weight)  # type: ignore[no-untyped-call]
    return result


class Masks:
    """Dropout masks of 0 and 1 from 16 random bits each, and the factor of what is kept.

    Drawing is the larger part of PyTorch's own dropout on a CPU.
    """

    def __init__(self, dropout: float) -> None:
        kept = max(1, round((1 - dropout) * 2**16))
        self.active, self.largest, self.factor = dropout > 0, kept - 1 - 2**15, 2**16 / kept
        if self.active:
            self.random = np.random.SFC64(int(torch.randint(2**62, ())))

    def draw(self, like: Tensor) -> Tensor:
        """Return a mask of this shape and type."""
        size = like.numel()
        bits = torch.from_numpy(self.random.random_raw(-(-size // 4)).view(np.int16))
        return torch.le(bits[:size].view(like.shape), self.largest, out=torch.empty_like(like))

    def add_dropped(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return x + dropout(y) and the mask; y is overwritten."""
        if not self.active:
            return y.add_(x), None
        drawn = self.draw(y)
        return torch.addcmul(x, y, drawn, value=self.factor), drawn


_free: list[Tensor] = []


class BufferPool:
    """Buffers from a common free list, acquired by one user until it releases all of them."""

    def __init__(self) -> None:
        self._acquired: list[Tensor] = []

    def acquire(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return an uninitialised tensor of this shape, with type and device of `like`."""
        size = prod(shape)
        matching = [b for b in _free if b.dtype == like.dtype and b.device == like.device]
        large = [buffer for buffer in matching if buffer.numel() >= size]
        if large:
            buffer = _remove(min(large, key=torch.numel))
        else:
            if matching:
                _remove(max(matching, key=torch.numel))  # too small: replaced by the new one
            with torch.inference_mode(False):  # the next user may be a training
                buffer = torch.empty(size + size // 8, dtype=like.dtype, device=like.device)
        self._acquired.append(buffer)
        return buffer[:size].view(shape)

    def release(self) -> None:
        """Return all buffers to the free list; views of them must not be used any more."""
        _free.extend(self._acquired)
        self._acquired = []

    def __del__(self) -> None:
        self.release()


def _remove(buffer: Tensor) -> Tensor:
    _free[:] = [other for other in _free if other is not buffer]
    return buffer
