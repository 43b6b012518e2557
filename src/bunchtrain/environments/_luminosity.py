"""Instantaneous luminosity of a fill in blocks: decay and steps, or that of recorded fills."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.parts import Options
from bunchtrain.parts.ranges import InnerFraction, Positive, UnitFraction
from bunchtrain.tables.sources.files import Files

_ROWS = 100_000


@dataclass(frozen=True)
class Luminosity(Options):
    """Luminosity of the blocks of a fill, relative to that at which `input_rate` is given.

    lifetime            of the luminosity in hours.
    step_probability    that the luminosity jumps before a block.
    step_size           largest relative size of a jump; it is uniform in ± this.
    profile             file with the luminosity of recorded fills, in place of decay and jumps.
    profile_luminosity  column of the luminosity in it; its largest value becomes 1.
    profile_fill        column that identifies the fill or run in it.
    profile_minimum     luminosity below which its blocks are left out.
    """

    lifetime: Positive = 12.0
    step_probability: UnitFraction = 0.0
    step_size: InnerFraction = 0.3
    profile: str | None = None
    profile_luminosity: str = "luminosity"
    profile_fill: str = "fill"
    profile_minimum: InnerFraction = 0.01


def read_fills(options: Luminosity, blocks: int) -> list[NDArray[np.float64]]:
    """Return the luminosity of each recorded fill of at least this number of blocks, (blocks,).

    Raises DataError if there is no such fill.
    """
    if options.profile is None:
        return []
    columns = [options.profile_luminosity, options.profile_fill]
    table = Files(files=options.profile)
    read = ak.concatenate(list(table.blocks(columns, _ROWS)))
    luminosity, fill = (ak.to_numpy(read[name]).astype(np.float64) for name in columns)
    luminosity /= max(luminosity.max(initial=0), 1e-300)
    kept = luminosity >= options.profile_minimum
    order = np.argsort(fill[kept], kind="stable")
    parts = np.split(luminosity[kept][order], np.flatnonzero(np.diff(fill[kept][order])) + 1)
    long = [part[:blocks] for part in parts if len(part) >= blocks]
    if not long:
        longest = max(map(len, parts))
        raise DataError(
            f"profile '{options.profile}' has no fill of {blocks:,} blocks with luminosity, the "
            f"longest has {longest:,}; give fewer 'blocks'"
        )
    return long


def draw_luminosity(
    options: Luminosity,
    fills: list[NDArray[np.float64]],
    blocks: int,
    seconds: float,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the relative luminosity of the blocks of one fill, (blocks,).

    L_k = exp(−k Δt/τ) Π_{j ≤ k} (1 + s_j) with the jumps s_j, or that of a recorded fill.

    seconds  Δt of a block.
    """
    if fills:
        return fills[int(random.integers(len(fills)))]
    decay = np.exp(-np.arange(blocks) * seconds / (3600 * options.lifetime))
    jump = random.random(blocks) < options.step_probability
    size = options.step_size * (2 * random.random(blocks) - 1)
    jump[0] = False
    found: NDArray[np.float64] = decay * np.cumprod(np.where(jump, 1 + size, 1.0))
    return found
