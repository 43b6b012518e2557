"""Module maps: pairs of hits by a search over all pairs, and what does not fit."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.physics.doublets import (
    Hits,
    ModuleRanges,
    curvature,
    doublet_values,
    find_doublets,
    find_edges,
)
from bunchtrain.physics.module_ranges import TruePairs, fit_ranges

#: Radii in mm of the layers of a barrel, and half of its length.
LAYERS, HALF = np.array([30.0, 70.0, 115.0, 170.0, 260.0]), 600.0
OPTIONS = {
    **{"group": "hit", "module": "layer", "features": ["r"], "path": "layer", "overlap": 1.0},
    **{"edge_features": ["second_r - first_r", "inside", "outside", "bend_step"]},
    **{"tail": 0.0, "margin": 1.0},
}


def helix(random, radius):
    """Return x, y, z where helices from near the middle cross the layers, (particles, layers)."""
    shape = (len(radius), 1)
    sign, start = random.choice([-1, 1], shape), random.uniform(-np.pi, np.pi, shape)
    half = np.arcsin(LAYERS / (2 * radius[:, None]))  # half of the turn around the centre
    z = random.normal(0, 30, shape) + random.uniform(-1.2, 1.2, shape) * 2 * radius[:, None] * half
    azimuth = start + sign * half
    z = z + random.normal(0, 1.5, z.shape)  # strips measure it less well
    return LAYERS * np.cos(azimuth), LAYERS * np.sin(azimuth), z


def made_events(seed, events=20, particles=40, noise=30):
    """Return events with the hits of helices in the barrel, and noise, in a random order."""
    random, rows = np.random.default_rng(seed), []
    for _ in range(events):
        x, y, z = helix(random, random.uniform(500, 5000, particles))
        layer = np.broadcast_to(np.arange(len(LAYERS)), x.shape)
        particle = np.broadcast_to(np.arange(particles)[:, None], x.shape)
        columns = [one[np.abs(z) < HALF].astype(float) for one in (x, y, z, layer, particle)]
        at, turn = random.integers(0, len(LAYERS), noise), random.uniform(-np.pi, np.pi, noise)
        r, nothing = LAYERS[at], np.full(noise, -1)
        others = (
            r * np.cos(turn),
            r * np.sin(turn),
            random.uniform(-HALF, HALF, noise),
            at,
            nothing,
        )
        hits = np.stack([np.concatenate(both) for both in zip(columns, others, strict=True)])
        rows.append(hits[:, random.permutation(hits.shape[1])])
    counts = [row.shape[1] for row in rows]
    x, y, z, layer, particle = np.concatenate(rows, axis=1)
    names = {"x": x, "y": y, "z": z, "r": np.hypot(x, y)}
    names |= {"layer": layer.astype(int), "particle": particle.astype(int)}
    return ak.zip({f"hit_{n}": ak.unflatten(v, counts) for n, v in names.items()}, depth_limit=1)


def fitted(events, **options):
    made = parts.build("representation", "module_map", {**OPTIONS, **options})
    assert not made.is_fitted
    found = made.fit([events[:7], events[7:]])
    return parts.build("representation", "module_map", {**OPTIONS, **options, **found})


def pairs_of(events, tensors):
    """Return whether each edge is of one particle, and the true pairs of neighbouring layers."""
    flat = {name: ak.to_numpy(ak.flatten(events[name])) for name in events.fields}
    event = np.repeat(np.arange(len(events)), ak.num(events.hit_x))
    first, second = tensors["edges"]
    own = np.where(flat["hit_particle"] >= 0, flat["hit_particle"] + 1000 * event, -1)
    order = np.lexsort((flat["hit_layer"], own))
    a, b = order[:-1], order[1:]
    true = np.flatnonzero((own[a] == own[b]) & (own[a] >= 0))
    return (own[first] == own[second]) & (own[first] >= 0), np.stack([a, b])[:, true]


def test_edges_of_other_events_have_the_particles_hits_and_few_others():
    made, events = fitted(made_events(1, 60)), made_events(2)
    tensors = made(events[made.columns(events.fields)])
    is_true, wanted = pairs_of(events, tensors)
    found = {tuple(edge) for edge in tensors["edges"].T.tolist()}
    assert np.mean([tuple(edge) in found for edge in wanted.T.tolist()]) > 0.98
    assert len(found) == tensors["edges"].shape[1]
    assert tensors["edges"].shape[1] < 2 * int(tensors["lengths"].sum())
    assert is_true.mean() > 0.6
    step = tensors["edge_features"][:, 3]
    assert np.median(step[is_true & (step >= 0)]) < 0.1  # a helix has one curvature
    assert np.median(step[~is_true & (step >= 0)]) > 1


def test_after_the_fit_it_reads_no_truth():
    events = made_events(3)
    made = parts.build("representation", "module_map", {**OPTIONS, "fit_where": "particle >= 0"})
    assert "hit_particle" in made.columns(events.fields)
    columns = fitted(events).columns([n for n in events.fields if n != "hit_particle"])
    assert set(columns) == {"hit_x", "hit_y", "hit_z", "hit_layer", "hit_r"}


def test_turned_events_have_the_same_edges():
    made, events = fitted(made_events(4)), made_events(5, 5)
    wanted = made(events)["edges"]
    for angle in (0.7, np.pi):
        c, s = np.cos(angle), np.sin(angle)
        turned = ak.with_field(events, c * events.hit_x - s * events.hit_y, "hit_x")
        turned = ak.with_field(turned, s * events.hit_x + c * events.hit_y, "hit_y")
        found = made(turned)["edges"]
        both = [{tuple(edge) for edge in edges.T.tolist()} for edges in (wanted, found)]
        assert len(both[0] ^ both[1]) <= 2  # on the edge of a range


def test_doublets_and_continuations_are_those_of_all_pairs():
    events = made_events(6, 30)
    map_of = fitted(events, margin=3.0).map
    one = made_events(7, 1)[0]
    places = np.stack([np.asarray(one[f"hit_{axis}"]) for axis in "xyz"], 1)
    hits = Hits(places, np.asarray(one.hit_layer))
    first, second, _pair, _ = find_doublets(hits, map_of)
    a, b = (each.ravel() for each in np.indices((len(hits), len(hits))))
    key = {
        (int(i), int(j)): k
        for k, (i, j) in enumerate(zip(map_of.first, map_of.second, strict=True))
    }
    of = np.array(
        [key.get((i, j), -1) for i, j in zip(hits.module[a], hits.module[b], strict=True)]
    )
    turn, impact, angle = doublet_values(hits, a, b)
    inside = (
        (of >= 0) & (np.abs(turn) <= map_of["turn"][of]) & (hits.distance[b] > hits.distance[a])
    )
    for name, values in (("impact", impact), ("angle", angle)):
        inside &= (values >= map_of[f"least_{name}"][of]) & (values <= map_of[f"most_{name}"][of])
    wanted = set(zip(a[inside].tolist(), b[inside].tolist(), strict=True))
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == wanted
    assert len(first) == len(wanted) > 100
    edges, columns = find_edges(hits, map_of, 0.0, 10**6)
    follows = dict.fromkeys(wanted, 0)
    for i, j in wanted:
        for k, last in wanted:
            if k == j and continues(hits, map_of, key, i, j, last):
                follows[i, j] += 1
    found = dict(zip(map(tuple, edges.T.tolist()), columns["outside"].tolist(), strict=True))
    assert {edge: n for edge, n in found.items() if n} == {e: n for e, n in follows.items() if n}


def continues(hits, map_of, key, i, j, k):
    """Return whether the pair (j, k) continues (i, j) within the ranges of this."""
    own = key[int(hits.module[i]), int(hits.module[j])]
    one, two, three = (np.array([n]) for n in (i, j, k))
    kink = (doublet_values(hits, two, three)[2] - doublet_values(hits, one, two)[2])[0]
    bend = abs(curvature(hits, one, two, three)[0])
    low, high = map_of["least_kink"][own], map_of["most_kink"][own]
    return bool(low <= kink <= high and bend <= map_of["curvature"][own])


def test_overlapping_modules_need_no_continuation():
    places = np.array([[30.0, 0, 0], [31.0, 0, 0], [70.0, 0, 0], [115.0, 0, 0]])
    wide = [np.pi, -1e3, 1e3, -10, 10, 1, -10, 10]
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    known = ModuleRanges(
        pairs[:, 0], pairs[:, 1], np.array([wide, wide, [*wide[:5], 0, 10, -10]]), 4
    )
    hits = Hits(places, np.arange(4))
    assert find_edges(hits, known, 5.0, 10)[0].T.tolist() == [[0, 1], [1, 2], [2, 3]]
    alone = ModuleRanges(known.first[:1], known.second[:1], known.ranges[:1], 4)
    assert find_edges(hits, alone, 5.0, 10)[0].T.tolist() == [[0, 1]]
    assert find_edges(hits, alone, 0.5, 10)[0].shape == (2, 0)


def test_hits_of_one_layer_and_events_without_hits_have_no_edges():
    events = made_events(8)
    made = fitted(events)
    one = ak.zip({n: events[n][events.hit_layer == 2] for n in events.fields}, depth_limit=1)
    none = ak.zip({n: events[n][events.hit_layer > 90] for n in events.fields}, depth_limit=1)
    for block in (one, none, events[:0]):
        tensors = made(block)
        assert tensors["edges"].shape == (2, 0)
        assert tensors["edge_features"].shape == (0, 4)
        assert tensors["lengths"].tolist() == ak.num(block.hit_x).to_list()
    with pytest.raises(DataError, match=r"no particle of the training events has two hits.*where"):
        fitted(one)


def test_another_detector_and_too_many_edges_are_named():
    events = made_events(9)
    made = fitted(events)
    moved = ak.with_field(events, events.hit_layer + 100, "hit_layer")
    with pytest.raises(DataError, match="hits from entry 0 on are in modules that the map"):
        made(moved)
    with pytest.raises(
        DataError, match=r"entry 0: the module map joins .*'max_edges', which is 20"
    ):
        fitted(events, max_edges=20)(events)
    large = ak.with_field(events, events.hit_layer + 2**25, "hit_layer")
    with pytest.raises(DataError, match="whole and below"):
        made(large)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modules": [[0, 1]]}, "there are 1 'modules' and 0 'ranges'"),
        ({"modules": [[0]], "ranges": [[0.0] * 8]}, "modules.0"),
        ({"modules": [[0, 1]], "ranges": [[0.0] * 3]}, "ranges.0"),
        ({"coordinates": ["x"]}, "coordinates"),
        ({"tail": 0.5}, "tail"),
        ({"edge_features": ["inside_track"]}, "'inside_track' is no value of an edge"),
    ],
)
def test_what_does_not_fit_ends_in_a_sentence(options, message):
    fields = made_events(1, 1).fields
    with pytest.raises((StudyError, DataError), match=message):
        parts.build("representation", "module_map", {**OPTIONS, **options}).columns(fields)


def test_particles_without_a_neighbour_and_hits_without_a_module_are_left_out():
    events = made_events(10)
    made = fitted(events)
    missing = ak.where(events.hit_layer == 3, np.nan, events.hit_layer)
    tensors = made(ak.with_field(events, missing, "hit_layer"))
    layer = ak.to_numpy(ak.flatten(events.hit_layer))
    assert tensors["edges"].shape[1] > 0
    assert not (layer[tensors["edges"]] == 3).any()


def test_a_particle_that_turns_back_gives_pairs_from_inside_to_outside():
    """A loop from layer 0 to 2 and back again; its hits further in are the first of each pair."""
    layer = np.array([0, 1, 2, 2, 1, 0])
    turn = np.linspace(0, 0.5, 6)
    places = np.stack([LAYERS[layer] * np.cos(turn), LAYERS[layer] * np.sin(turn), 5 * turn], 1)
    hits, pairs = Hits(places, layer), TruePairs(0.0)
    pairs.add(hits, np.zeros(6, np.int64), np.arange(6.0))
    modules, ranges = fit_ranges(pairs, 3, tail=0.0, margin=1.0, least=1)
    assert modules.tolist() == [[0, 1], [1, 2], [2, 2]]
    assert (ranges[:, 0] >= 0.1).all()  # |Δφ| of neighbours is 0.1
    known = ModuleRanges(modules[:, 0], modules[:, 1], ranges, 3)
    edges, _ = find_edges(hits, known, 0.0, 100)
    assert (hits.distance[edges[0]] < hits.distance[edges[1]]).all()
    assert {(0, 1), (1, 2)} <= set(map(tuple, edges.T.tolist()))


def test_hits_without_a_particle_are_in_no_pair():
    events = made_events(11, 3)
    none = ak.with_field(events, ak.full_like(events.hit_particle, -1), "hit_particle")
    with pytest.raises(DataError, match="no particle of the training events has two hits"):
        fitted(none)


def test_hits_without_a_place_or_a_number_of_a_particle_change_no_range():
    events = made_events(12)
    columns = {name: ak.values_astype(events[name], float) for name in events.fields}
    other = {name: ak.Array([[float("nan")]] * len(events)) for name in events.fields}
    other["hit_layer"], other["hit_r"] = (ak.Array([[1.0]] * len(events)),) * 2
    for name in ("hit_x", "hit_particle"):
        more = dict(other, hit_y=other["hit_layer"], hit_z=other["hit_layer"])
        more |= dict.fromkeys({"hit_x", "hit_particle"} - {name}, other["hit_layer"])
        joined = {n: ak.concatenate([columns[n], more[n]], axis=1) for n in columns}
        found = fitted(ak.zip(joined, depth_limit=1))
        np.testing.assert_array_equal(found.map.ranges, fitted(events).map.ranges)


def test_large_numbers_of_particles_and_too_few_pairs_are_named():
    events = made_events(13)
    large = ak.where(events.hit_particle >= 0, events.hit_particle + 2**40, -1)
    with pytest.raises(DataError, match=r"'particle' of a hit is .* must be below"):
        fitted(ak.with_field(events, large, "hit_particle"))
    with pytest.raises(DataError, match="no pair of modules has 100,000 pairs of hits"):
        fitted(events, least=100_000)


def test_an_event_of_one_hit_in_a_module_without_a_pair_has_no_edges():
    made, events = fitted(made_events(14)), made_events(15, 1)
    one = ak.zip({name: events[name][:, :1] for name in events.fields}, depth_limit=1)
    tensors = made(ak.with_field(one, one.hit_layer + 50, "hit_layer"))
    assert tensors["edges"].shape == (2, 0)
