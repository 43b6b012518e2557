import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.batch import Batch
from bunchtrain.methods.event_store import EventStore, size_in_bytes
from bunchtrain.training.prefetch import prefetch


def graphs(lengths: list[int], seed: int) -> Batch:
    """Events with random points and edges inside each event."""
    random = np.random.default_rng(seed)
    edges, first = [np.zeros((2, 0), np.int64)], 0
    for length in lengths:
        if length:
            edges.append(first + random.integers(0, length, (2, 2 * length)))
        first += length
    inputs = {
        "features": random.random((first, 3)),
        "globals": random.random((len(lengths), 2)),
        "edges": np.concatenate(edges, 1),
        "lengths": np.array(lengths),
    }
    targets = {"kind": np.arange(len(lengths))}
    return Batch(inputs, targets, random.random(len(lengths)))


def edge_features(batch: Batch) -> list[list[float]]:
    """The features at both ends of each edge, in an order that does not depend on that of edges."""
    ends = batch.inputs["features"][batch.inputs["edges"]].transpose(1, 0, 2)
    return sorted(ends.reshape(len(ends), 6).tolist())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=8), st.data())
def test_taking_events_agrees_with_the_batch(lengths: list[int], data: st.DataObject) -> None:
    batch = graphs(lengths, seed=len(lengths))
    half = len(lengths) // 2
    parts = [batch.take(np.arange(half)), batch.take(np.arange(half, len(lengths)))]
    store = EventStore(parts)
    rows = np.array(data.draw(st.permutations(range(len(lengths))))[: half + 1])
    taken, expected = store.take(rows), batch.take(rows)
    for name in ("features", "globals", "lengths"):
        assert np.array_equal(taken.inputs[name], expected.inputs[name])
    assert np.array_equal(taken.targets["kind"], rows)
    assert np.array_equal(taken.weight, batch.weight[rows])
    assert edge_features(taken) == edge_features(expected)


def test_the_size_counts_every_tensor() -> None:
    batch = Batch({"table": np.zeros((5, 3), np.float32)}, {"kind": np.zeros(5, np.int64)})
    assert size_in_bytes(batch) == 5 * 3 * 4 + 5 * 8


def test_prefetch_keeps_order_and_raises_in_place() -> None:
    def numbers():
        yield from range(5)
        raise ValueError("at the end")

    seen = []
    try:
        seen.extend(prefetch(numbers()))
    except ValueError as problem:
        seen.append(str(problem))
    assert seen == [0, 1, 2, 3, 4, "at the end"]


def test_prefetch_stops_its_thread_with_the_consumer() -> None:
    made = []

    def endless():
        while True:
            made.append(len(made))
            yield made[-1]

    ahead = prefetch(endless())
    assert next(ahead) == 0
    ahead.close()
    count = len(made)
    assert count <= 5
    assert len(made) == count
