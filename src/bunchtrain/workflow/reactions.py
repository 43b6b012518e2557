"""How predictive mean and deviation react to a growing shift of the events (arXiv:1904.10004)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from bunchtrain.files import write_json, write_text
from bunchtrain.plots import svg
from bunchtrain.plots import plot_response_curves
from bunchtrain.statistics.metrics import Measurement, bias
from bunchtrain.workflow.prediction_table import Predictions, signal_of
from bunchtrain.workflow.result import Run
from bunchtrain.workflow.shifted import effect, shifted
from bunchtrain.workflow.tested import class_target

#: Class of the events → figure at every shift.
Curves = dict[str, list[Measurement]]


@dataclass
class Reaction:
    """Mean of the signal's probability and of its σ at every shift; shows itself as a table."""

    effect: str
    signal: str
    amounts: list[float]
    mean: dict[str, Curves] = field(default_factory=dict)
    sigma: dict[str, Curves] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the curves for JSON: quantity → network → class → {value, error} a shift."""
        return {"effect": self.effect, "amounts": self.amounts} | {
            quantity: {
                network: {label: [f.as_dict() for f in found] for label, found in curves.items()}
                for network, curves in networks.items()
            }
            for quantity, networks in (("mean", self.mean), ("sigma", self.sigma))
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        title = f"Mean probability of {self.signal}, and its σ, against {self.effect}"
        classes = list(next(iter(self.mean.values())))
        table = Table("Network", "Shift", title=title)
        for label in [f"{kind}{name}" for kind in ("", "σ, ") for name in classes]:
            table.add_column(label, justify="right")
        for network, mean in self.mean.items():
            curves = [mean, self.sigma.get(network, {})]
            columns = [one[name] for one in curves for name in classes if one]
            for k, amount in enumerate(self.amounts):
                shift = f"{amount:+g}".replace("-", "−")
                table.add_row("" if k else network, shift, *(str(found[k]) for found in columns))
            table.add_section()
        yield table

    def draw(self, path: Path) -> None:
        """Write the curves as SVG."""
        labels = {f"Mean probability of {self.signal}": self.mean, "Mean deviation": self.sigma}
        panels = {
            words: {network: _arrays(curves) for network, curves in networks.items()}
            for words, networks in labels.items()
            if networks
        }
        write_text(path, svg(plot_response_curves(np.asarray(self.amounts), panels, self.effect)))


def _arrays(curves: Curves) -> dict[str, tuple[Any, Any]]:
    return {
        label: (np.array([f.value for f in found]), np.array([f.error for f in found]))
        for label, found in curves.items()
    }


def react(run: Run, name: str, size: float | None = None, steps: int = 5) -> Reaction:
    """Return the mean of the signal's probability and of its σ from −size to +size of an effect.

    Writes `reaction_<name>.json` and `.svg` into the run's folder.

    Args:
        run: finished run of a study with classes.
        name: of the effect.
        size: largest shift; the study's or the part's own if None.
        steps: shifts on either side of 0.

    Raises:
        StudyError: there is no such effect.
        RunError: the study has no classes.
    """
    systematic = effect(run.study, name, size)
    target = class_target(run.predictions, "is no score to shift")
    signal, names = signal_of(run.predictions, target)
    factors = [step / steps for step in range(-steps, steps + 1)]
    found = Reaction(name, names[signal], [round(f * systematic.size, 12) for f in factors])
    for factor in factors:
        shift = shifted(run, name, systematic, factor) if factor else run.predictions
        _add(found, shift, target, signal, names)
    write_json(run.folder.path / f"reaction_{name}.json", found.as_dict())
    found.draw(run.folder.path / f"reaction_{name}.svg")
    return found


def _add(found: Reaction, outcome: Predictions, target: str, signal: int, names: list[str]) -> None:
    truth = outcome.truth(target)
    order = [*(k for k in range(len(names)) if k != signal), signal]
    for network in outcome.models:
        scores = outcome.scores(network, target)
        sigma = outcome.deviation(network, target, names[signal])
        values = None if scores is None else scores[:, signal]
        for column, networks in ((values, found.mean), (sigma, found.sigma)):
            if column is None:
                continue
            for k in order:
                mean = bias(column[truth == k], outcome.weights[truth == k])
                networks.setdefault(network, {}).setdefault(names[k], []).append(mean)
