"""The contract of representations, for every part of the kind."""

import awkward as ak
import numpy as np
import pytest
from made_up_jets import as_events, plane_jets  # type: ignore[import-not-found]

from bunchtrain import parts
from bunchtrain.batch import Batch, axis_of
from bunchtrain.errors import DataError, NotInvertible
from bunchtrain.methods.normalisation_layer import NormalisationLayer
from bunchtrain.representations._representation import PointRepresentation, Representation
from bunchtrain.representations.preprocessing.finite import INTEGERS, check_finite
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.tables.expressions.expression import Expression

#: Options that a part needs, or that make it small.
OPTIONS = {
    "table": {"features": ["jet_mass", "log(jet_mass)"]},
    "energy_flow_polynomials": {"degree": 3},
    "n_subjettiness_basis": {"bodies": 3},
    "event_image": {"channels": {"energy": {"group": "constituent"}}, "pixels": 8},
    "image": {"pixels": 8},
    "histogram": {
        **{"features": ["window_mass"], "bins": 4, "square_root": True},
        **{"edges": {"constituent_pt": [0, 2, 10, 50]}, "condition": ["jet_mass"]},
    },
    "volume": {
        **{"shape": [2, 3, 4], "group": "constituent", "coordinates": ["pt", "eta", "phi"]},
        **{"ranges": [[0, 60], [-3, 3], [-4, 4]], "values": ["pt", "pt**2"], "scale": 0.5},
        **{"condition": ["jet_mass"]},
    },
    "words": {"column": "line", "vocabulary": ["error", "NUMBER"], "length": 4},
    "word_counts": {"column": "line", "vocabulary": ["error", "NUMBER"]},
    "window": {"features": ["window_mass"], "length": 4},
    "edge_list": {
        **{"group": "constituent", "features": ["pt"], "max_points": 8, "order": "pt"},
        **{"edge_features": ["first_pt - second_pt", "weight"], "edge_where": "weight > 0.1"},
    },
    "layered_graph": {
        **{"group": "constituent", "features": ["pt"], "coordinates": ["eta", "phi"]},
        **{"layer": "floor(eta / 0.2)", "window": [0.5, 0.4], "span": 2},
        **{"edge_features": ["second_eta - first_eta"]},
    },
}
#: Wide ranges of a pair of modules.
WIDE = [3.2, -1e3, 1e3, -4.0, 4.0, 1e3, -4.0, 4.0]
OPTIONS["module_map"] = {
    **{"group": "constituent", "features": ["pt"], "module": "floor(abs(eta) / 0.3)"},
    **{"coordinates": ["100 * pt * cos(phi)", "100 * pt * sin(phi)", "100 * eta"]},
    **{"edge_features": ["second_eta - first_eta", "inside", "bend_step"], "overlap": 5.0},
    **{"modules": [[0, 0], [0, 1], [1, 1], [1, 2]], "ranges": [WIDE] * 4},
}
EVERY = sorted(parts.locate("representation"))
#: Representations without an inverse, and a part of the reason.
NO_INVERSE = {"clustering_tree": "the nodes of a tree", "words": "numbers and rare words"}
#: Those of texts, which are never NaN.
OF_TEXTS = ("words", "word_counts")
#: Those whose decoded columns are all that they read.
IDEMPOTENT = ("table", "window", "point_cloud", "sequence", "graph", "edge_list", "layered_graph")


@pytest.fixture(params=EVERY)
def representation(request):
    return parts.build("representation", request.param, OPTIONS.get(request.param, {}))


def events(seed=0, jets=7, most=12):
    pt, eta, phi, lengths = plane_jets(seed, jets, most)
    mass = np.random.default_rng(seed).uniform(10, 200, jets)
    block = with_edges(with_windows(as_events(pt, eta, phi, lengths, jet_mass=mass)))
    lines = [f"Error {k}: " + "disk is full " * (k % 3) for k in range(len(block))]
    return ak.with_field(block, lines, "line")


def with_edges(block):
    """Return events with edges from each point to the next, and a weight of each."""
    counts = np.maximum(ak.to_numpy(ak.num(block.constituent_pt)) - 1, 0)
    first = ak.local_index(ak.unflatten(np.zeros(counts.sum()), counts))
    weight = np.abs(block.constituent_phi[first]) % 1
    block = ak.with_field(ak.with_field(block, first, "edge_first"), first + 1, "edge_second")
    return ak.with_field(block, weight, "edge_weight")


def with_windows(block):
    """Return events with a window of four masses, the event's own the first."""
    windows = ak.to_numpy(block.jet_mass)[:, None] * np.array([1, 0.5, 2, 3])
    return ak.with_field(block, ak.from_regular(ak.Array(windows)), "window_mass")


def read(representation, block):
    return representation(block[representation.columns(block.fields)])


def test_tensors_are_those_declared_with_their_sizes_and_names(representation):
    block = events()
    tensors, sizes = read(representation, block), representation.sizes
    assert set(tensors) == set(sizes)
    for name, tensor in tensors.items():
        size = sizes[name] if isinstance(sizes[name], tuple) else (sizes[name],)
        shape = tensor.shape[:1] + size if name != "edges" else (size[0], tensor.shape[1])
        assert tuple(tensor.shape) == tuple(shape), name
        assert name not in representation.names or len(representation.names[name]) == size[0]
    assert set(representation.normalised) <= set(tensors)


def test_rows_are_those_of_the_events_on_every_axis(representation):
    block = events()
    tensors = read(representation, block)
    rows = {"event": len(block)}
    rows |= {"point": int(tensors["lengths"].sum())} if "lengths" in tensors else {}
    rows |= {"edge": tensors["edges"].shape[1]} if "edges" in tensors else {}
    for name, tensor in tensors.items():
        if name != "edges":
            assert len(tensor) == rows[axis_of(name)], name
    assert len(Batch(tensors)) == len(block)


def test_an_event_gives_the_same_tensors_in_any_block(representation):
    one, other = events(1, 5), events(2, 6)
    together = Batch(read(representation, ak.concatenate([one, other])))
    alone = read(representation, other)
    again = together.take(np.arange(5, 11)).inputs
    for name, tensor in alone.items():
        assert np.allclose(tensor, again[name], atol=1e-5, equal_nan=True), name


def test_a_block_without_events_gives_tensors_without_rows(representation):
    tensors = read(representation, events()[:0])
    assert all(0 in tensor.shape for tensor in tensors.values())


def test_integers_are_not_normalised_and_the_rest_has_mean_zero(representation):
    tensors = read(representation, events(3, 200))
    normalised = Normalisation.fit([tensors], representation)(tensors)
    for name in INTEGERS:
        assert name not in tensors or np.array_equal(normalised[name], tensors[name])
    if representation.normalise == "standard":
        for name in representation.normalised:
            assert np.abs(normalised[name].mean(0, dtype=float)).max() < 1e-3


@pytest.mark.parametrize("name", [name for name in EVERY if name not in OF_TEXTS])
def test_nan_in_the_inputs_is_an_error_that_names_the_entry(name):
    representation = parts.build("representation", name, OPTIONS.get(name, {}))
    block = events()
    pt = ak.to_numpy(ak.flatten(block.constituent_pt)).copy()
    pt[0] = np.nan
    mass = ak.to_numpy(block.jet_mass).copy()
    mass[0] = np.nan
    block = ak.with_field(block, ak.unflatten(pt, ak.num(block.constituent_pt)), "constituent_pt")
    tensors = read(representation, with_windows(ak.with_field(block, mass, "jet_mass")))
    with pytest.raises(DataError, match="in entry 100"):
        check_finite(tensors, representation.names, range(100, 107), "raise")
    kept = check_finite(tensors, representation.names, range(100, 107), "drop")
    assert 0 not in kept


def columns_of_points(representation, name, block):
    """Return values of the points and edges of a block, by the names of `decode`."""
    points = getattr(representation, "points", None)
    inner = points if isinstance(points, PointRepresentation) else representation
    found, chosen = inner.points(block), inner.select_points(inner.points(block))
    counts = np.bincount(np.repeat(np.arange(len(block)), found.lengths)[chosen], minlength=7)
    if name.startswith(f"{inner.group}_"):
        text = name.removeprefix(f"{inner.group}_")
        return ak.unflatten(found.evaluate(Expression(text))[chosen], counts)
    kept, every = representation.edge_index(block)
    of_event = np.bincount(np.repeat(np.arange(len(block)), every)[kept], minlength=7)
    if name in ("edge_first", "edge_second"):
        place = np.full(found.lengths.sum(), -1)
        place[chosen] = np.concatenate([np.arange(n) for n in counts])
        first = np.repeat(np.cumsum(found.lengths) - found.lengths, every)
        ends = place[ak.to_numpy(ak.flatten(block[name])) + first]
        return ak.unflatten(ends[kept], of_event)
    own = {"weight": ak.to_numpy(ak.flatten(block.edge_weight))}
    pt = ak.to_numpy(ak.flatten(block.constituent_pt))
    first = np.repeat(np.cumsum(found.lengths) - found.lengths, every)
    ends = [ak.to_numpy(ak.flatten(block[f"edge_{end}"])) + first for end in ("first", "second")]
    own["first_pt - second_pt"] = pt[ends[0]] - pt[ends[1]]
    return ak.unflatten(own[name.removeprefix("edge_")][kept], of_event)


def expected_column(representation, name, block):
    """Return what a column of `decode` is by definition, from the columns of a block."""
    kind = type(representation).__name__
    if (kind, name) in EXPECTED:
        return EXPECTED[kind, name](block)
    tensors, names = read(representation, block), representation.names
    if "image" in tensors:
        return tensors["image"][:, names["image"].index(name.removeprefix("image_"))]
    if name.startswith(("constituent_", "edge_")):
        return columns_of_points(representation, name, block)
    if hasattr(representation, "observables"):
        return tensors["table"][:, representation.observables.index(name)]
    return Expression(name)(block)


def cells(block, power):
    """Return Σ pT^power in the cells of the volume of OPTIONS, event by event."""
    edges = [np.linspace(0, 60, 3), np.linspace(-3, 3, 4), np.linspace(-4, 4, 5)]
    return np.stack(
        [
            np.histogramdd(
                np.transpose([event[f"constituent_{name}"] for name in ("pt", "eta", "phi")]),
                edges,
                weights=np.asarray(event.constituent_pt) ** power,
            )[0]
            for event in block
        ]
    )


def counts_of_pt(block):
    return np.stack([np.histogram(event, [0, 2, 10, 50])[0] for event in block.constituent_pt])


#: Representation and column of `decode` → its values by an independent calculation.
EXPECTED = {
    ("JetFeatures", "multiplicity"): lambda block: ak.num(block.constituent_pt),
    ("Histogram", "constituent_pt"): counts_of_pt,
    ("WordCounts", "error"): lambda block: np.ones(len(block)),
    ("WordCounts", "NUMBER"): lambda block: np.ones(len(block)),
    ("WordCounts", "(other)"): lambda block: 3 * (np.arange(len(block)) % 3),
    ("Volume", "constituent_pt"): lambda block: cells(block, 1),
    ("Volume", "constituent_pt**2"): lambda block: cells(block, 2),
}


def same(one, other, tolerance=2e-6):
    """Whether two columns are equal to single precision, relative to their largest value."""
    one, other = ak.Array(one), ak.Array(other)
    if one.ndim > 1 and ak.any(ak.num(one) != ak.num(other)):
        return False
    a, b = (np.asarray(ak.flatten(each, axis=None), float) for each in (one, other))
    return np.allclose(a, b, rtol=1e-5, atol=tolerance * max(1, np.abs(b).max(initial=0)))


@pytest.fixture
def invertible(request, representation):
    name = request.node.callspec.params["representation"]
    if name in NO_INVERSE:
        pytest.skip("it has no inverse, which another test checks")
    return representation


@pytest.mark.parametrize("name", EVERY)
def test_a_representation_has_an_inverse_or_says_why_not(name):
    found = parts.build("representation", name, OPTIONS.get(name, {}))
    has_inverse = type(found).decode is not Representation.decode
    assert has_inverse == (name not in NO_INVERSE)
    if not has_inverse:
        with pytest.raises(NotInvertible, match=f"'{name}' has no inverse.*{NO_INVERSE[name]}"):
            found.decode(read(found, events()))


def test_decoded_columns_are_those_of_the_events(invertible):
    block = events()
    decoded = invertible.decode(read(invertible, block))
    assert len(decoded) == len(block)
    for name in decoded.fields:
        assert same(decoded[name], expected_column(invertible, name, block)), name


def test_decoding_inverts_the_normalisation(invertible):
    tensors = read(invertible, events(4, 60))
    invertible.normalise = "standard"
    fitted = Normalisation.fit([tensors], invertible)
    layer = NormalisationLayer(fitted)
    normalised = Batch(fitted(tensors)).tensors().inputs
    again = {name: value.numpy() for name, value in layer.inverse(normalised).items()}
    decoded, wanted = invertible.decode(again), invertible.decode(tensors)
    assert decoded.fields == wanted.fields
    for name in wanted.fields:
        assert same(decoded[name], wanted[name], 1e-5), name


def test_a_block_without_events_is_decoded_to_no_rows(invertible):
    tensors = read(invertible, events()[:0])
    decoded = invertible.decode(tensors)
    assert len(decoded) == 0
    assert set(decoded.fields) == set(invertible.decode(read(invertible, events())).fields)


@pytest.mark.parametrize("name", IDEMPOTENT)
def test_decoded_columns_are_encoded_to_the_same_tensors(name):
    found = parts.build("representation", name, OPTIONS.get(name, {}))
    tensors = read(found, events(most=8))  # no point is left out, so that the axis is the same
    again = read(found, found.decode(tensors))
    for tensor, values in tensors.items():
        assert same(again[tensor], values, 1e-5), tensor


def test_a_missing_column_is_named(representation):
    with pytest.raises(DataError, match=r"constituent|_mass|line|'edge_first'"):
        representation.columns(["other_pt", "weight"])
