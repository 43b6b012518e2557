"""What the capsules of a network say, event by event (arXiv:1906.11265).

Each class has a vector v whose length is the score; where it points says how the event looks as
one of that class. Its components are columns `<network>_<class>_capsule_0`, ….
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from bunchtrain.errors import RunError
from bunchtrain.plots import plot_dimension_correlation
from bunchtrain.report import Plot
from bunchtrain.study import Study
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.writing import write_parquet
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.predictions import ROWS, Columns, event_columns


def has_capsules(network: TrainedModel) -> bool:
    """Return whether a network's output capsules can be read."""
    return hasattr(network.network.model, "capsules")


def capsule_vectors(network: TrainedModel, events: ak.Array) -> NDArray[np.float32]:
    """Return the capsules (events, class, dimension) of a block of events; NaN for dropped ones."""
    model: Any = network.network.model
    batch, kept = network.represent(events)
    rows = int(network.task.settings["batch_size"])
    with torch.inference_mode():
        inputs = torch.split(network.network.prepared(batch.inputs)["image"], rows)
        found = torch.cat([model.capsules(images) for images in inputs]).numpy()
    vectors = np.full((len(events), *found.shape[1:]), np.nan, np.float32)
    vectors[kept.numpy()] = found
    return vectors


def write_capsules(
    study: Study, networks: Mapping[str, TrainedModel], cache: EventCache, output: Path
) -> int:
    """Write the capsules of the test set beside truth and spectators as Parquet; return the rows.

    Raises RunError if no network has capsules.
    """
    chosen = {name: network for name, network in networks.items() if has_capsules(network)}
    if not chosen:
        raise RunError(f"no network of study '{study.name}' has capsules; train a capsule_network")
    return write_parquet(output, _chunks(study, chosen, cache))


def _chunks(
    study: Study, networks: Mapping[str, TrainedModel], cache: EventCache
) -> Iterator[Columns]:
    for events in cache.blocks("test", ROWS):
        columns = event_columns(study, events)
        for name, network in networks.items():
            vectors = capsule_vectors(network, events)
            for j, label in enumerate(_classes(study)):
                for d in range(vectors.shape[2]):
                    columns[f"{name}_{label}_capsule_{d}"] = vectors[:, j, d]
        yield columns


def _classes(study: Study) -> list[str]:
    target = next(target for target in study.targets.values() if target.classes)
    return list(target.classes or {})


def capsule_plots(
    study: Study, networks: Mapping[str, TrainedModel], cache: EventCache
) -> Iterator[Plot]:
    """Yield, for each network with capsules, what each dimension responds to.

    That is the rank correlation of the dimensions with the spectators of the study, over events of
    the class of the capsule.
    """
    chosen = {name: network for name, network in networks.items() if has_capsules(network)}
    if not chosen or not study.spectators:
        return
    events = next(cache.blocks("test", ROWS))
    columns = event_columns(study, events)
    target = next(name for name, target in study.targets.items() if target.classes)
    observables = np.stack([columns[name] for name in study.spectators])
    for name, network in chosen.items():
        vectors = capsule_vectors(network, events)
        found = {}
        for j, label in enumerate(_classes(study)):
            kept = (columns[target] == j) & np.isfinite(vectors[:, j]).all(1)
            found[f"capsule of {label}"] = responses(vectors[kept, j].T, observables[:, kept])
        caption = f"What each dimension of the capsules of {name} responds to, over its own class."
        yield Plot(caption, plot_dimension_correlation(found, study.spectators), wide=True)


def responses(
    dimensions: NDArray[np.floating], observables: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the rank correlations (observable, dimension) of rows (…, events)."""
    ranks = rankdata(np.concatenate([observables, dimensions]), axis=1)
    with np.errstate(invalid="ignore"):  # what is the same for all events has no correlation
        matrix = np.nan_to_num(np.corrcoef(ranks))
    return np.asarray(matrix[: len(observables), len(observables) :], np.float64)
