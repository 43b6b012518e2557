"""A predicted quantity of an event, and its column in a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: `prediction` is the probability of a class or a regressed value, `sigma` its standard deviation,
#: `correlation` that of two values, whose names the label joins by `_`, `sigma_model` the part of a
#: standard deviation from the posterior of the weights, `low` and `high` the ends of an
#: interval, `in_set` 1 for a class in a conformal set, `quantile` a predicted quantile of a value
#: and `quantile_sigma` its standard deviation. `first` and `second` are the points of an edge,
#: counted within the event. `index` is the item of a role in the list of the event, −1 for none,
#: and `probability` that of the assignment of a role, a particle or the whole event. `score` and
#: `log_likelihood` belong to no target, nor does `object`, the index of the object that a transform
#: assigns a point to.
Kind = Literal[
    "prediction",
    "sigma",
    "sigma_model",
    "correlation",
    "low",
    "high",
    "in_set",
    "quantile",
    "quantile_sigma",
    "first",
    "second",
    "index",
    "probability",
    "score",
    "log_likelihood",
    "object",
]

_NAMES: dict[Kind, str] = {
    "prediction": "{label}",
    "sigma": "{label}_sigma",
    "sigma_model": "{label}_sigma_model",
    "correlation": "{label}_correlation",
    "low": "{label}_low{level}",
    "high": "{label}_high{level}",
    "in_set": "{label}_in{level}",
    "quantile": "{label}_q{level}",
    "quantile_sigma": "{label}_q{level}_sigma",
    "first": "{label}_first",
    "second": "{label}_second",
    "index": "{label}",
    "probability": "{label}_probability",
    "score": "{label}",
    "log_likelihood": "{label}",
    "object": "{label}",
}


#: Labels of the predictions of object condensation: β, and the start of those of the coordinates.
BETA, COORDINATE = "beta", "x"


@dataclass(frozen=True)
class Quantity:
    """What one predicted column holds.

    label  name of the class or value.
    level  nominal coverage of an interval or a set, or probability of a quantile.
    """

    label: str
    kind: Kind = "prediction"
    level: float | None = None

    @property
    def missing(self) -> float | int:
        """What an event without a prediction has: −1 for an index, else NaN."""
        return -1 if self.kind == "index" else math.nan

    @property
    def name(self) -> str:
        """Name without the model's: `top`, `top_sigma`, `mass_low68`, `top_in99p5`."""
        level = "" if self.level is None else f"{100 * self.level:g}".replace(".", "p")
        return _NAMES[self.kind].format(label=self.label, level=level)

    def as_dict(self) -> dict[str, Any]:
        """Return the quantity for JSON."""
        entry = {"label": self.label, "kind": self.kind}
        return entry if self.level is None else {**entry, "level": self.level}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Quantity:
        """Return the quantity that `as_dict` wrote."""
        return cls(entry["label"], entry["kind"], entry.get("level"))


#: The quantities of methods without targets.
ANOMALY_SCORE = Quantity("anomaly_score", "score")
LOG_LIKELIHOOD = Quantity("log_likelihood", "log_likelihood")


def column_name(model: str, target: str, quantity: Quantity, several_targets: bool) -> str:
    """Return the column of a model's quantity, `pfn_top`, or `pfn_flavour_b` of several targets."""
    prefix = f"{target}_" if several_targets else ""
    return f"{model}_{prefix}{quantity.name}"
