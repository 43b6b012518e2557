"""The contract of every network that starts from trained weights: its own, and of other inputs."""

from types import SimpleNamespace

import pytest
import torch
from small_models import OPTIONS, SIZES, inputs, small

from bunchtrain.methods.build import build_network
from bunchtrain.methods.supervised import Network, input_names
from bunchtrain.methods.task import Task
from bunchtrain.targets import Target
from bunchtrain.training import transfer
from bunchtrain.training.layout import Resized
from bunchtrain.training.start import Start, StartFile, Transfer, event_targets, shape, slots

LABELS, OTHERS = ("a", "b"), ("c", "b", "a")
#: Models of which an input has features, columns whose number is free.
OF_FEATURES = [
    name
    for name in OPTIONS
    if {"features", "table"} & set(input_names(small(name)))
    and "gar_net" not in name
    and "linear function" not in name  # of a number of points, and fitted anew
]


def task_of(name, labels=LABELS):
    model = name.split()[0]
    loss = "margin" if model == "capsule_network" else "cross_entropy"
    return Task(
        cache="",
        folder="",
        representation=("table", {}),
        model=(model, OPTIONS[name]),
        terms=[(loss, {}, "kind", 1.0)],
        targets={"kind": Target("kind", labels)},
        settings={"batch_size": 8},
    )


def made_of(given, names):
    """Return a stand-in of a representation with these tensors."""
    sizes = {n: SIZES.get(n, ()) for n in given}
    sizes |= {n: len(names[n]) for n in given if n in names}
    return Resized(
        SimpleNamespace(embedding=None), sizes, {n: names[n] for n in given if n in names}
    )


def start_of(task, made, network):
    about = StartFile(
        model=task.model[0],
        is_method=False,
        posterior=None,
        representation=("", {}),
        sizes={n: shape(size) for n, size in made.sizes.items()},
        names=made.names,
        slots=slots(task),
        event_targets=event_targets(task),
        origin={},
        sha256="",
    )
    return Start(about, {n: value.clone() for n, value in network.state_dict().items()})


def transferred(network, task, made, given, start):
    """Return what a network has taken of a start, as a training does."""
    found = Transfer(start)
    with torch.random.fork_rng():
        axes = transfer._matched_axes(task, made, given, start)
    transfer._copy(network, found, axes, transfer._new_readouts(task, start))
    return found


def build(task, made, seed):
    torch.manual_seed(seed)
    network = build_network(task, made)
    assert isinstance(network, Network)
    if hasattr(network.model, "calibrate_ranges"):
        given = inputs(network.model, [4, 6, 3])
        network.model.calibrate_ranges([{n: widened(given, n, made) for n in given}])
    return network.eval()


def widened(given, name, made):
    """Return an input with as many columns as the stand-in has, new ones 0 in front."""
    if name not in ("features", "table"):
        return given[name]
    new = made.sizes[name] - given[name].shape[1]
    return torch.cat([given[name].new_zeros(len(given[name]), new), given[name]], 1)


@pytest.mark.parametrize("name", OPTIONS)
def test_its_own_weights_give_the_same_outputs(name):
    given = inputs(small(name), [4, 6, 3])
    task, made = task_of(name), made_of(given, {})
    one, other = (build(task, made, seed) for seed in (1, 2))
    found = transferred(other, task, made, given, start_of(task, made, one))
    assert not found.part
    assert not found.initialised
    with torch.no_grad():
        assert torch.equal(other(given)["kind"], one(given)["kind"])


@pytest.mark.parametrize("name", OF_FEATURES)
def test_a_feature_more_and_other_classes_keep_the_rest(name):
    given = inputs(small(name), [4, 6, 3])
    column = "features" if "features" in given else "table"
    old = made_of(given, {column: ["p", "q", "r", "s"]})
    new = made_of(given, {column: ["new", "p", "q", "r", "s"]})
    task, other_task = task_of(name), task_of(name, OTHERS)
    one, other = build(task, old, 1), build(other_task, new, 2)
    wide = {n: widened(given, n, new) for n in given}
    found = transferred(other, other_task, new, wide, start_of(task, old, one))
    assert found.part
    assert not found.initialised, "a weight whose columns could not be matched"
    if "quantised" in name or "transformer" in name:
        return  # ranges, or moments over all features of a point, include the new one
    with torch.no_grad():
        kept = other(wide)["kind"][:, [2, 1]]
        torch.testing.assert_close(kept, one(given)["kind"], atol=1e-5, rtol=1e-4)
