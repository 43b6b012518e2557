"""Number of examples of the property tests: few in CI, `BUNCHTRAIN_EXAMPLES` in `make nightly`.

In CI the tests of a format (ROOT, HDF5, Parquet, CSV, NPZ) and those of expressions share 200.
"""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """Return the number of examples: `count`, or `BUNCHTRAIN_EXAMPLES` where it is set."""
    return int(os.environ.get("BUNCHTRAIN_EXAMPLES", count))
