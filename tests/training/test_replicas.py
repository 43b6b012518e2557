"""Trainings in one batch are, to rounding, the trainings alone."""

import numpy as np
import pytest
import torch

from bunchtrain.errors import StudyError
from bunchtrain.methods.event_store import EventStore
from bunchtrain.targets import Target
from bunchtrain.training.data import Data
from bunchtrain.training.replicas import Replica, fit_replicas
from bunchtrain.training.train import train

MODEL = ("dense_network", {"widths": [8, 8]})
PLAIN = {"model": MODEL, "settings": {"epochs": 4, "batch_size": 150}}
VALUES = {"targets": {"sum": Target("sum", values=("sum",))}}


def as_replica(task, rows=None):
    """Return a training of the first rows of the training set, of all if None."""
    data = Data(task)
    data.load()
    stores = [data.stores[name] for name in ("train", "validation")]
    if rows is not None:
        stores[0] = EventStore([stores[0].take(np.arange(rows))])
    return Replica(data.task, data.representation, *stores)


@pytest.mark.parametrize(
    "changes",
    [
        {"terms": [("cross_entropy", {}, "kind", 1.0)]},
        {
            "terms": [("likelihood_ratio", {}, "kind", 1.0)],
            "settings": {"optimiser": "adamw", "weight_decay": 0.1, "weight_clip": 0.3},
        },
        {
            "terms": [("mean_squared_error", {}, "sum", 2.0)],
            "settings": {"optimiser": "sgd", "gradient_clip": 0.1, "schedule": "cosine"},
            **VALUES,
        },
        {
            "terms": [("binary_cross_entropy", {}, "kind", 1.0)],
            "settings": {"schedule": "plateau", "patience": 1, "learning_rate": 0.1, "epochs": 9},
        },
    ],
    ids=["adam", "adamw, clipped weights", "sgd, clipped gradient", "patience and plateau"],
)
def test_each_replica_is_the_training_alone(make_task, changes):
    changes = {**PLAIN, **changes, "settings": PLAIN["settings"] | changes.get("settings", {})}
    tasks = [make_task(f"run_{seed}", seed=seed, **changes) for seed in (1, 2, 3)]
    together = fit_replicas([as_replica(task) for task in tasks])
    for task, found in zip(tasks, together, strict=True):
        alone = train(task).network.state_dict()
        for name, values in found.network.state_dict().items():
            torch.testing.assert_close(values, alone[name], rtol=1e-5, atol=1e-5, equal_nan=True)
    limit = changes["settings"].get("weight_clip")
    assert (
        limit is None or max(w.abs().max() for w in together[0].network.model.parameters()) <= limit
    )


def test_replicas_of_different_sizes_do_not_change_each_other(make_task):
    rows = (400, 31, 200)  # 3, 1 and 2 batches
    replicas = [
        as_replica(make_task(f"run_{seed}", seed=seed, **PLAIN), size)
        for seed, size in enumerate(rows)
    ]
    together = fit_replicas(replicas)
    for replica, found in zip(replicas, together, strict=True):
        (alone,) = fit_replicas([replica])
        for name, values in alone.network.state_dict().items():
            torch.testing.assert_close(values, found.network.state_dict()[name], equal_nan=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": ("dense_network", {"dropout": 0.1})}, "remove dropout, batch norm"),
        ({"model": ("boosted_trees", {})}, "'boosted_trees' is not a network with losses"),
        ({"calibration": [("temperature", {})]}, "it has a posterior or a calibration"),
        ({"settings": {"optimiser": "radam"}}, "it has another engine or optimiser"),
    ],
)
def test_trainings_that_cannot_be_in_one_batch(make_task, changes, reason):
    with pytest.raises(StudyError, match=reason):
        fit_replicas([as_replica(make_task(**(PLAIN | changes)))])
