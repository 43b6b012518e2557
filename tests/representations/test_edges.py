"""Edges of graphs: from the data, between layers, with conditions, never misordered."""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.methods.event_store import EventStore
from bunchtrain.representations.layered_graph import edges_of_layers
from bunchtrain.representations.preprocessing.labels import represent_targets
from bunchtrain.representations.preprocessing.placement import place_edges, place_points
from bunchtrain.targets import Target


def hits(counts, seed=1):
    """Hits with a code of event and index, and edges whose weight is the code of both ends."""
    random = np.random.default_rng(seed)
    points, n_edges = sum(counts), [random.integers(0, 2 * n) if n else 0 for n in counts]
    code = np.concatenate([100 * k + np.arange(n) for k, n in enumerate(counts)] or [[]])
    pairs = [random.integers(0, n, (e, 2)) for n, e in zip(counts, n_edges, strict=True)]
    ends = np.concatenate(pairs) if pairs else np.zeros((0, 2), int)
    event = np.repeat(np.arange(len(counts)), n_edges)
    table = {
        "hit_code": ak.unflatten(code.astype(int), counts),
        "hit_u": ak.unflatten(random.uniform(size=points), counts),
        "hit_layer": ak.unflatten(random.integers(0, 4, points), counts),
        "edge_first": ak.unflatten(ends[:, 0], n_edges),
        "edge_second": ak.unflatten(ends[:, 1], n_edges),
        "edge_code": ak.unflatten(1000 * ends[:, 0] + ends[:, 1], n_edges),
        "edge_kind": ak.unflatten(random.integers(0, 2, len(ends)), n_edges),
        "edge_event": ak.unflatten(event, n_edges),
        "entry": np.arange(len(counts)) + 50,
    }
    return ak.zip(table, depth_limit=1)


def edge_list(**options):
    given = {"group": "hit", "features": ["code"], "coordinates": ["u"]}
    given["edge_features"] = ["code", "first_code", "second_code", "event"]
    return parts.build("representation", "edge_list", given | options)


def check(batch, target=True):
    """Every edge has features and labels of its own two points."""
    code = batch.inputs["features"][:, 0]
    first, second = code[batch.inputs["edges"]]
    own, of_first, of_second, event = batch.inputs["edge_features"].T
    assert np.array_equal(of_first, first)
    assert np.array_equal(of_second, second)
    assert np.array_equal(own, 1000 * (first % 100) + second % 100)
    assert np.array_equal(event, first // 100)
    assert np.array_equal(batch.targets["code"][:, 0], own)


CODE = Target("code", values=("code",), axis="edge")


@pytest.mark.property
@settings(max_examples=examples(50), deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6),
    st.integers(1, 6),
    st.sampled_from([None, "u > 0.3"]),
    st.sampled_from([None, "kind == 1", "first_u < second_u"]),
    st.randoms(use_true_random=False),
)
def test_edges_of_the_data_are_never_misordered(counts, limit, where, edge_where, random):
    events = hits(counts, random.randrange(1000))
    made = edge_list(max_points=limit, order="u", where=where, edge_where=edge_where)
    inputs = made(events)
    labels = ak.values_astype(events.edge_code[:, :, None], np.float32)
    events = ak.with_field(events, labels, "target_code")
    targets = represent_targets(made, {"code": CODE}, events, inputs)
    batch = Batch(inputs, targets, np.ones(len(counts)), axes={"code": "edge"})
    check(batch)
    rows = np.array([random.randrange(len(counts)) for _ in range(4)])
    check(batch.take(rows))
    check(EventStore([batch]).take(rows))
    check(EventStore([batch.take(rows), batch]).take(rows))
    # Predictions go back to the edges of the data.
    keep = np.unique(rows)
    kept = batch.take(keep)
    places = place_edges(made, events, place_points(made, events, keep), kept, keep)
    back = places.spread(kept.inputs["edge_features"][:, 0])
    known = ~np.isnan(back)
    assert ak.all(back[known] == events.edge_code[known])
    assert ak.sum(known) == len(kept.inputs["edge_features"])


@pytest.mark.property
@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=5), st.integers(1, 3), st.integers(0, 1000))
def test_edges_between_layers_are_all_those_within_the_window(counts, span, seed):
    random = np.random.default_rng(seed)
    points = sum(counts)
    layer, place = random.integers(0, 5, points).astype(float), random.uniform(0, 3, (points, 2))
    event = np.repeat(np.arange(len(counts)), counts)
    found = edges_of_layers(layer, place, np.array(counts), span)
    expected = [
        (i, k)
        for k in range(points)
        for i in range(points)
        if event[i] == event[k]
        and 1 <= layer[k] - layer[i] <= span
        and np.abs(place[i] - place[k]).max() <= 1
    ]
    assert list(zip(*found.tolist(), strict=True)) == expected


def test_the_window_needs_one_value_for_each_coordinate():
    options = {"group": "hit", "features": ["u"], "layer": "layer", "coordinates": ["u"]}
    made = parts.build("representation", "layered_graph", {**options, "window": 0.2})
    events = hits([5, 4, 0, 6])
    assert made(events[made.columns(events.fields)])["edges"].shape[0] == 2
    with pytest.raises(StudyError, match="there are 2 of 1 coordinates"):
        parts.build("representation", "layered_graph", {**options, "window": [0.2, 0.1]})


def test_edges_that_no_other_continues_are_left_out():
    """A track of three hits along z, and a hit beside its last one under 45 degrees."""
    columns = {"x": [1.0, 1, 1, 2], "y": [0.0] * 4, "z": [1.0, 2, 3, 3], "layer": [1, 2, 3, 3]}
    events = ak.zip({f"hit_{n}": ak.Array([v, []]) for n, v in columns.items()}, depth_limit=1)
    options = {"group": "hit", "features": ["x"], "layer": "layer", "coordinates": ["y"]}
    options |= {"window": 0.1, "edge_features": ["kink", "second_x - first_x"]}

    def encoded(**more):
        made = parts.build("representation", "layered_graph", options | more)
        return made(events[made.columns(events.fields)])

    found = encoded(kink=0.1)
    assert found["edges"].T.tolist() == [[0, 1], [1, 2]]
    assert found["edge_features"][:, 0] == pytest.approx([0, 0], abs=1e-6)
    found = encoded(kink=1.0)
    assert found["edges"].T.tolist() == [[0, 1], [1, 2], [1, 3]]
    assert found["edge_features"][:, 0] == pytest.approx([0, 0, np.pi / 4], abs=1e-6)
    # The condition comes first: without the last hit of the track only the bend is left.
    found = encoded(kink=1.0, edge_where="(second_z < 3) | (second_x > 1)")
    assert found["edge_features"][:, 0] == pytest.approx([np.pi / 4] * 2, abs=1e-6)
    with pytest.raises(StudyError, match="'kink' is of the edges that fulfil it"):
        encoded(kink=1.0, edge_where="kink < 0.1")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("edge_second", 3, "entry 51: an edge names point 3 in 'edge_second', but the group 'hit'"),
        ("edge_first", -1, "entry 51: an edge names point -1 in 'edge_first'"),
        ("edge_first", 0.5, "'edge_first' must be integers"),
    ],
)
def test_edges_of_hits_that_do_not_exist_are_errors(column, value, message):
    events = hits([3, 3, 3])
    lists = events[column].to_list()
    lists[1] = [value, *lists[1][1:]] if lists[1] else [value]
    counts = ak.num(ak.Array(lists))
    for name in ("edge_first", "edge_second", "edge_code", "edge_event"):
        own = ak.unflatten(np.zeros(ak.sum(counts), int), counts)
        events = ak.with_field(events, ak.Array(lists) if name == column else own, name)
    with pytest.raises(DataError, match=message):
        edge_list()(events)


def test_names_of_edges_that_do_not_exist_are_errors():
    fields = hits([2]).fields
    with pytest.raises(DataError, match="'v' in"):
        edge_list(edge_features=["first_v"]).columns(fields)
    with pytest.raises(DataError, match="'u' is no value of an edge: write 'first_u'"):
        edge_list(edge_where="u > 0").columns(fields)
    with pytest.raises(DataError, match="no column 'edge_second', the indices of points of edges"):
        edge_list().columns([name for name in fields if name != "edge_second"])
