"""A finished run, and runs of several folds as one: study, predictions, models and report."""

from __future__ import annotations

import html
import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import awkward as ak
import matplotlib.figure
from rich.console import Console, ConsoleOptions, RenderResult

from bunchtrain import parts
from bunchtrain.errors import DeprecatedKey, RunError, UserError, shorten
from bunchtrain.evaluations._systematic_evaluation import make_systematic
from bunchtrain.plots import svg
from bunchtrain.report.compare import compare_roc
from bunchtrain.report.console import rich_table
from bunchtrain.report.key_table import KeyTable, key_entries, key_table
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Metrics
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.arrays import Arrays, is_data
from bunchtrain.tables.metadata import TableMetadata, read_metadata
from bunchtrain.tables.predictions import Predictions, concatenate, no_predictions
from bunchtrain.tables.table import Table
from bunchtrain.tables.writing import output_format
from bunchtrain.trained_files import load
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.compare import compared_models, console_html, first_classification
from bunchtrain.workflow.ensembles import load_ensembles
from bunchtrain.workflow.evaluate import (
    evaluate_missing,
    evaluate_run,
    evaluation_parts,
    make_evaluation,
)
from bunchtrain.workflow.export import Exported, export_run
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.generate import generate_events
from bunchtrain.workflow.graph.record import read_record
from bunchtrain.workflow.predict_new_events import Counts, FilesOrSource, Predictor, Wide
from bunchtrain.workflow.prediction_schema import read_predictions
from bunchtrain.workflow.preparation import make_source
from bunchtrain.workflow.progress import StageProgress, progress, say
from bunchtrain.workflow.run_events import run_events
from bunchtrain.workflow.shifted_predictions import shifted_columns, shifted_predictions
from bunchtrain.workflow.write_report import write_report


@dataclass
class Run:
    """A finished run: its study, metrics, predictions and models.

    It is displayed as a table on a terminal, and with its ROC in a notebook.
    """

    files: RunFolder
    folds = 1

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.files.path

    @cached_property
    def study(self) -> Study:
        """The full study."""
        return self.files.study()

    @property
    def metrics(self) -> dict[str, Metrics]:
        """Model or ensemble → metric → {value, error}."""
        found: dict[str, Metrics] = self.json("metrics.json")
        return found

    @cached_property
    def predictions(self) -> Predictions:
        """Truth and predictions of the test set; none if the stages of the study do all."""
        if not model_configs(self.study):
            return no_predictions()
        return read_predictions(self.files.predictions_file, self.study)

    @property
    def fold_sizes(self) -> Sequence[int]:
        """Number of events of the test set of each run that is evaluated."""
        return [len(self.predictions)]

    @cached_property
    def models(self) -> dict[str, TrainedModel]:
        """The first training of each model."""
        return {name: load(self.files.model(name)) for name in model_configs(self.study)}

    def events(
        self, rows: int, columns: Collection[str] | None = None, split: str = "test"
    ) -> Iterator[ak.Array]:
        """Yield the test set, or another one, from the cache in blocks of at most `rows` events.

        Raises DataError if the cache was deleted and cannot be created again, RunError if the
        source has other events now.
        """
        cache = run_events(self.files, self.study)
        yield from cache.of(split).blocks(columns, rows)

    def shifted(self, systematic: str, size: float | None, deviations: float) -> Predictions:
        """Return the predictions of the test set under a systematic effect.

        systematic  name of an effect of the study, or of a part.
        size        one standard deviation of it; the study's or the part's own if None.
        deviations  shift in standard deviations, as +1 or −1.
        """
        effect = make_systematic(self.study, systematic, size)
        return shifted_predictions(
            self.files, self.study, self.models, systematic, effect, deviations
        )

    def shifted_columns(self, systematic: str, size: float | None) -> dict[str, list[str]]:
        """Return the columns that an effect changed and did not, and the changed inputs."""
        effect = make_systematic(self.study, systematic, size)
        return shifted_columns(self.files, systematic, effect, 1)

    @cached_property
    def conditions(self) -> Mapping[str, Table]:
        """Small tables that travel with the events, such as the geometry of a detector."""
        return make_source(self.study).conditions

    @property
    def progress(self) -> dict[str, StageProgress]:
        """Stage → how it ended, its time, memory and last losses; {} for runs of before."""
        return progress(self.folder)

    def json(self, name: str) -> Any:
        """Return the content of a JSON file of the run, or {} where there is none."""
        return self.files.json(name)

    @property
    def table(self) -> KeyTable:
        """Metrics of all models and ensembles with the published ones."""
        return key_table(key_entries(self.study, self.metrics))

    def __repr__(self) -> str:
        models = ", ".join(model_configs(self.study))
        events = self.json("data.json").get("rows", {}).get("test", 0)
        return f"<Run '{self.folder}': {self.study.name}, {models}, {events:,} test events>"

    def figures(self, evaluation: str | None = None) -> dict[str, list[Path]]:
        """Return evaluation → the image files of its saved plots, in the order of the report.

        `bunchtrain.evaluate` returns results whose `plots` hold matplotlib figures.
        """
        places = sorted(self.folder.glob(f"evaluations/{evaluation or '*'}"))
        found = {place.name: sorted(place.glob("plot_*"), key=_plot_number) for place in places}
        return {name: files for name, files in found.items() if files}

    def report(self) -> ReportFile:
        """Write the report and return it; a notebook displays it.

        Evaluations of the study that have no saved results are made first.
        """
        evaluate_missing(self)
        return ReportFile(write_report(self.files))

    def roc(self) -> matplotlib.figure.Figure:
        """Return the ROC of all models and ensembles for the first target with classes.

        Raises RunError if the study has no classes.
        """
        target = first_classification(self)
        if target is None:
            raise RunError(f"study '{self.study.name}' has no classes, so there is no ROC")
        others = ", ".join(target.classes[k] for k in target.background_indices)
        return compare_roc(compared_models(self), target.classes[target.signal_index], others)

    def generate(
        self,
        count: int,
        *,
        model: str | None = None,
        conditions: Any = None,
        seed: int = 1,
    ) -> ak.Array:
        """Return events generated by a model, as columns.

        count       number of events.
        model       name of the model; the first that generates if None.
        conditions  `count` events with the columns of the representation's `condition`, in memory.
        seed        of the random numbers.

        Raises RunError if no model generates events, StudyError if a condition is missing.
        """
        given = None if conditions is None else Arrays(conditions)
        return ak.concatenate(list(generate_events(self.models, count, model, given, seed)))

    def predict(
        self,
        data: Any,
        output: Path | str | None = None,
        *,
        select: bool = True,
        per_object: bool = False,
    ) -> Any:
        """Return the predictions for events in memory, or write those for files.

        They are those of the first training of each model, and of the ensembles: one row per
        event, in order, NaN where the study's `select` excludes the event. Of a study with
        `rows: Jet` they are lists `Jet_…` in the order of the jets, with `rows: [jet1, jet2]`
        columns `jet1_…` and `jet2_…`. Those of a window are in its last row; a row in which none
        ends has NaN.

        Args:
            data: mapping of arrays, `pandas.DataFrame`, structured or awkward array or
                `pyarrow.Table`: the result is of the same kind. Or a path, paths with globs, or a
                source: the number of rows is returned.
            output: file for the predictions, .csv, .h5, .parquet or .root; needed for files.
            select: False to predict also the events that `select` excludes.
            per_object: True for one row per object of `rows`, with `source_entry` and
                `object_index`.

        Raises DataError if a column is missing, UserError for an unknown kind of output.
        """
        if output is None:
            if not is_data(data):
                raise UserError("predictions for files need an output file, e.g. 'scores.parquet'")
            return self.predictor(select, per_object).predict(data)
        output_format(output)
        return self.write_predictions(data, output, select, per_object).events

    def write_predictions(
        self,
        files: FilesOrSource,
        output: Path | str,
        select: bool = True,
        per_object: bool = False,
        wide: Wide | None = None,
    ) -> Counts:
        """Write the predictions for files, as `predict` does, and return the numbers of events.

        Raises UserError for an output that is a file of the run.
        """
        written = {path for one in read_record(self.folder).values() for path in one.files}
        if os.path.realpath(output) in {os.path.realpath(self.folder / path) for path in written}:
            raise UserError(f"'{output}' is a file of the run; choose another output")
        return self.predictor(select, per_object).write(files, Path(output), wide)

    def predictor(self, select: bool = True, per_object: bool = False) -> Predictor:
        """Return what predicts new events with the models and ensembles of the run."""
        fitted = load_ensembles(self.files, self.study)
        columns = self.json("data.json").get("unnamed_columns") or None
        about = self.describe_output(self.models)
        return Predictor(self.study, self.models, fitted, select, columns, per_object, about)

    def describe_output(self, models: Collection[str]) -> TableMetadata:
        """Return the metadata of files that models of the run write: units and origin."""
        origin = {"bunchtrain": version("bunchtrain"), "study": self.study.name}
        origin |= {"run": self.folder.name, "models": ", ".join(models)}
        return TableMetadata(units=read_metadata(self.files.predictions_file).units, origin=origin)

    def export(self, to: str, **given: Any) -> Exported:
        """Export the models, or one, to the target `to` and verify them on the test set.

        `given` are `model`, `output`, `file` and `events` of `export_run`, and options of the
        target.
        """
        if "member" in given:
            warnings.warn("the argument 'member' is now 'model'", DeprecatedKey, stacklevel=2)
            given["model"] = given.pop("member")
        known = ("model", "output", "file", "events")
        options = {key: value for key, value in given.items() if key not in known}
        chosen = {key: value for key, value in given.items() if key in known}
        return export_run(self.files, to, options, **chosen)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield rich_table(self.table, self.study.heading, self.study.note.strip())

    def _repr_html_(self) -> str:
        picture = svg(self.roc()) if self.predictions.classifications else ""
        picture = picture[picture.find("<svg") :]
        return f"{console_html(self)}<div style='max-width:36rem'>{picture}</div>"


def _plot_number(file: Path) -> int:
    return int(file.stem.partition("_")[2])


class FoldedRun(Run):
    """Runs that test different folds of one study, evaluated as one run.

    Models, metrics and files are those of the first run.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        super().__init__(runs[0].files)
        self.runs, self.folds = list(runs), len(runs)

    @cached_property
    def predictions(self) -> Predictions:
        """Truth and predictions of the test sets of all folds."""
        return concatenate([run.predictions for run in self.runs])

    @property
    def fold_sizes(self) -> Sequence[int]:
        """Number of events of the test set of each fold."""
        return [len(run.predictions) for run in self.runs]

    def events(
        self, rows: int, columns: Collection[str] | None = None, split: str = "test"
    ) -> Iterator[ak.Array]:
        """Yield the test sets, or others, of all folds in blocks of at most `rows` events."""
        for run in self.runs:
            yield from run.events(rows, columns, split)

    def shifted(self, systematic: str, size: float | None, deviations: float) -> Predictions:
        """Return the predictions of the test sets of all folds under a systematic effect."""
        return concatenate([run.shifted(systematic, size, deviations) for run in self.runs])

    def shifted_columns(self, systematic: str, size: float | None) -> dict[str, list[str]]:
        """Return the columns that an effect changed and did not, and the changed inputs."""
        return self.runs[0].shifted_columns(systematic, size)


@dataclass(frozen=True)
class ReportFile:
    """The report of a run; a notebook displays it in a frame."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width:100%;height:40rem;border:1px solid #ddd">'


def evaluate(runs: Run | Sequence[Run], name: str | type, **options: Any) -> Results:
    """Return the results of an evaluation of a run, or of runs of different folds as one.

    The results are saved in the folder of the first run, and its report is regenerated.

    runs     finished runs.
    name     of an evaluation, or its class, or the key of one that the study lists. A class
             of the same key as a listed one, e.g. in an edited file, is made in its place.
    options  of the evaluation, added to those in the study.

    Raises StudyError if it or an option is unknown or the study lacks what it evaluates, RunError
    if two runs test the same event.
    """
    listed = as_runs(runs)
    run = listed[0] if len(listed) == 1 else FoldedRun(listed)
    name = parts.absolute_name(parts.replace_classes(name), None)
    key = parts.short_name(name)
    part, known = evaluation_parts(run.study).get(key, (name, {}))
    part = name if parts.is_own(name) else part
    say(f"evaluating {key}")
    results = evaluate_run(run, key, make_evaluation(run.study, part, {**known, **options}))
    listed[0].report()
    return results


def as_runs(given: Run | Sequence[Run]) -> list[Run]:
    """Return runs that are given as one or several; raises UserError for none and other things."""
    listed = [given] if isinstance(given, Run) else given
    if not isinstance(listed, list | tuple) or not listed:
        raise UserError(f"give at least one run in a list, got {shorten(given)}")
    for one in listed:
        if not isinstance(one, Run):
            text = "a run is what bunchtrain.run(...) or bunchtrain.open_run(...) return"
            raise UserError(f"{text}, got {shorten(one)}")
    return list(listed)


def export(run: Run | RunFolder | Path | str, to: str, **given: Any) -> Exported:
    """Export the models of a run, given itself or by its folder, as `Run.export` does."""
    if not isinstance(run, Run):
        run = Run(run if isinstance(run, RunFolder) else RunFolder.open(run))
    return run.export(to, **given)
