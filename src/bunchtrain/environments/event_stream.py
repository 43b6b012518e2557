"""A stream of events in blocks of luminosity, in which the thresholds of a trigger are set.

The task is that of arXiv:2606.23993 and arXiv:2601.08910.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.environments._environment import Environment, Info, Step
from bunchtrain.environments._luminosity import Luminosity, draw_luminosity, read_fills
from bunchtrain.environments._scores import Sample, read_sample
from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import (
    InnerFraction,
    InnerFractions,
    NonNegative,
    Positive,
    Sampled,
    Steps,
)
from bunchtrain.tables.table import Table

if TYPE_CHECKING:
    from gymnasium import Space

_Names = Annotated[dict[str, str] | list[str], Field(min_length=1, max_length=100)]
#: Fractions of the events at which the scores are monitored, relative to budget / input rate.
_TAILS = (0.25, 0.5, 1.0, 2.0, 4.0)
_Floats = NDArray[np.float64]


class EventStream(Environment):
    """Blocks of luminosity of a stream of events; an action sets the thresholds of the next block.

    An event passes if one of its scores is at least its threshold. In block k of length Δt at
    luminosity L_k come n_k = R L_k Δt background events, drawn with replacement from those of the
    table: the accepted ones are N_k ~ Binomial(n_k, p), p the fraction of the table that passes.
    The rate is r_k = N_k/Δt, and the reward, with ε_S the fraction of the signal that passes,

        ε_S − λ max(0, |r_k/B − 1| − δ).

    The observation has, of the block before, the input rate and the accepted rate in kHz, the
    fraction of the budget, the luminosity, the thresholds, and for each score its quantiles at the
    upper tails `tails` in a sample of `monitored` events (exact in distribution, drawn for each
    score on its own). The first observation has a sample of `calibration` events instead, and no
    rate. `info` has the rate, the expected rate, the signal efficiency, the luminosity and the
    budget of the block, the time in hours at its end, and `best_threshold`, which has the budget
    as expected rate in the next block (a limit: no agent knows it).

    scores       columns or expressions, or name → expression, of which large values are signal.
    signal       expression that is true for the signal, as `jet == 1`.
    budget       rate B in kHz.
    input_rate   rate R of all events in kHz at luminosity 1.
    blocks       number of blocks of an episode.
    seconds      length of a block; that of a luminosity section of CMS is 23.3 s.
    tolerance    δ, relative to the budget.
    penalty      λ.
    monitored    events of a block whose scores are known whether they pass or not.
    calibration  events whose scores are known at the begin.
    tails        fractions of the events above the quantiles; around budget / input rate if None.
    prescale     whether the action has a prescale as well: a fraction of 1/prescale is kept.
    rows         largest number of rows that are read of the table.
    """

    def __init__(
        self,
        table: Table,
        *,
        scores: _Names,
        signal: str,
        budget: Positive,
        input_rate: Positive = 100.0,
        blocks: Steps = 200,
        seconds: Positive = 23.3,
        luminosity: Luminosity = Luminosity(),  # noqa: B008 (frozen)
        tolerance: InnerFraction = 0.1,
        penalty: NonNegative = 1.0,
        monitored: Sampled = 10_000,
        calibration: Sampled = 100_000,
        tails: InnerFractions | None = None,
        prescale: bool = False,
        rows: Sampled = 10_000_000,
    ) -> None:
        if budget >= input_rate:
            raise StudyError(
                f"environment 'event_stream': budget {budget:g} kHz is not below input_rate "
                f"{input_rate:g} kHz, so that all events pass; lower it"
            )
        if tails is not None and len(tails) < 2:
            raise StudyError("environment 'event_stream': give two 'tails' or more")
        named = scores if isinstance(scores, dict) else {_name(one): one for one in scores}
        self.sample: Sample = read_sample(table, named, signal, rows)
        self.budget, self.input_rate, self.tolerance = budget, input_rate, tolerance
        self.blocks, self.seconds, self.penalty = blocks, seconds, penalty
        self.max_steps = blocks
        self.monitored, self.calibration, self.prescale = monitored, calibration, prescale
        chosen = [min(one * budget / input_rate, 0.9) for one in _TAILS] if tails is None else tails
        self.tails = np.unique(chosen)  # ascending, as the ranks from the largest score
        self._luminosity, self._fills = luminosity, read_fills(luminosity, blocks + 1)

    def spaces(self) -> tuple[Space[Any], Space[Any]]:
        """Return mappings of boxes; the action is one of thresholds without a prescale."""
        from gymnasium.spaces import Box, Dict

        low, high = self.sample.low, self.sample.high
        size, tails = len(low), len(self.tails)
        positive = {
            name: Box(0, np.inf, (1,), np.float32)
            for name in ("last_rate", "last_input_rate", "last_budget_fraction", "last_luminosity")
        }
        quantiles = {
            f"quantiles_{name}": Box(low[k], high[k], (tails,), np.float32)
            for k, name in enumerate(self.sample.names)
        }
        threshold = Box(low, high, (size,), np.float32)
        observation = Dict({**positive, "last_threshold": threshold, **quantiles})
        if not self.prescale:
            return observation, Box(low, high, (size,), np.float32)
        return observation, Dict(
            {"prescale": Box(1, 1e9, (1,), np.float32), "threshold": Box(low, high, (size,))}
        )

    def begin(self, count: int) -> None:
        """Allocate the state of a batch of episodes."""
        blocks, shape = self.blocks, (len(self.sample.names), len(self.tails))
        self._block = np.zeros(count, np.int64)
        self._level = np.ones((count, blocks + 1))  # relative luminosity
        self._uniform = np.full((count, blocks), 0.5)  # of the number of accepted events
        self._position = np.full((count, blocks + 1, *shape), 0.5)  # in the upper tail
        self._threshold = np.tile(self.sample.low, (count, 1))
        self._rate = np.zeros(count)

    def reset(
        self, index: NDArray[np.int64], generators: Sequence[np.random.Generator]
    ) -> tuple[Any, Info]:
        """Draw all random numbers of the episodes that begin, whatever the actions will be."""
        for k, random in zip(index, generators, strict=True):
            self._level[k] = draw_luminosity(
                self._luminosity, self._fills, self.blocks + 1, self.seconds, random
            )
            self._uniform[k] = random.random(self.blocks)
            self._position[k] = self._tail_positions(random)
        self._block[index], self._rate[index] = 0, 0.0
        self._threshold[index] = self.sample.low
        return self._observe(), self._info(np.zeros(len(self._block)), np.zeros(len(self._block)))

    def _tail_positions(self, random: np.random.Generator) -> _Floats:
        """Return the uniform order statistics of the monitored events, (blocks + 1, scores, tails).

        The k-th largest of n uniform numbers lies Γ_k/Γ_{n+1} below 1, with sums Γ of exponentials.
        """
        found = np.empty(self._position.shape[1:])
        for part, events in ((slice(0, 1), self.calibration), (slice(1, None), self.monitored)):
            rank = np.clip(np.round(self.tails * events), 1, events).astype(int)
            steps = np.diff(np.concatenate([[0], rank, [events + 1]])).astype(float)
            shape = (*found[part].shape[:2], len(steps))
            sums = np.cumsum(random.gamma(np.maximum(steps, 1e-9), size=shape), -1)
            found[part] = sums[..., :-1] / sums[..., -1:]
        return found

    def step(self, actions: Any) -> Step:
        """Play one block of all episodes with these thresholds."""
        prescale = np.ones(len(self._block))
        if isinstance(actions, Mapping):
            actions, prescale = actions["threshold"], np.asarray(actions["prescale"])[:, 0]
        self._threshold = np.asarray(actions, np.float64)
        block = np.minimum(self._block, self.blocks - 1)
        every = np.arange(len(block))
        level = self._level[every, block]
        passed = self.sample.background_fraction(self._threshold) / prescale
        expected = self.input_rate * level * passed
        self._rate = self._accepted(level, passed, self._uniform[every, block])
        efficiency = self.sample.signal_fraction(self._threshold) / prescale
        beyond = np.maximum(0, np.abs(self._rate / self.budget - 1) - self.tolerance)
        self._block = np.minimum(self._block + 1, self.blocks)
        ended = self._block >= self.blocks
        never, reward = np.zeros(len(ended), bool), efficiency - self.penalty * beyond
        return self._observe(), reward, never, ended, self._info(expected, efficiency)

    def _accepted(self, level: _Floats, passed: _Floats, uniform: _Floats) -> _Floats:
        """Return the accepted rate in kHz: a quantile of the binomial distribution, (episodes,)."""
        from scipy.stats import binom

        events = np.round(1000 * self.input_rate * level * self.seconds)
        found: _Floats = binom.ppf(uniform, events, np.clip(passed, 0, 1))
        return np.maximum(found, 0) / (1000 * self.seconds)

    def _level_of(self, block: NDArray[np.int64]) -> _Floats:
        found: _Floats = self._level[np.arange(len(block)), np.clip(block, 0, self.blocks)]
        return found

    def _observe(self) -> dict[str, NDArray[np.float32]]:
        last = np.maximum(self._block - 1, 0)
        level = self._level_of(last)
        position = self._position[np.arange(len(last)), self._block]
        quantiles = self.sample.quantiles(position)  # (episodes, scores, tails)
        numbers = {
            "last_rate": self._rate,
            "last_input_rate": self.input_rate * level,
            "last_budget_fraction": self._rate / self.budget,
            "last_luminosity": level,
        }
        return {
            **{name: value[:, None].astype(np.float32) for name, value in numbers.items()},
            "last_threshold": self._threshold.astype(np.float32),
            **{
                f"quantiles_{name}": quantiles[:, k].astype(np.float32)
                for k, name in enumerate(self.sample.names)
            },
        }

    def _info(self, expected: _Floats, efficiency: _Floats) -> Info:
        coming = self.budget / (self.input_rate * self._level_of(self._block))
        return {
            "rate": self._rate.copy(),
            "expected_rate": expected,
            "signal_efficiency": efficiency,
            "luminosity": self._level_of(np.maximum(self._block - 1, 0)),
            "time": self._block * self.seconds / 3600,
            "budget": np.full(len(self._block), self.budget),
            "signal_rows": np.full(len(self._block), float(self.sample.signal_rows)),
            "tails": np.tile(self.tails, (len(self._block), 1)),
            "best_threshold": self.sample.thresholds(coming).astype(np.float32),
        }


def _name(expression: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in expression).strip("_")
