"""The plots of predicted uncertainties, of all networks of a study together."""

from __future__ import annotations

from collections.abc import Iterator

from bunchtrain.plots import plot_metric_profile, plot_coverage, plot_uncertainty
from bunchtrain.plots import Measure
from bunchtrain.plots.style import axis_label
from bunchtrain.report import Plot
from bunchtrain.statistics.metrics import bias, half_width, pull, pull_width
from bunchtrain.workflow.prediction_table import Numbers, Predictions, signal_of


def deviation_plots(outcome: Predictions, target: str) -> Iterator[Plot]:
    """Yield the deviation of the signal's probability against its mean, where there is one."""
    signal, names = signal_of(outcome, target)
    predicted: dict[str, tuple[Numbers, Numbers]] = {}
    for member in outcome.models:
        scores = outcome.scores(member, target)
        sigma = outcome.deviation(member, target, names[signal])
        if scores is not None and sigma is not None:
            predicted[member] = scores[:, signal], sigma
    if predicted:
        drawn = plot_uncertainty(predicted, f"Mean probability of {names[signal]}", outcome.weights)
        yield Plot("Deviation of the probability over draws of the network.", drawn)


def coverage_plots(outcome: Predictions, target: str, number: int, name: str) -> Iterator[Plot]:
    """Yield the coverage, and response, resolution and pull against the study's columns."""
    truth, weights = outcome.truth(target, number), outcome.weights
    found = {member: outcome.values(member, target, number) for member in outcome.models}
    predicted = {m: (v, s) for m, (v, s) in found.items() if v is not None and s is not None}
    if predicted:
        drawn = plot_coverage({m: (v, s, truth) for m, (v, s) in predicted.items()}, weights)
        yield Plot(f"Coverage of Gaussian intervals of {name}.", drawn)
    residuals = {m: v - truth for m, (v, _) in found.items() if v is not None}
    pulls: dict[str, Numbers] = {m: pull(v, truth, s) for m, (v, s) in predicted.items()}
    shown: list[tuple[str, dict[str, Numbers], Measure]] = [
        ("Mean of predicted − true", residuals, bias)
    ]
    shown += [("Half 68 % width of predicted − true", residuals, half_width)]
    shown += [("Width of the pull", pulls, pull_width)] if pulls else []
    for column in outcome.study.evaluation.against:
        for words, values, measure in shown:
            labels = axis_label(column), f"{words} {name}" if values is residuals else words
            drawn = plot_metric_profile(values, outcome.columns[column], measure, labels, weights)
            yield Plot(f"{labels[1]} against {column}.", drawn)
