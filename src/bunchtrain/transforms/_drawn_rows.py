"""Random draws of rows: how often each row of a table is drawn, the same for any size of blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.table import Table

#: Rows of a chunk, whose draws are made together; results depend on it.
CHUNK = 65_536
#: Rows that are read at once to count them.
_ROWS = 100_000


def count_rows(table: Table) -> int:
    """Return the number of rows of a table, which is read if it does not know it."""
    if table.entries is not None:
        return table.entries
    return sum(len(block) for block in table.blocks(list(table.fields())[:1], _ROWS))


def draw_size(
    rows: int | None, expected: float | None, default: int, random: np.random.Generator
) -> int:
    """Return a number of draws: `rows`, or a Poisson number of mean `expected`, or the default."""
    if expected is not None:
        return int(random.poisson(expected))
    return default if rows is None else rows


class DrawnRows:
    """How often each row of a table is drawn.

    The numbers n_c of the draws in chunks of `CHUNK` rows are multinomial, or hypergeometric
    without replacement; those of a chunk have random numbers of their own. The memory is that of
    one chunk.

    total        number of rows.
    draws        number of draws.
    seed         of the random numbers.
    replacement  whether a row may be drawn more than once.

    Raises DataError for more draws than rows without replacement, or for draws from no rows.
    """

    def __init__(self, total: int, draws: int, seed: int, *, replacement: bool) -> None:
        if draws and not (total if replacement else total >= draws):
            raise DataError(
                f"{draws:,} rows cannot be drawn from {total:,}; draw fewer, or draw them with "
                "replacement (method: bootstrap or poisson)"
            )
        self.draws, self._seed, self._replacement = draws, seed, replacement
        self._sizes = np.diff(np.append(np.arange(0, total, CHUNK), total))
        random = np.random.default_rng([seed, 0])
        if replacement:
            self._draws = random.multinomial(draws, self._sizes / max(1, total))
        else:
            self._draws = random.multivariate_hypergeometric(self._sizes, draws, method="marginals")
        self._chunk, self._counts = -1, np.zeros(0, np.int64)

    def counts(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the number of draws of each row from `start` to `stop`, (rows,)."""
        found = [np.zeros(0, np.int64)]
        for chunk in range(start // CHUNK, -(-stop // CHUNK)):
            first = chunk * CHUNK
            found.append(self._of(chunk)[max(0, start - first) : stop - first])
        return np.concatenate(found)

    def _of(self, chunk: int) -> NDArray[np.int64]:
        """Return the number of draws of each row of a chunk, (rows,); the last one is kept."""
        if chunk != self._chunk:
            random = np.random.default_rng([self._seed, 1, chunk])
            size, draws = self._sizes[chunk], self._draws[chunk]
            rows = random.choice(size, draws, replace=self._replacement, shuffle=False)
            self._chunk, self._counts = chunk, np.bincount(rows, minlength=size)
        return self._counts
