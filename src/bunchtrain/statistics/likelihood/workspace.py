"""Templates of a score with their systematic variations, as a HistFactory workspace.

n_b ~ Poisson(μ s_b + Σ_k b_kb), each template with nuisance parameters: one a bin for the finite
sample, one a systematic effect that interpolates between its templates, one a rate. The format is
pyhf's JSON (doi:10.21105/joss.02823; HistFactory: CERN-OPEN-2012-016).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Floats, as_weights

#: Expected events in an empty bin of a template, since a Poisson mean must be positive.
SMALLEST = 1e-6
#: Smallest relative error of a bin of a finite sample; without one its fit has no scale.
MIN_ERROR = 1e-3


@dataclass(frozen=True)
class Template:
    """Expected events of one class in the bins of a score.

    nominal  (bins,).
    error    (bins,) of the finite sample.
    shifts   systematic → its templates up and down, (bins,) each.
    rate     relative uncertainty of the class's rate; 0 for none.
    """

    nominal: Floats
    error: Floats
    shifts: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    rate: float = 0.0


def histogram(
    scores: NDArray[Any],
    edges: NDArray[Any],
    weights: NDArray[Any] | None = None,
    scale: float = 1.0,
) -> tuple[Floats, Floats]:
    """Return expected events and their error in bins, (bins,) each; the outer bins are open.

    scores   (events,).
    edges    (bins + 1,).
    weights  (events,) or None for equal weights.
    scale    Factor on weights that makes their sum an expected event count.
    """
    w = as_weights(weights, len(scores))
    index = np.searchsorted(np.asarray(edges)[1:-1], scores, side="right")
    sums = np.bincount(index, w, len(edges) - 1)
    squares = np.bincount(index, w**2, len(edges) - 1)
    return np.asarray(scale * sums, np.float64), np.asarray(scale * np.sqrt(squares), np.float64)


def workspace(templates: Mapping[str, Template], signal: str, channel: str) -> dict[str, Any]:
    """Return the workspace of one channel with the expected background as data.

    templates  Class → its template.
    signal     Class whose rate μ is measured.
    channel    Name of the channel.
    """
    background = [t.nominal for name, t in templates.items() if name != signal]
    return {
        "channels": [
            {
                "name": channel,
                "samples": [
                    _sample(name, template, channel, name == signal)
                    for name, template in templates.items()
                ],
            }
        ],
        "observations": [{"name": channel, "data": _as_list(np.sum(background, axis=0))}],
        "measurements": [{"name": "expected", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def _sample(name: str, template: Template, channel: str, is_signal: bool) -> dict[str, Any]:
    modifiers: list[dict[str, Any]] = []
    if is_signal:
        modifiers.append({"name": "mu", "type": "normfactor", "data": None})
    if np.any(template.error > 0):
        error = _as_list(np.maximum(template.error, MIN_ERROR * template.nominal))
        modifiers.append({"name": f"staterror_{channel}", "type": "staterror", "data": error})
    for effect, (up, down) in template.shifts.items():
        data = {"hi_data": _as_list(up), "lo_data": _as_list(down)}
        modifiers.append({"name": effect, "type": "histosys", "data": data})
    if template.rate:
        data_of_rate = {"hi": 1 + template.rate, "lo": 1 - template.rate}
        modifiers.append({"name": f"rate_{name}", "type": "normsys", "data": data_of_rate})
    return {"name": name, "data": _as_list(template.nominal), "modifiers": modifiers}


def _as_list(values: Floats) -> list[float]:
    return [max(float(value), SMALLEST) for value in values]
