"""The plots of a run, each with the sentence below it."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.plots import (
    plot_calibration,
    plot_confusion,
    plot_efficiency,
    plot_importance,
    plot_inputs,
    plot_linearity,
    plot_pull,
    plot_resolution,
    plot_response,
    plot_roc,
    plot_scores,
    plot_training,
)
from bunchtrain.plots.style import MAX_LEGEND, axis_label, bin_edges
from bunchtrain.report import Plot
from bunchtrain.report.key_table import published_points
from bunchtrain.statistics.classification import signal_roc
from bunchtrain.statistics.metrics import (
    auc,
    binned_efficiency,
    calibration,
    confusion_matrix,
    pull,
)
from bunchtrain.statistics.metrics import discriminant
from bunchtrain.statistics.metrics import BinnedEfficiency
from bunchtrain.statistics.working_points import shares
from bunchtrain.study import model_configs
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.figures import published_of
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.independence import independence_plots
from bunchtrain.workflow.parameters import parameter_plots
from bunchtrain.workflow.prediction_table import Predictions, signal_of
from bunchtrain.workflow.uncertainty_plots import coverage_plots, deviation_plots

#: Events whose inputs are drawn.
SAMPLE = 20_000


def comparison_plots(outcome: Predictions) -> Iterator[Plot]:
    """Yield the plots in which all networks of a study are together."""
    for target in outcome.classifiers:
        yield from _roc_plots(outcome, target)
        yield from independence_plots(outcome, target)
        yield from parameter_plots(outcome, target)
        yield from deviation_plots(outcome, target)
    for target in outcome.regressions:
        yield from _regression_plots(outcome, target)


def _roc_plots(outcome: Predictions, target: str) -> Iterator[Plot]:
    signal, names = signal_of(outcome, target)
    truth, weights = outcome.truth(target), outcome.weights
    scores = {m: s for m in outcome.taggers if (s := outcome.scores(m, target)) is not None}
    curves = {m: signal_roc(s, truth, weights, signal) for m, s in scores.items()}
    given = {name: published_of(member) for name, member in model_configs(outcome.study).items()}
    others = ", ".join(n for k, n in enumerate(names) if k != signal)
    drawn = plot_roc(curves, published_points(given), names[signal], others)
    if len(curves) > MAX_LEGEND:
        yield Plot("Background rejection against signal efficiency.", drawn, wide=True)
    else:
        bands = "Background rejection against signal efficiency; bands are one standard deviation."
        yield Plot(bands, drawn)
    chosen = f", of the {MAX_LEGEND} of largest AUC" if len(curves) > MAX_LEGEND else ""
    yield Plot(
        f"Fraction of events that are {names[signal]}, against their probability{chosen}.",
        plot_calibration(
            {
                m: calibration(s[:, signal], truth == signal)
                for m, s in _strongest(outcome, target).items()
            }
        ),
    )
    for variable in outcome.study.evaluation.against:
        yield from _efficiency_plots(outcome, target, variable)


def _efficiency_plots(outcome: Predictions, target: str, variable: str) -> Iterator[Plot]:
    signal, names = signal_of(outcome, target)
    truth, weights, study = outcome.truth(target), outcome.weights, outcome.study
    values, wanted = outcome.columns[variable], study.evaluation.efficiencies[-1]
    edges, given = bin_edges(values, 12), shares(names, signal, study.evaluation.fractions)
    others = [k for k in range(len(names)) if k != signal]
    found: dict[str, dict[str, BinnedEfficiency]] = {name: {} for name in names}
    for member, scores in _strongest(outcome, target).items():
        cut = signal_roc(scores, truth, weights, signal, shares=given).threshold_at(wanted)
        passed = discriminant(scores, signal, others, given) >= cut
        for k, name in enumerate(names):
            kept = truth == k
            found[name][member] = binned_efficiency(
                passed[kept], values[kept], edges, weights[kept]
            )
    at = f"at an overall ε_S of {wanted:g}"
    at += f", of the {MAX_LEGEND} of largest AUC" if len(outcome.taggers) > MAX_LEGEND else ""
    label = axis_label(variable)
    drawn = plot_efficiency(found.pop(names[signal]), label)
    yield Plot(f"Signal efficiency against {variable}, {at}.", drawn)
    for name, curves in found.items():
        which = "Background efficiency" if len(found) == 1 else f"Efficiency for {name}"
        drawn = plot_efficiency(curves, label, log=True)
        yield Plot(f"{which} against {variable}, {at}.", drawn)


def _strongest(outcome: Predictions, target: str) -> dict[str, NDArray[np.float32]]:
    """Return name → scores of as many networks as fit one plot, those of largest AUC."""
    signal, _ = signal_of(outcome, target)
    found = {m: s for m in outcome.taggers if (s := outcome.scores(m, target)) is not None}
    if len(found) <= MAX_LEGEND:
        return found
    truth, weights = outcome.truth(target), outcome.weights
    area = {m: auc(signal_roc(s, truth, weights, signal)).value for m, s in found.items()}
    return {m: found[m] for m in sorted(found, key=lambda m: -area[m])[:MAX_LEGEND]}


def _regression_plots(outcome: Predictions, target: str) -> Iterator[Plot]:
    for number, name in enumerate(outcome.study.targets[target].values or {}):
        truth, weights = outcome.truth(target, number), outcome.weights
        found = {m: outcome.values(m, target, number) for m in outcome.models}
        values = {m: value for m, (value, _) in found.items() if value is not None}
        sigmas = {m: sigma for m, (_, sigma) in found.items() if sigma is not None}
        residuals = {m: value - truth for m, value in values.items()}
        yield Plot(
            f"Predicted − true {name}.", plot_response(residuals, f"predicted − true {name}")
        )
        drawn = plot_resolution(residuals, truth, f"true {name}", weights)
        yield Plot(f"Resolution against true {name}.", drawn)
        if sigmas:
            pulls = {m: pull(values[m], truth, sigma) for m, sigma in sigmas.items()}
            yield Plot(f"Pull of {name}: residual over predicted σ.", plot_pull(pulls, weights))
        yield from coverage_plots(outcome, target, number, name)


def member_plots(folder: RunFolder, outcome: Predictions, member: str) -> Iterator[Plot]:
    """Yield the plots of one network."""
    history = read_history(folder, member)
    if history:
        yield Plot("Loss against epoch.", plot_training(history))
    for target in outcome.classifiers:
        scores = outcome.scores(member, target)
        if scores is None:
            continue
        signal, names = signal_of(outcome, target)
        truth, weights = outcome.truth(target), outcome.weights
        label = f"Probability of {names[signal]}"
        drawn = plot_scores(scores[:, signal], truth, names, weights, label=label)
        yield Plot("Score on the test set.", drawn)
        matrix, errors = confusion_matrix(scores, truth, weights)
        yield Plot("True against decided class.", plot_confusion(matrix, errors, names))
    for target in outcome.regressions:
        for number, name in enumerate(outcome.study.targets[target].values or {}):
            value, _ = outcome.values(member, target, number)
            if value is not None:
                drawn = plot_linearity(value, outcome.truth(target, number), name)
                yield Plot(f"Predicted against true {name}.", drawn)


def importance_plot(network: TrainedModel) -> Plot | None:
    """Return the importance of the inputs of trees, or None for a network."""
    if not hasattr(network.network.model, "feature_importance"):
        return None
    values = np.asarray(network.network.model.feature_importance())  # type: ignore[operator]
    names = network.representation.names["table"]
    return Plot("Gain of each input in the trees.", plot_importance(names, values))


def input_plot(network: TrainedModel, cache: EventCache, target: str | None) -> Plot | None:
    """Return the distributions of a network's inputs by class, before normalisation."""
    if target is None:
        return None
    events = next(cache.blocks("test", SAMPLE))
    batch, kept = network.represent(events)
    tensors, names = batch.inputs, network.representation.names
    truth = ak.to_numpy(events[f"target_{target}"])[kept.numpy()]
    for tensor in ("table", "features"):
        if tensor in tensors and tensor in names:
            values: NDArray[np.float32] = tensors[tensor].numpy()
            if "lengths" in tensors and tensor == "features":
                truth = np.repeat(truth, tensors["lengths"].numpy())
            chosen = {name: values[:, k] for k, name in enumerate(names[tensor][:24])}
            classes = cache.class_names[target]
            drawn = plot_inputs(chosen, truth, classes)
            return Plot(f"Inputs of {network.task.representation[0]}.", drawn, wide=True)
    return None


def read_history(folder: RunFolder, member: str) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a network's `history.csv`, or {} where there is none."""
    path = folder.model(member) / "history.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return {}
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
