"""Distance correlation of two variables in O(n log n) time and O(n) memory, with its gradient.

With a_ij = |x_i − x_j|, a_i = Σ_j w_j a_ij, a = Σ_i w_i a_i, b likewise of y, and Σ w = 1,

    dCov² = Σ_ij w_i w_j a_ij b_ij + a b − 2 Σ_i w_i a_i b_i

is the double-centred sum of Székely, Rizzo and Bakirov (arXiv:0803.4101). The signs of x_i − x_j
are constants, so that a_i is linear in sorted x and the first term is 2 Σ_i w_i x_i C_i with
C_i = Σ_j w_j sign(x_i − x_j)|y_i − y_j|, its gradient by x_i is 2 w_i C_i, and C is computed from
sums over the points that are lower in both variables (as in arXiv:1410.1503).
"""

from __future__ import annotations

import torch
from torch import Tensor


def distance_correlation(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return dCor² = dCov²(x, y)/√(dCov²(x, x) dCov²(y, y)), a scalar in [0, 1]; 0 for constants.

    x, y, weights are (n,) of the same floating type; gradients flow to x and y.
    """
    w = weights / weights.sum()
    variances = [distance_variance(v, w) for v in (x, y)]
    rounding = [torch.finfo(v.dtype).eps * (w * v * v).sum() for v in (x, y)]
    if any(v <= least for v, least in zip(variances, rounding, strict=True)):
        return 0 * (x.sum() + y.sum())
    return distance_covariance(x, y, w) / (variances[0] * variances[1]).sqrt()


def distance_covariance(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Return dCov², a scalar, from (n,) each; the weights w sum to one."""
    x, y = x - (w * x.detach()).sum(), y - (w * y.detach()).sum()  # keeps digits
    a, b = mean_distances(x, w), mean_distances(y, w)
    joint = 2 * (w * x * _signed_distances(x.detach(), y.detach(), w)).sum()
    if y.requires_grad:  # adds zero, with the gradient for y
        slope = 2 * w * _signed_distances(y.detach(), x.detach(), w)
        joint = joint + (slope * (y - y.detach())).sum()
    return joint + (w * a).sum() * (w * b).sum() - 2 * (w * a * b).sum()


def distance_variance(x: Tensor, w: Tensor) -> Tensor:
    """Return dCov²(x, x), a scalar, from (n,) each; the weights w sum to one."""
    x = x - (w * x).sum()
    a = mean_distances(x, w)
    return 2 * (w * x * x).sum() + (w * a).sum().square() - 2 * (w * a * a).sum()


def mean_distances(x: Tensor, w: Tensor) -> Tensor:
    """Return a_i = Σ_j w_j |x_i − x_j|, (n,)."""
    ordered, order = x.sort()
    below, above = (
        torch.searchsorted(ordered.detach(), x.detach(), right=r) for r in (False, True)
    )
    sums = torch.stack([w[order], w[order] * ordered]).cumsum(1)  # (2, n)
    sums = torch.nn.functional.pad(sums, (1, 0))
    signed: Tensor = sums[:, below] + sums[:, above] - sums[:, -1:]  # Σ_j w_j sign(x_i − x_j) …
    return x * signed[0] - signed[1]


def _signed_distances(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Return C_i = Σ_j w_j sign(x_i − x_j) |y_i − y_j|, (n,); sign(0) is 0."""
    by_y = y.argsort()
    x, y, w = x[by_y], y[by_y], w[by_y]
    by_x = x.argsort(stable=True)  # equal x in the order of y
    rank = torch.empty_like(by_x)
    rank[by_x] = torch.arange(len(x), device=x.device)
    v = torch.stack([w, w * y])  # (2, n)
    in_x = torch.nn.functional.pad(v[:, by_x].cumsum(1), (1, 0))
    lower = in_x[:, rank] + v.cumsum(1) - v
    # Σ_j v_j sign sign over the ranks: + where j is lower, or higher, in both.
    signed = in_x[:, -1:] - v + 4 * _lower_in_both(rank, v) - 2 * lower
    # Equal x have been counted with the sign of y_i − y_j.
    ordered = x[by_x]
    first, last = (torch.searchsorted(ordered, x, right=r) for r in (False, True))
    count, total = signed - in_x[:, last] + in_x[:, first]
    distances = torch.empty_like(y)
    distances[by_y] = y * count - total
    return distances


def _lower_in_both(rank: Tensor, values: Tensor) -> Tensor:
    """Return Σ values_j over j < i with rank_j < rank_i: (rows, n), from ranks 0 … n − 1.

    The ranks are bisected recursively; at each step the sum of an upper point includes the lower
    points of its group that come before it.
    """
    n = len(rank)
    half = 1 << (n - 1).bit_length() >> 1
    order = torch.arange(max(1, 2 * half), device=rank.device)
    rank = torch.cat([rank, order[n:]])
    values = torch.nn.functional.pad(values, (0, len(order) - n))
    sums = torch.zeros_like(values)
    while half:
        groups = order.view(-1, 2 * half)
        upper = (rank[groups] & half).bool()
        before = (values[:, groups] * ~upper).cumsum(2)  # (rows, group, 2 half)
        sums[:, groups[upper]] += before[:, upper]
        lows, highs = groups[~upper].view(-1, half), groups[upper].view(-1, half)
        order = torch.cat([lows, highs], 1).flatten()
        half //= 2
    return sums[:, :n]
