import awkward as ak
import numpy as np

from bunchtrain.tables.table import Table


class Arrays(Table):
    """Events held in memory, given out in chunks; `fail_at` raises before that entry."""

    def __init__(self, events, name="arrays", largest=None, fail_at=None, problem=None):
        self.events, self.name, self.largest = events, name, largest
        self.fail_at, self.problem = fail_at, problem
        self.passes = 0

    def fingerprint(self):
        return self.name

    def fields(self):
        return {n: str(self.events[n].type.content) for n in self.events.fields}

    def blocks(self, columns, rows):
        self.passes += 1
        rows = min(rows, self.largest or rows)
        for start in range(0, len(self.events), rows):
            if self.fail_at is not None and start + rows > self.fail_at:
                raise self.problem
            yield self.events[sorted(columns)][start : start + rows]


def jets(count=600, seed=1):
    """Jets of two classes with different spectra and a list of constituents each."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 3, count)  # class 2 is neither
    pt = random.exponential(np.where(label == 1, 60.0, 40.0)) + 20
    eta = random.normal(0, 1.0 + 0.3 * (label == 1))
    lengths = random.poisson(6, count)
    constituents = random.exponential(5.0, lengths.sum())
    return ak.Array(
        {
            "label": label,
            "pt": pt,
            "eta": eta,
            "weight_mc": random.uniform(0.5, 1.5, count),
            "number": np.arange(count, dtype=np.int64) + 7_000_000_000,
            "good": pt > 25,
            "constituent_pt": ak.unflatten(constituents, lengths),
        }
    )
