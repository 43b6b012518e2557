"""The key table of runs, and the comparison of several: one table and one overlaid ROC."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult

from bunchtrain.errors import DataError, UserError, one_of, shorten
from bunchtrain.evaluations._evaluation import EvaluatedRun
from bunchtrain.files import atomic_path
from bunchtrain.plots import PICTURES, picture, svg
from bunchtrain.report.compare import Compared, compare_roc, compare_table
from bunchtrain.report.console import rich_table
from bunchtrain.report.key_table import key_entries
from bunchtrain.targets import Target


@dataclass
class Comparison:
    """The models of several runs."""

    models: list[Compared]
    signal: str = "signal"
    notes: list[str] = field(default_factory=list)
    background: str = "background"

    def save(self, path: Path) -> None:
        """Write the overlaid ROC as SVG, PDF or PNG.

        Raises UserError for another suffix, and RunError if no model classifies.
        """
        check_picture(path)
        drawn = compare_roc(self.models, self.signal, self.background)
        with atomic_path(path) as part:
            part.write_bytes(picture(drawn, path.suffix.lower()))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield rich_table(compare_table(self.models), "Comparison", " ".join(self.notes))

    def _repr_html_(self) -> str:
        text = svg(compare_roc(self.models, self.signal, self.background))
        return f"{console_html(self)}<div>{text[text.find('<svg') :]}</div>"


def check_picture(path: Path) -> None:
    """Raise UserError if the suffix of a file is not that of a picture."""
    if path.suffix.lower() not in PICTURES:
        raise UserError(f"{path.name}: a plot is written to a file that ends in {one_of(PICTURES)}")


def compare(runs: Sequence[EvaluatedRun]) -> Comparison:
    """Return the comparison of the models of several runs.

    Raises DataError if their signal classes differ, UserError for something else than runs.
    """
    if not isinstance(runs, list | tuple) or not runs:
        raise UserError(f"give the runs to compare as a list, [run, run], got {shorten(runs)}")
    for one in runs:
        if not hasattr(one, "predictions"):
            raise UserError(f"bunchtrain.open_run(...) returns a run; got {shorten(one)}")
    targets = [target for run in runs if (target := first_classification(run))]
    signals = {target.classes[target.signal_index] for target in targets}
    if len(signals) > 1:
        raise DataError(f"these runs have different signal classes: {', '.join(sorted(signals))}")
    models = []
    for run in runs:
        place = f" ({run.folder.parent.name}/{run.folder.name})" if len(runs) > 1 else ""
        models += compared_models(run, place)
    notes = dict.fromkeys(run.study.note.strip() for run in runs)
    others = {", ".join(one.classes[k] for k in one.background_indices) for one in targets}
    background = others.pop() if len(others) == 1 else "background"
    signal = next(iter(signals), "signal")
    return Comparison(models, signal, [note for note in notes if note], background)


def first_classification(run: EvaluatedRun) -> Target | None:
    """Return the first target with classes, None if there is none."""
    return next(iter(run.predictions.classifications.values()), None)


def compared_models(run: EvaluatedRun, suffix: str = "") -> list[Compared]:
    """Return the models and ensembles of a run with their probabilities of the first target."""
    predictions, target, found = run.predictions, first_classification(run), []
    for entry in key_entries(run.study, run.metrics):
        values: Mapping[str, Any] = {}
        if target is not None:
            values = {
                "scores": predictions.probabilities(entry.name, target.name),
                "truth": predictions.truth(target.name),
                "weights": predictions.weights,
                "signal": target.signal_index,
            }
        name = f"{entry.name}{suffix}"
        found.append(Compared(name, entry.metrics, published=entry.published, **values))
    return found


def console_html(thing: object) -> str:
    """Return what a terminal would display, as HTML."""
    console = Console(record=True, width=110, file=io.StringIO(), markup=False)
    console.print(thing)
    return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")
