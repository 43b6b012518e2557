"""Simulated straight tracks: the columns, the hits of a track, and any size of blocks."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError
from bunchtrain.tables.geometry import extents


def read(rows=1000, **options):
    source = parts.build("source", "straight_tracks", {"events": 130, "particles": 20} | options)
    blocks = list(source.blocks(list(source.fields()), rows))
    return source, ak.concatenate(blocks)


def test_columns_and_blocks():
    source, events = read()
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    assert len(events) == 130
    assert ak.array_equal(read(7)[1], events)
    assert not ak.array_equal(read(seed=2)[1].hit_x, events.hit_x)
    with pytest.raises(DataError, match="no column 'hit_q'"):
        next(source.blocks(["hit_q"], 5))


def test_hits_of_a_fast_particle_are_on_a_line_that_points_to_the_beam():
    events = read(noise=10)[1]
    particle = events.hit_particle
    assert ak.all(particle >= -1)
    counts = ak.Array([np.bincount(p[p >= 0], minlength=n).tolist()
                       for p, n in zip(map(ak.to_numpy, particle), ak.num(events.particle_pt),
                                       strict=True)])  # fmt: skip
    assert counts.to_list() == events.particle_hits.to_list()
    x, y, z = (ak.to_numpy(events[f"hit_{axis}"][0]) for axis in "xyz")
    fast = np.argmax(ak.to_numpy(events.particle_p[0] * (events.particle_hits[0] > 4)))
    own = ak.to_numpy(particle[0]) == fast
    for value in (x[own], y[own]):
        line = np.polyfit(z[own], value, 1)
        assert np.abs(value - np.polyval(line, z[own])).max() < 0.1
    assert np.hypot(x, y).min() > 5
    assert np.hypot(x, y).max() < 50.2


def test_hits_lie_on_the_modules_of_the_geometry_and_measured_modules_within_them():
    source, events = read()
    modules = next(source.conditions["geometry"].blocks(["module", *"xyz", "width", "height"], 99))
    assert modules.module.to_list() == list(range(52))
    own = modules[ak.flatten(events.hit_module)]
    hits = np.stack([ak.to_numpy(ak.flatten(events[f"hit_{axis}"])) for axis in "xyz"], 1)
    assert np.all(np.abs(hits[:, 0] - own.x) <= own.width / 2 + 0.1)  # the resolution is 0.012
    assert np.all(np.abs(hits[:, 1] - own.y) <= own.height / 2 + 0.1)
    np.testing.assert_allclose(hits[:, 2], own.z, atol=1e-3)
    measured = extents(ak.to_numpy(ak.flatten(events.hit_module)), hits)
    found = next(measured.blocks(list(measured.fields()), 99))
    assert found.module.to_list() == list(range(52))
    np.testing.assert_allclose(found.z, modules.z, atol=1e-3)
    assert np.all(found.width <= modules.width + 0.2)
    assert np.mean(found.height / modules.height) > 0.8
    assert measured.units() == dict.fromkeys([*"xyz", "width", "height", "thickness"], "mm")
