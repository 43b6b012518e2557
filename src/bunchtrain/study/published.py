"""Published metrics of models: `published` in a study."""

from __future__ import annotations

import difflib
import math
import re
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PublishedValue(NamedTuple):
    """A published value and its uncertainty, NaN if none is given."""

    value: float
    error: float = math.nan


#: Names of metrics, or their beginnings before a number, against which published ones are checked.
COMMON_METRICS = ("auc", "accuracy", "rejection", "efficiency_at", "inverse_jsd", "lut", "cycles")


class Published(BaseModel):
    """Published metrics, shown next to the measured ones.

    Next to `source` any metric of an evaluation can be given by its name in `metrics.json`, as a
    value or as [value, uncertainty]: `auc: 0.982`, `accuracy: 0.932`, `rejection_30: [891, 18]`
    (1/ε_B at ε_S = 0.3), and of firmware `lut`, `dsp` and `cycles`.
    """

    model_config = ConfigDict(extra="allow")
    source: str = Field(description="Paper or table, e.g. 'arXiv:1902.09914, Table 1'.")

    @model_validator(mode="after")
    def _metrics(self) -> Published:
        given = self.model_extra or {}
        for name, value in given.items():
            pair = value if isinstance(value, list | tuple) else [value]
            numeric = 1 <= len(pair) <= 2 and all(_is_numeric(one) for one in pair)
            if not numeric or not math.isfinite(pair[0]):
                raise ValueError(f"{name}: give a value or [value, uncertainty], got {value!r}")
            if hint := _misspelt(name):
                raise ValueError(f"no evaluation has a metric '{name}'{hint}")
            given[name] = value if _is_numeric(value) else list(pair)
        return self

    @property
    def metrics(self) -> dict[str, PublishedValue]:
        """Metric → its value and uncertainty."""
        return {
            name: PublishedValue(*(value if isinstance(value, list) else [value]))
            for name, value in (self.model_extra or {}).items()
        }


def _is_numeric(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _misspelt(name: str) -> str:
    """Return a hint if a metric has nearly the name of a common one, e.g. `acuracy`."""
    word = re.split(r"_?[\d/]", name.rpartition(":")[2])[0]
    close = difflib.get_close_matches(word, COMMON_METRICS, 1, cutoff=0.8)
    return f"; did you mean '{close[0]}'?" if close and word not in COMMON_METRICS else ""
