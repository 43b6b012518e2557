"""Templates of a score with their systematic variations, as a HistFactory workspace.

n_b ~ Poisson(μ s_b + Σ_k b_kb), each template with nuisance parameters: one a bin for the finite
sample, one a systematic effect that interpolates between its templates, one a rate. The format is
pyhf's JSON (doi:10.21105/joss.02823; HistFactory: CERN-OPEN-2012-016).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import Floats, as_weights

#: Smallest expected background of a bin, since a Poisson mean must be positive.
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

    With negative weights a class may have a negative number of expected events in a bin. It is
    kept, so that the template has the sum of the weights and that of all backgrounds is the data.
    Where a model would be without meaning it is changed, as `unphysical_bins` lists: a total
    background below 1e-6 is raised to it, a negative signal is set to 0.

    templates  Class → its template.
    signal     Class whose rate μ is measured.
    channel    Name of the channel.
    """
    physical = _physical({name: t.nominal for name, t in templates.items()}, signal)
    effects = dict.fromkeys(effect for t in templates.values() for effect in t.shifts)
    shifted = {effect: _physical_shifts(templates, effect, signal) for effect in effects}
    samples = []
    for name, template in templates.items():
        shifts = {effect: shifted[effect][name] for effect in template.shifts}
        one = replace(template, nominal=physical[name], shifts=shifts)
        samples.append(_sample(name, one, channel, name == signal))
    background = np.sum([physical[name] for name in templates if name != signal], axis=0)
    return {
        "channels": [{"name": channel, "samples": samples}],
        "observations": [{"name": channel, "data": background.tolist()}],
        "measurements": [{"name": "expected", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def unphysical_bins(templates: Mapping[str, Template], signal: str) -> list[str]:
    """Return a sentence for each class with negative bins, of what a workspace has there."""
    found = []
    for name, template in templates.items():
        bins = np.flatnonzero(template.nominal < 0)
        if len(bins):
            shown = ", ".join(f"{k + 1} ({template.nominal[k]:.3g})" for k in bins)
            ending = "is set to 0" if name == signal else "is kept, as the total is positive"
            found.append(
                f"The expected events of '{name}' are negative in bin {shown}; it {ending}."
            )
    total = np.sum([t.nominal for name, t in templates.items() if name != signal], axis=0)
    if len(empty := np.flatnonzero(total < SMALLEST)):
        shown = ", ".join(f"{k + 1} ({total[k]:.3g})" for k in empty)
        found.append(f"The background is not positive in bin {shown}; it is set to {SMALLEST:g}.")
    return found


def _physical_shifts(
    templates: Mapping[str, Template], effect: str, signal: str
) -> dict[str, tuple[Floats, Floats]]:
    """Return class → its templates up and down, with a positive total of the backgrounds."""
    sides = []
    for side in (0, 1):
        values = {
            name: t.shifts[effect][side] if effect in t.shifts else t.nominal
            for name, t in templates.items()
        }
        sides.append(_physical(values, signal))
    return {name: (sides[0][name], sides[1][name]) for name in templates}


def _physical(values: Mapping[str, Floats], signal: str) -> dict[str, Floats]:
    """Return class → (bins,) with a signal that is not negative and a positive background.

    A missing background is added to the largest one of the bin.
    """
    found = {name: np.asarray(one, np.float64).copy() for name, one in values.items()}
    if signal in found:
        found[signal] = np.maximum(found[signal], 0.0)
    backgrounds = [name for name in found if name != signal]
    stacked = np.stack([found[name] for name in backgrounds])
    missing = np.maximum(SMALLEST - stacked.sum(0), 0.0)
    largest = stacked.argmax(0)
    for k, name in enumerate(backgrounds):
        found[name] += np.where(largest == k, missing, 0.0)
    return found


def _sample(name: str, template: Template, channel: str, is_signal: bool) -> dict[str, Any]:
    modifiers: list[dict[str, Any]] = []
    if is_signal:
        modifiers.append({"name": "mu", "type": "normfactor", "data": None})
    if np.any(template.error > 0):
        error = np.maximum(template.error, MIN_ERROR * np.abs(template.nominal)).tolist()
        modifiers.append({"name": f"staterror_{channel}", "type": "staterror", "data": error})
    for effect, (up, down) in template.shifts.items():
        data = {"hi_data": up.tolist(), "lo_data": down.tolist()}
        modifiers.append({"name": effect, "type": "histosys", "data": data})
    if template.rate:
        data_of_rate = {"hi": 1 + template.rate, "lo": 1 - template.rate}
        modifiers.append({"name": f"rate_{name}", "type": "normsys", "data": data_of_rate})
    return {"name": name, "data": template.nominal.tolist(), "modifiers": modifiers}
