"""Energy balance: hits in the cells of other geometries and in representations."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bunchtrain
from bunchtrain import parts
from bunchtrain.errors import DataError
from bunchtrain.simulation.detectors.beam import BeamOptions, draw_primaries
from bunchtrain.simulation.detectors.cells import Cells
from bunchtrain.simulation.detectors.hits import LAYOUT, as_table, hit_columns, sum_steps
from bunchtrain.simulation.detectors.layers import Layer, Section, Stack
from bunchtrain.study import validate
from bunchtrain.tables.arrays import Arrays

WIDTH = 100.0


def showers(seed, size, events=5):
    """Hits of random steps in 6 layers, in square cells, of up to three particles an event."""
    stack = Stack([Section((Layer("W", 3.0), Layer("Si", 0.5, cell=5.0)), 6)], WIDTH, -200.0)
    random = np.random.default_rng(seed)
    primaries = draw_primaries(BeamOptions(showers=(1, 3)), events, random)
    particle = random.integers(0, len(primaries.event), size)
    layer, energy = random.integers(0, 6, size), random.exponential(0.01, size)
    x, y = random.uniform(-WIDTH / 2, WIDTH / 2, (2, size))
    cells = Cells(stack)
    number = cells.index(layer, x, y, stack.middles[layer])
    made = sum_steps(particle, number, energy, random.uniform(0, 9, size))
    columns = hit_columns(primaries, made, cells, events, 0)
    deposited = np.bincount(primaries.event[particle], energy, events)
    return Arrays(as_table(columns | {"deposited": deposited}, LAYOUT)), deposited


def table(source):
    return ak.concatenate(list(source.blocks(list(source.fields()), 3)))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(0, 300),
    shape=st.sampled_from(["square", "hexagon", "projective"]),
    cell=st.floats(2, 60),
    repeat=st.integers(1, 9),
    points=st.integers(1, 4),
)
def test_the_energy_of_an_event_stays_the_same(seed, size, shape, cell, repeat, points):
    source, deposited = showers(seed, size)
    cell = cell / 200 if shape == "projective" else cell
    layers = [{"of": [{"material": "W", "thickness": 2, "cell": cell, "shape": shape}],
               "repeat": repeat}]  # fmt: skip
    options = {"layers": layers, "width": WIDTH, "apex": -200, "spread": 5, "points": points}
    made = parts.build("transform", "regrid", options, source)
    found, before = table(made), table(source)
    total = ak.sum(ak.values_astype(found.hit_energy, float), axis=1)
    np.testing.assert_allclose(total, deposited, rtol=1e-6)
    for hits in (before, found):  # of each particle as well
        own = [ak.sum(hits.hit_deposit_energy[hits.hit_deposit_particle == k]) for k in range(3)]
        hits["own"] = ak.Array([own] * len(hits))
    np.testing.assert_allclose(found.own[0], before.own[0], rtol=1e-5)
    assert ak.all(found.hit_layer < repeat)
    cells = ak.num(found.hit_cell)
    assert cells.to_list() == [len(set(one)) for one in found.hit_cell.to_list()]
    assert ak.array_equal(found.particle_energy, before.particle_energy)
    np.testing.assert_allclose(grid_sums(found), deposited, rtol=1e-6)


def grid_sums(events):
    """Sums over the cells of a volume, of an image (one layer) and over the points of a cloud."""
    options = {"group": "hit", "coordinates": ["z", "y", "x"], "values": ["energy"]}
    options |= {"ranges": [[0, 10], [-30, 30], [-50, 20]], "outside": "edge"}
    sums = []
    for shape in ([4, 7, 5], [1, 9, 9]):
        volume = parts.build("representation", "volume", options | {"shape": shape})
        found = volume(events[volume.columns(events.fields)])["volume"]
        sums.append(found.astype(float).sum((1, 2, 3, 4)))
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-6)
    return sums[0]


def test_a_hit_goes_to_the_nearest_layer_and_is_spread_over_its_cell():
    source, _ = showers(1, 1, events=1)
    before = table(source)[0]
    layers = [{"of": [{"material": "W", "thickness": 21, "cell": 2.5}]}]
    options = {"layers": layers, "width": WIDTH, "spread": 5, "points": 2}
    made = parts.build("transform", "regrid", options, source)
    found = table(made)[0]
    energy = before.hit_energy[0]
    assert found.hit_energy.to_list() == pytest.approx([energy / 4] * 4)
    assert sorted(set(found.hit_x.to_list())) == pytest.approx(
        [before.hit_x[0] - 1.25, before.hit_x[0] + 1.25]
    )
    assert made.conditions["geometry"].entries == 1


def test_hits_outside_the_new_layers_are_an_error():
    layers = [{"of": [{"material": "W", "thickness": 21, "cell": 2.5}]}]
    made = parts.build("transform", "regrid", {"layers": layers, "width": 10}, showers(1, 50)[0])
    with pytest.raises(DataError, match="a hit lies outside the detector"):
        table(made)
    without = Arrays({"hit_x": ak.Array([[1.0]])})
    with pytest.raises(DataError, match="transform 'regrid': there is no column 'hit_y'"):
        parts.build("transform", "regrid", {"layers": layers}, without)


def test_points_and_pixels_hold_the_energy_of_an_event():
    source, deposited = showers(4, 200)
    events = table(source)
    given = {"group": "hit", "features": ["energy"], "coordinates": ["x", "y"]}
    cloud = parts.build("representation", "point_cloud", given | {"normalise": "none"})
    points = cloud(events[cloud.columns(events.fields)])
    sums = cloud.decode(points)["hit_energy"]
    total = ak.sum(ak.values_astype(sums, float), axis=1)
    np.testing.assert_allclose(total, deposited, rtol=1e-6)
    polar = {"hit_pt": events.hit_energy, "hit_phi": np.arctan2(events.hit_y, events.hit_x)}
    polar["hit_eta"] = np.arcsinh(events.hit_z / np.hypot(events.hit_x, events.hit_y)) / 2
    seen = ak.zip(polar | {"hit_energy": events.hit_energy}, depth_limit=1)
    channel = {"all": {"group": "hit", "value": "energy"}}
    image = parts.build("representation", "event_image", {"channels": channel, "pixels": 16})
    pixels = image(seen[image.columns(seen.fields)])["image"].astype(float)
    np.testing.assert_allclose(pixels.sum((1, 2, 3)), deposited, rtol=1e-6)


def test_the_new_layers_travel_with_the_table_of_a_stage(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    layers = [{"of": [{"material": "W", "thickness": 86.8, "cell": 20.0}]}]
    showers = {"name": "grindhammer_peters", "events": 60, "part": 30, "processes": 1}
    given = {
        "name": "towers",
        "stages": {
            "showers": {"source": showers},
            "towers": {"transform": {"name": "regrid", "of": "showers", "layers": layers}},
        },
        "source": "towers",
        "define": {"hit_depth": "geometry.radiation_lengths[hit_layer]"},
        "targets": {"e": {"values": {"energy": "max(particle_energy)"}}},
        "representation": {"name": "table", "features": ["mean(hit_depth)"]},
        "model": {"name": "dense_network", "widths": [2]},
        "training": {"epochs": 1},
    }
    found = bunchtrain.run(validate(given), runs=tmp_path / "runs")
    place = found.files.path / "stages" / "towers"
    modules = pq.read_table(place / "table.geometry.parquet")
    assert modules["radiation_lengths"].to_pylist() == pytest.approx([86.8 / 2 / 3.504], rel=1e-3)
    assert not [n for n in pq.read_schema(place / "table.parquet").names if "geometry" in n]
