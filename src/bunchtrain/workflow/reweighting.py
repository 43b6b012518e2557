"""Weights that make one class look like another, from classifiers, and how well they close.

With p the probability of data, a simulated event gets w = c p/(1 − p), the ratio of the densities
(arXiv:1907.08209); c leaves the sum of the weights as it was. An event is weighted by a network
that has not seen it: runs that test different folds are given together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from bunchtrain.errors import RunError, UserError
from bunchtrain.files import write_json, write_text
from bunchtrain.plots import svg
from bunchtrain.plots import plot_closure
from bunchtrain.statistics.closure import Closure, closure
from bunchtrain.statistics.metrics import discriminant
from bunchtrain.tables.writing import write_parquet, write_root
from bunchtrain.workflow.prediction_table import Predictions, signal_of
from bunchtrain.workflow.predictions import ROWS, TREE
from bunchtrain.workflow.preparation import event_cache
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.result import Run
from bunchtrain.workflow.tested import check_apart

#: log p/(1 − p) beyond which weights do not grow, so that one event cannot be the sample.
LARGEST = 7.0


@dataclass(frozen=True)
class Reweighted:
    """The events that some runs test.

    entry    (events,) numbers in the source.
    data     (events,) True for the signal class, which is data.
    before   (events,) event weights.
    weights  network → (events,) event weights times those of the reweighting; data as before.
    inputs   name → (events,).
    """

    entry: NDArray[np.int64]
    data: NDArray[np.bool_]
    before: NDArray[np.float64]
    weights: dict[str, NDArray[np.float64]]
    inputs: dict[str, NDArray[Any]]


@dataclass
class Closures:
    """Closure of every network's weights, and without any; shows itself as a table."""

    title: str
    found: dict[str, Closure] = field(default_factory=dict)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(
            title=f"{self.title}: weighted simulation against data",
            caption="χ²/n of the inputs' spectra; AUC of trees trained to tell the two apart, 0.5 "
            "at closure; effective events of the simulation over those before.",
            caption_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("Weights", style="bold", min_width=10, overflow="fold")
        for heading in ("χ²/n\nmean", "χ²/n\nlargest", "of", "AUC", "Effective\nevents"):
            table.add_column(heading, justify="right", overflow="fold", no_wrap=heading == "AUC")
        for name, one in self.found.items():
            worst = max(one.chi2, key=lambda n: one.chi2[n])
            numbers = [f"{np.mean(list(one.chi2.values())):.2f}", f"{one.chi2[worst]:.2f}", worst]
            said = name.replace("_", " ")
            table.add_row(said, *numbers, str(one.auc), f"{100 * one.share:.0f} %")
        yield table


def reweight(runs: Sequence[Run], output: Path | str | None = None) -> Closures:
    """Return how well the weights of every network close; write them as friend columns.

    The class `evaluation.signal` is data, the other one simulation. `closure.json` and
    `closure.svg` are written into the first run's folder.

    Args:
        runs: finished runs of one study, with different folds if they are several.
        output: `.root` or `.parquet` with a column `<network>_weight`: 1 for data, NaN for events
            that no run tests.

    Raises:
        RunError: the study has not two classes, or two runs test the same event.
        UserError: another kind of output.
    """
    if output is not None and Path(output).suffix not in (".root", ".parquet"):
        raise UserError(f"{output}: weights are written as .root or .parquet")
    events = _together([_tested(run) for run in runs])
    closures = Closures(runs[0].study.heading)
    for name, weights in {"none": events.before, **events.weights}.items():
        say(f"closure with weights of {name}")
        closures.found[name] = closure(events.inputs, events.data, weights, events.before)
    folder = runs[0].folder.path
    write_json(folder / "closure.json", {n: one.as_dict() for n, one in closures.found.items()})
    chi2 = {name: one.chi2 for name, one in closures.found.items()}
    write_text(folder / "closure.svg", svg(plot_closure(chi2)))
    if output is not None:
        _write(events, int(runs[0].folder.json("data.json")["cutflow"]["read"]), Path(output))
    return closures


def _tested(run: Run) -> Reweighted:
    outcome = run.predictions
    target = next(iter(outcome.classifiers), None)
    if target is None or len(outcome.study.targets[target].classes or {}) != 2:
        raise RunError(f"study '{run.study.name}' has no target of two classes to reweight between")
    signal, _ = signal_of(outcome, target)
    data, before = outcome.truth(target) == signal, np.asarray(outcome.weights, np.float64)
    weights = {}
    for name in outcome.taggers:
        scores = outcome.scores(name, target)
        if scores is not None:
            weights[name] = before * ratio(discriminant(scores, signal, [1 - signal]), data, before)
    return Reweighted(outcome.columns["entry"], data, before, weights, _inputs(run, outcome))


def ratio(
    log_odds: NDArray[Any], data: NDArray[np.bool_], weight: NDArray[Any]
) -> NDArray[np.float64]:
    """Return w = c p/(1 − p) of simulation, with Σ w v = Σ v over its event weights v; 1 of data.

    Args:
        log_odds: (events,) ln p/(1 − p), of which no more than 7 beyond the median counts.
        data: (events,) True for data.
        weight: (events,) event weights.
    """
    centred = np.asarray(log_odds, np.float64) - np.median(log_odds[~data])
    odds = np.exp(np.clip(centred, -LARGEST, LARGEST))
    mean = np.average(odds[~data], weights=weight[~data])
    return np.where(data, 1.0, odds / mean)


def _inputs(run: Run, outcome: Predictions) -> dict[str, NDArray[Any]]:
    """Return the inputs of all networks that take a table, by name, (events,) each."""
    networks = [one for one in run.networks.values() if "table" in one.representation.names]
    if not networks:
        raise RunError(
            f"study '{run.study.name}' has no network on a table, whose inputs could be compared"
        )
    blocks: list[dict[str, NDArray[Any]]] = []
    for events in event_cache(run.study).blocks("test", ROWS):
        found: dict[str, NDArray[Any]] = {"entry": ak.to_numpy(events["entry"])}
        for network in networks:
            table = network.represent(events)[0].inputs["table"].numpy()  # (events, feature)
            names = network.representation.names["table"]
            found |= {name: table[:, k] for k, name in enumerate(names)}
        blocks.append(found)
    joined = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    if not np.array_equal(joined.pop("entry"), outcome.columns["entry"]):
        raise RunError(f"the events of '{run.folder.path}' are no longer those that it was run on")
    return joined


def _together(tested: Sequence[Reweighted]) -> Reweighted:
    check_apart([one.entry for one in tested])
    first = tested[0]

    def joined(part: str, name: str) -> NDArray[Any]:
        return np.concatenate([getattr(one, part)[name] for one in tested])

    return Reweighted(
        np.concatenate([one.entry for one in tested]),
        np.concatenate([one.data for one in tested]),
        np.concatenate([one.before for one in tested]),
        {name: joined("weights", name) for name in first.weights},
        {name: joined("inputs", name) for name in first.inputs},
    )


def _write(events: Reweighted, rows: int, output: Path) -> None:
    columns = {}
    for name, weights in events.weights.items():
        column = np.full(rows, np.nan, np.float32)
        column[events.entry] = weights / np.where(events.before == 0, 1, events.before)
        columns[f"{name}_weight"] = column
    if output.suffix == ".root":
        write_root(output, [columns], TREE)
    else:
        write_parquet(output, [columns])
