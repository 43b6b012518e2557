"""How the figures of a run move when a systematic effect shifts its events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from bunchtrain.errors import StudyError
from bunchtrain.files import write_json
from bunchtrain.statistics.changes import changes
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.workflow.prediction_table import Predictions
from bunchtrain.workflow.result import Run
from bunchtrain.workflow.shifted import effects, variations
from bunchtrain.workflow.tested import class_target, fixed, of_folds, scored, several

#: Measurement → its nominal value, and its changes up and down.
Moved = dict[str, tuple[float, Measurement, Measurement]]


@dataclass
class Shifts:
    """How the figures of a run's networks move; shows itself as a table.

    title  of the study.
    sizes  effect → one standard deviation of it.
    table  network → effect → figure → its nominal value, and its changes up and down.
    """

    title: str
    sizes: dict[str, float]
    table: dict[str, dict[str, Moved]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the table for JSON."""
        return {
            "sizes": self.sizes,
            "changes": {
                network: {
                    name: {
                        figure: {"nominal": value, "up": up.as_dict(), "down": down.as_dict()}
                        for figure, (value, up, down) in figures.items()
                    }
                    for name, figures in by_effect.items()
                }
                for network, by_effect in self.table.items()
            },
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(
            title=f"{self.title}: changes under systematic effects",
            caption="Cuts and bins are those of the nominal events.",
            caption_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("Network, effect", overflow="fold")
        for heading in ("Measurement", "Nominal", "Up", "Down"):
            justify: Any = "left" if heading == "Measurement" else "right"
            table.add_column(heading, justify=justify, no_wrap=True)
        for network, by_effect in self.table.items():
            for name, figures in by_effect.items():
                said = iter([f"[bold]{network}", name, f"± {self.sizes[name]:g}"])
                for figure, (value, up, down) in figures.items():
                    numbers = (f"{value:.4g}", signed(up), signed(down))
                    table.add_row(next(said, ""), _label(figure), *numbers)
                table.add_section()
        yield table


def _label(figure: str) -> str:
    """Return what a figure is called in the table: `mistag_30` is ε_B at ε_S = 0.3."""
    if found := re.fullmatch(r"(mistag|signal_passing|background_passing)_([\d.e-]+)", figure):
        said = {
            "mistag": "ε_B at ε_S = {}",
            "signal_passing": "ε_S, cut of {}",
            "background_passing": "ε_B, cut of {}",
        }[found[1]]
        return said.format(f"{float(found[2]) / 100:g}")
    return {"auc": "AUC"}.get(figure, figure)


def signed(change: Measurement) -> str:
    """Return a change with its sign."""
    return f"{'+' if change.value > 0 else ''}{change}".replace("-", "−")


def shift(runs: Run | Sequence[Run], by: Mapping[str, float | None]) -> Shifts:
    """Return how every network's figures move when named effects go up and down.

    Writes `shifts.json` into the folder of the first run.

    Args:
        runs: finished run of a study with classes, or runs of its folds, counted as one.
        by: effect → its size, one standard deviation; the study's or the part's own if None.

    Raises:
        StudyError: there is no such effect, or it changes nothing that the study reads.
        RunError: the study has no classes, or two runs test the same event.
    """
    runs = several(runs)
    study = runs[0].study
    if not by:
        raise StudyError("name an effect, as --by jet_energy_scale=0.02")
    chosen = effects(study, by)
    nominal = of_folds([run.predictions for run in runs])
    target = class_target(nominal, "are no cuts to shift")
    found = Shifts(study.heading, {name: one.size for name, one in chosen.items()})
    for name, moved in variations(runs, chosen).items():
        for network in nominal.taggers:
            found.table.setdefault(network, {})[name] = _moved(
                runs, network, target, nominal, moved
            )
    write_json(runs[0].folder.path / "shifts.json", found.as_dict())
    return found


def _moved(
    runs: Sequence[Run],
    network: str,
    target: str,
    nominal: Predictions,
    moved: Sequence[Predictions],
) -> Moved:
    before = scored(nominal, network, target)
    analysis = fixed(before, runs)
    up, down = (changes(analysis, before, scored(one, network, target)) for one in moved)
    return {name: (value, change, down[name][1]) for name, (value, change) in up.items()}
