"""Reweighting of simulation to data by classifiers (arXiv:1907.08209), and its closure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._class_evaluation import ClassPredictions, FirstTargetEvaluation
from bunchtrain.evaluations._evaluation import EvaluatedRun, events_with_predictions
from bunchtrain.plots import plot_closure
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.closure import Closure, closure, density_ratio_weights
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.writing import write_parquet, write_root

#: Number of events in a block.
ROWS = 16384
#: The tree of weights in a ROOT file, to be used as a friend.
TREE = "scores"

Weights = dict[str, NDArray[np.float64]]


class Reweighting(FirstTargetEvaluation):
    """Weights that reweight simulation (the other class) to data (the signal class).

    They are written as friend columns `<model>_weight`, a row per event of the source: factors on
    the event weight, 1 for data, NaN for events that are not tested. `closure_auc` is the AUC of
    trees trained to separate data from weighted simulation on the inputs of the models, 1/2 at
    closure. Events are weighted by a model that was not trained on them: runs of all folds weight
    all events.

    output  File of the weights, `.root` or `.parquet`; `weights.parquet` in the folder of the
            evaluation if None.
    target  Target with two classes; the first one with classes if None.
    """

    of_events = True

    def __init__(self, *, output: str | None = None, target: str | None = None) -> None:
        super().__init__(target=target)
        self.output = output

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or output, or if there is nothing to compare."""
        super().check(study)
        target = self.targets(study)[0]
        if len(target.classes) != 2:
            raise StudyError(
                f"evaluation '{self.name}' needs a target of two classes, and '{target.name}' has "
                f"{len(target.classes)}"
            )
        if self.output is not None and Path(self.output).suffix not in (".root", ".parquet"):
            raise StudyError(
                f"evaluation '{self.name}': output '{self.output}' must end in .root or .parquet"
            )
        used = [one.representation for one in model_configs(study).values()]
        made = (parts.build("representation", one.name, one.options) for one in used)
        if not any("table" in one.names for one in made):
            raise StudyError(
                f"evaluation '{self.name}' needs a model on a table, to compare inputs"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the closure with the weights of each model and without, and write the weights.

        Raises DataError if a class has no events, or the events are not those of the predictions.
        """
        results = Results(title="Reweighting of simulation to data")
        for events in self.predictions(run):
            data, before = events.is_signal, np.asarray(events.weights, np.float64)
            weights, inputs = _weights(events, before), _inputs(run)
            given = {"none": before, **weights}
            found = {name: closure(inputs, data, one, before) for name, one in given.items()}
            key = f"{events.prefix}closure_auc"
            results.metrics = {name: {key: found[name].auc.as_dict()} for name in weights}
            results.details = {name: one.as_dict() for name, one in found.items()}
            drawn = plot_closure({name: one.chi2 for name, one in found.items()})
            caption = "χ²/n of the spectrum of each input between data and weighted simulation."
            results.plots = [Plot(caption, drawn)]
            output = Path(self.output or run.folder / "evaluations" / self.name / "weights.parquet")
            rows = _write(events, weights, before, output)
            written = Table(_usage(run.study), ["File", "Events"], [[str(output), rows]])
            results.tables = [_table(found), written]
        return results


def _usage(study: Study) -> str:
    """Return how the factors in the file are used."""
    written = "File of the factors <model>_weight, a row per event of the source."
    if study.weights.event is None:
        return f"{written} The study has no event weights, so that the factors are the weights."
    return f"{written} Multiply the event weight '{study.weights.event}' by the factor."


def _weights(events: ClassPredictions, before: NDArray[np.float64]) -> Weights:
    """Return model → event weights times those of the reweighting, normalised in each fold."""
    ends = np.cumsum(events.run.fold_sizes)[:-1]
    folds = np.split(np.arange(len(before)), ends)
    found = {}
    for name, probabilities in events.all_probabilities.items():
        log_odds, data = events.discriminant(probabilities), events.is_signal
        ratios = [density_ratio_weights(log_odds[k], data[k], before[k]) for k in folds]
        found[name] = before * np.concatenate(ratios)
    return found


def _inputs(run: EvaluatedRun) -> dict[str, NDArray[Any]]:
    """Return the inputs of all models on a table, by name, (events,) each."""
    models = [one for one in run.models.values() if "table" in one.representation.names]
    blocks: list[dict[str, NDArray[Any]]] = []
    for events, _ in events_with_predictions(run, ROWS):
        found: dict[str, NDArray[Any]] = {}
        for trained in models:
            batch, kept = trained.represent(events)
            if len(kept) < len(events):
                raise DataError(
                    "reweighting: inputs with NaN or infinity cannot be compared; set 'invalid' to "
                    "clip or impute"
                )
            table = batch.inputs["table"]  # (events, feature)
            names = trained.representation.names["table"]
            found |= {name: table[:, k] for k, name in enumerate(names)}
        blocks.append(found)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _write(
    events: ClassPredictions, weights: Weights, before: NDArray[np.float64], output: Path
) -> int:
    rows, columns = int(events.run.json("data.json")["cutflow"]["read"]), {}
    for name, one in weights.items():
        column = np.full(rows, np.nan, np.float32)
        column[events.table.columns["entry"]] = one / np.where(before == 0, 1, before)
        columns[f"{name}_weight"] = column
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".root":
        return write_root(output, [columns], TREE)
    return write_parquet(output, [columns])


def _table(found: dict[str, Closure]) -> Table:
    rows = []
    for name, one in found.items():
        worst = max(one.chi2, key=lambda n: one.chi2[n])
        mean, largest = f"{np.mean(list(one.chi2.values())):.2f}", f"{one.chi2[worst]:.2f}"
        rows.append([name, mean, largest, worst, str(one.auc), f"{100 * one.share:.0f} %"])
    caption = (
        "Weighted simulation against data: χ²/n of the inputs' spectra; AUC of trees trained to "
        "separate the two, 0.5 at closure; effective events of the simulation over those before."
    )
    columns = ["Weights", "χ²/n, mean", "χ²/n, largest", "of", "AUC", "Effective events"]
    return Table(caption, columns, rows)
