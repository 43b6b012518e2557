"""Targets on points and edges: batches, the event store, losses of events and readouts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.normalisation_layer import NormalisationLayer
from bunchtrain.methods.protocols import EmbedsPoints
from bunchtrain.methods.supervised import Network, input_names
from bunchtrain.methods.weighted_sum import weighted_sums
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.targets import Target

AXES = {"hit": "point", "pair": "edge"}


def make_batch(lengths, seed=1):
    """Points with labels that encode event and index, all ordered pairs as edges."""
    random = np.random.default_rng(seed)
    points = sum(lengths)
    first = np.cumsum([0, *lengths[:-1]])
    edges = [
        (begin + i, begin + k)
        for begin, n in zip(first, lengths, strict=True)
        for i in range(n)
        for k in range(n)
        if i != k
    ]
    edges = np.array(edges, np.int64).reshape(-1, 2)
    edges = edges[random.permutation(len(edges))].T
    event = np.repeat(np.arange(len(lengths)), lengths)
    own = np.arange(points) - first[event]
    code = 100 * event + own
    return Batch(
        {
            "features": random.normal(size=(points, 3)).astype(np.float32),
            "coordinates": random.normal(size=(points, 2)).astype(np.float32),
            "lengths": np.array(lengths),
            "edges": edges,
        },
        {
            "jet": np.arange(len(lengths)),
            "hit": code,
            "pair": 1000 * code[edges[0]] + code[edges[1]],
        },
        random.random(len(lengths)).astype(np.float32),
        axes=AXES,
    )


def check_labels(batch):
    """Each edge has the label of its own points."""
    code, edges = batch.targets["hit"], batch.inputs["edges"]
    assert np.array_equal(batch.targets["pair"], 1000 * code[edges[0]] + code[edges[1]])
    event = batch.event_index("point")
    assert np.array_equal(code // 100, batch.targets["jet"][event])
    assert np.array_equal(batch.targets["jet"][batch.event_index("edge")], code[edges[1]] // 100)


@pytest.mark.property
@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_labels_of_points_and_edges_follow_their_events(lengths, random):
    rows = [random.randrange(len(lengths)) for _ in range(random.randrange(1, 7))]
    batch, chosen = make_batch(lengths), np.array(rows)
    store = EventStore([batch]).take(chosen)
    check_labels(store)
    assert np.array_equal(store.targets["jet"], chosen)
    assert sorted(store.targets["pair"].tolist()) == sorted(
        label for row in rows for label in batch.targets["pair"].tolist() if label // 100_000 == row
    )
    once = np.unique(chosen)
    check_labels(batch.take(once))
    blocks = EventStore([batch.take(np.array([k])) for k in range(len(lengths))])
    check_labels(blocks.take(chosen))


def test_a_loss_of_points_is_the_mean_over_those_of_an_event():
    batch = make_batch([2, 0, 3])
    batch.targets["hit"] = np.array([0, 1, 1, 0, 1])
    batch = batch.tensors()
    logits = torch.randn(5, 2)
    loss = CrossEntropy(Target("hit", ("noise", "track"), axis="point"))
    sums = weighted_sums([(loss, 2.0)], {"hit": logits}, batch)
    each = torch.nn.functional.cross_entropy(logits, batch.targets["hit"], reduction="none")
    expected = batch.weight[0] * each[:2].mean() + batch.weight[2] * each[2:].mean()
    assert float(sums.losses["hit/cross_entropy"]) == pytest.approx(float(expected), rel=1e-6)
    assert float(sums.total) == pytest.approx(2 * float(expected), rel=1e-6)


MODELS = {
    "particle_flow_network": {"phi": (8,), "f": (6,)},
    "particle_net": {"k": 2, "channels": ((5, 5), (6,)), "dense": 4, "dropout": 0.0},
    "interaction_network": {},
    "gar_net": {"points": 8, "aggregators": (2,), "propagate": (4,), "filters": (5,)},
}
SIZES = {"features": 3, "coordinates": 2}


def make_network(name, heads, axes):
    torch.manual_seed(3)
    sizes = [SIZES[size] for size in parts.positional(parts.find("model", name)) if size in SIZES]
    of_events = sum(size for head, size in heads.items() if head not in axes)
    model = parts.build("model", name, MODELS[name], *sizes, of_events or 1)
    return Network(
        NormalisationLayer(Normalisation({"features": 3, "coordinates": 2})),
        model,
        heads,
        axes=axes,
    )


@pytest.mark.parametrize("name", MODELS)
def test_outputs_of_points_and_edges(name):
    network = make_network(name, {"jet": 2, "hit": 3, "pair": 2}, AXES).eval()
    assert isinstance(network.model, EmbedsPoints)
    arrays = make_batch([3, 1, 4])
    batch = arrays.tensors()
    together = network(batch.inputs)
    assert together["jet"].shape == (3, 2)
    assert together["hit"].shape == (8, 3)
    assert together["pair"].shape == (3 * 2 + 4 * 3, 2)
    alone = network.model(**{name: batch.inputs[name] for name in input_names(network.model)})
    assert torch.allclose(together["jet"], alone, atol=1e-6)
    store = EventStore([arrays])
    for row in range(3):
        one = store.take(np.array([row])).tensors()
        found = network(one.inputs)
        own = batch.event_index("point") == row
        assert torch.allclose(found["hit"], together["hit"][own], atol=1e-5)
    reverse = dict(batch.inputs, edges=batch.inputs["edges"].flip(0))
    assert torch.allclose(network(reverse)["pair"], together["pair"], atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_reach_every_parameter_without_a_target_of_events(name):
    network = make_network(name, {"hit": 3, "pair": 2}, AXES).train()
    outputs = network(make_batch([3, 2, 4]).tensors().inputs)
    sum(values.square().sum() for values in outputs.values()).backward()
    lacking = [key for key, value in network.named_parameters() if value.grad is None]
    assert not lacking


def test_a_model_without_points_is_rejected():
    model = parts.build("model", "dense_network", {}, 4, 2)
    with pytest.raises(StudyError, match=r"targets.hit: model 'DenseNetwork' has no output for"):
        Network(
            NormalisationLayer(Normalisation({"table": 4})),
            model,
            {"hit": 2},
            axes={"hit": "point"},
        )
