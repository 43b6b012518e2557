"""A finished run, as Python and notebooks see it."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.figure
from rich.console import Console, ConsoleOptions, RenderResult

from bunchtrain.errors import DataError, RunError
from bunchtrain.files import write_text
from bunchtrain.plots import svg
from bunchtrain.report.compare import Compared, compare_roc, compare_table
from bunchtrain.report.console import rich_table
from bunchtrain.report.key_table import KeyTable, key_table
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.source import Source
from bunchtrain.trained_model import TrainedModel, load
from bunchtrain.workflow.capsules import write_capsules
from bunchtrain.workflow.drawing import comparison_plots
from bunchtrain.workflow.ensembles import load_ensembles
from bunchtrain.workflow.figures import key_rows
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.prediction_table import Predictions, signal_of
from bunchtrain.workflow.predictions import predict_file
from bunchtrain.workflow.preparation import source_for_file
from bunchtrain.workflow.reporting import write_report

if TYPE_CHECKING:
    from bunchtrain.workflow.exporting import Exported


@dataclass
class Run:
    """A finished run: its study, figures, networks and report.

    It shows itself as a table on a terminal and with its ROC in a notebook.
    """

    folder: RunFolder

    @cached_property
    def study(self) -> Study:
        """The full study."""
        return self.folder.study()

    @cached_property
    def metrics(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Network → figure → {value, error}."""
        found: dict[str, dict[str, dict[str, Any]]] = self.folder.json("metrics.json")
        return found

    @cached_property
    def predictions(self) -> Predictions:
        """Truth and scores of the test set."""
        return Predictions.read(self.study, self.folder.predictions_file)

    @cached_property
    def networks(self) -> dict[str, TrainedModel]:
        """The trained networks by name."""
        return {name: load(self.folder.model(name)) for name in model_configs(self.study)}

    @property
    def table(self) -> KeyTable:
        """Figures of all networks and ensembles with the published ones beside them."""
        return key_table(key_rows(self.study, self.metrics))

    def report(self) -> ReportFile:
        """Write the report anew and return it; in a notebook it is shown."""
        return ReportFile(write_report(self.folder))

    def roc(self) -> matplotlib.figure.Figure:
        """Return the ROC of all networks.

        Raises RunError if the study has no classes.
        """
        if not self.predictions.classifiers:
            raise RunError(f"study '{self.study.name}' has no classes, so there is no ROC")
        drawn = next(comparison_plots(self.predictions)).figure
        assert isinstance(drawn, matplotlib.figure.Figure)
        return drawn

    def predict(self, file: str | Sequence[str] | Source, output: Path | str) -> int:
        """Write all scores for a file, a row an event, and return the number of rows.

        They are those of each network's first training, and of the ensembles.

        Raises DataError if the file lacks a column, UserError for an unknown kind of output.
        """
        source = file if isinstance(file, Source) else source_for_file(self.study, file)
        ensembles = load_ensembles(self.folder, self.study)
        return predict_file(self.study, source, self.networks, Path(output), ensembles)

    def capsules(self, output: Path | str) -> int:
        """Write the output capsules of the test set as Parquet and return the number of rows.

        Raises RunError if no network has capsules, DataError if the cache is gone.
        """
        cache = EventCache.open(Path(self.folder.json("data.json").get("folder", "")))
        return write_capsules(self.study, self.networks, cache, Path(output))

    def export(self, to: str, *, member: str | None = None, **options: Any) -> Exported:
        """Export the networks, or one, to the target `to` and prove them on the test set.

        `options` are those of `bunchtrain.workflow.exporting.export`: of the target, or a folder.
        """
        from bunchtrain.workflow.exporting import export

        return export(self, to, **({"member": member} if member else {}), **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield rich_table(self.table, self.study.heading, self.study.evaluation.note.strip())

    def _repr_html_(self) -> str:
        picture = svg(self.roc()) if self.predictions.classifiers else ""
        picture = picture[picture.find("<svg") :]
        return f"{console_html(self)}<div style='max-width:36rem'>{picture}</div>"


@dataclass(frozen=True)
class ReportFile:
    """The report of a run; a notebook shows it in a frame."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width:100%;height:40rem;border:1px solid #ddd">'


@dataclass
class Comparison:
    """Several runs side by side."""

    networks: list[Compared]
    signal: str = "signal"
    notes: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the overlaid ROC as SVG.

        Raises RunError if no network classifies.
        """
        write_text(path, svg(compare_roc(self.networks, self.signal)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield rich_table(compare_table(self.networks), "Comparison", " ".join(self.notes))

    def _repr_html_(self) -> str:
        picture = svg(compare_roc(self.networks, self.signal))
        return f"{console_html(self)}<div>{picture[picture.find('<svg') :]}</div>"


def compare(runs: Sequence[Run]) -> Comparison:
    """Return the networks of several runs side by side.

    Raises DataError if their signal classes differ.
    """
    signals = {_signal(run) for run in runs if run.predictions.classifiers}
    if len(signals) > 1:
        raise DataError(f"these runs have different signal classes: {', '.join(sorted(signals))}")
    networks = [one for run in runs for one in _compared(run, len(runs) > 1)]
    notes = dict.fromkeys(run.study.evaluation.note.strip() for run in runs)
    signal = next(iter(signals), "signal")
    return Comparison(networks, signal, [note for note in notes if note])


def _signal(run: Run) -> str:
    target = next(iter(run.predictions.classifiers))
    number, names = signal_of(run.predictions, target)
    return names[number]


def _compared(run: Run, several: bool) -> list[Compared]:
    outcome = run.predictions
    target = next(iter(outcome.classifiers), None)
    place = run.folder.path
    found = []
    for row in key_rows(run.study, run.metrics):
        shown = f"{row.name} ({place.parent.name}/{place.name})" if several else row.name
        entry: Mapping[str, Any] = {}
        if target is not None:
            entry = {
                "scores": outcome.scores(row.name, target),
                "truth": outcome.truth(target),
                "weights": outcome.weights,
                "signal": signal_of(outcome, target)[0],
            }
        found.append(Compared(shown, row.metrics, published=row.published, **entry))
    return found


def console_html(thing: object) -> str:
    """Return what a terminal would show, as HTML."""
    console = Console(record=True, width=110, file=io.StringIO())
    console.print(thing)
    return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")
