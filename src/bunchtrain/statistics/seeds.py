"""Figures of several trainings of one network, which differ by their seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bunchtrain.statistics.metrics.measurement import Measurement, Metrics


def over_seeds(trainings: Sequence[Metrics]) -> Metrics:
    """Return the mean of each figure over trainings, with its deviation beside its error.

    `value` is the mean, as the comparison of taggers quotes it (arXiv:1902.09914); `error` the
    mean statistical error, which is no smaller than that of one training, since all have the same
    test set; `deviation` the standard deviation between the trainings (n − 1). What else belongs
    to a figure, as its cut, is that of the first training. If a training has but a limit, the
    mean is one, too.
    """
    if len(trainings) < 2:
        return dict(trainings[0]) if trainings else {}
    return {name: _mean([one[name] for one in trainings]) for name in trainings[0]}


def _mean(entries: Sequence[dict[str, object]]) -> dict[str, object]:
    figures = [Measurement.from_dict(entry) for entry in entries]
    values = np.array([figure.value for figure in figures])
    limit = any(figure.limit for figure in figures)
    errors = [figure.error for figure in figures if not figure.limit]
    mean = Measurement(
        float(values.mean()),
        float(np.mean(errors)) if not limit else float("nan"),
        limit,
        deviation=float(values.std(ddof=1)),
        seeds=len(figures),
    )
    return {**entries[0], **mean.as_dict()}
