"""The best joint assignment: one combination for each particle, no point twice, of whole batches.

A beam search over the particles with a bound on what it leaves out: where the bound exceeds the
best assignment found, the search is repeated with twice the width, so that the result is exact.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Score of a particle without a combination: far below that of any.
MISSING = -1e6
#: Width of the first search, and numbers in a table of scores.
WIDTH, SIZE = 32, 2**23
#: Points in one word of a set of points.
_BITS = 62


def best_assignment(scores: list[Tensor], combinations: list[Tensor]) -> Tensor:
    """Return the combination of each particle, (events, particles), −1 for none.

    As many particles as possible have one; among these the sum of the scores is the largest.

    scores        of each particle, (events, combinations), −∞ where there is none.
    combinations  of each particle, (combinations, products), points within the event.
    """
    events = len(scores[0])
    found = torch.full((events, len(scores)), -1, device=scores[0].device)
    masks = [_as_bits(one, combinations) for one in combinations]
    left, width = torch.arange(events, device=found.device), WIDTH
    while len(left):
        step = max(1, SIZE // (width * (width + 1)))
        exact = []
        for rows in torch.split(left, step):
            chosen, is_exact = _search([one[rows] for one in scores], masks, width)
            found[rows] = chosen
            exact.append(is_exact)
        left, width = left[~torch.cat(exact)], 2 * width
    return found


def _as_bits(combinations: Tensor, every: list[Tensor]) -> Tensor:
    """Return the points of each combination as bits, (combinations, words) int64."""
    most = max((int(one.max()) for one in every if one.numel()), default=0)
    words = most // _BITS + 1
    bits = combinations.new_zeros(len(combinations), words)
    for points in combinations.unbind(1):
        bits.scatter_add_(1, (points // _BITS)[:, None], (2 ** (points % _BITS))[:, None])
    return bits


def _search(scores: list[Tensor], masks: list[Tensor], width: int) -> tuple[Tensor, Tensor]:
    """Return the best of the assignments in the beam, and whether it is the best of all.

    Of each particle the `width` best combinations are tried, after each the `width` best sums are
    kept.
    """
    # A combination that an event does not have, or of score NaN, is worse than none.
    worst = 2 * MISSING
    scores = [one.double().nan_to_num(nan=worst, neginf=worst) for one in scores]
    events = len(scores[0])
    largest = [_max(one) for one in scores]  # (events,) each
    total = scores[0].new_zeros(events, 1)
    used = masks[0].new_zeros(events, 1, masks[0].shape[1])
    chosen = masks[0].new_zeros(events, 1, 0)
    left_out = torch.full_like(largest[0], -torch.inf)
    for k, (score, mask) in enumerate(zip(scores, masks, strict=True)):
        rest = sum(largest[k + 1 :], torch.zeros_like(left_out))
        count = min(width, score.shape[1])
        top, index = score.topk(min(count + 1, score.shape[1]), 1)
        if top.shape[1] > count:
            left_out = left_out.maximum(total.amax(1) + top[:, count] + rest)
        top, index = top[:, :count], index[:, :count]
        none = top.new_full((events, 1), MISSING)
        points = torch.cat([mask[index], mask.new_zeros(events, 1, mask.shape[1])], 1)
        index = torch.cat([index, index.new_full((events, 1), -1)], 1)
        joined = total[:, :, None] + torch.cat([top, none], 1)[:, None]
        clash = ((used[:, :, None] & points[:, None]) != 0).any(-1)
        joined = joined.masked_fill(clash, -torch.inf).flatten(1)
        kept = min(width, joined.shape[1])
        best, place = joined.topk(min(kept + 1, joined.shape[1]), 1)
        if best.shape[1] > kept:
            left_out = left_out.maximum(best[:, kept] + rest)
        total, place = best[:, :kept], place[:, :kept]
        before, own = place // index.shape[1], place % index.shape[1]
        used = _rows(used, before) | _rows(points, own)
        chosen = torch.cat([_rows(chosen, before), index.gather(1, own)[..., None]], 2)
    return chosen[:, 0], total[:, 0] >= left_out


def _max(scores: Tensor) -> Tensor:
    """Return the largest score of a particle, that of none included, (events,)."""
    none = scores.new_full((len(scores), 1), MISSING)
    return torch.cat([scores, none], 1).amax(1)


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """Return values (events, index, width) of rows (events, rows, width)."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))
