"""Detectors without Geant4: layers, materials, cells, incident particles, hits, tables."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.simulation.detectors.beam import BeamOptions, draw_primaries, read_beam
from bunchtrain.simulation.detectors.cells import Cells
from bunchtrain.simulation.detectors.hits import LAYOUT, as_table, hit_columns, sum_steps
from bunchtrain.simulation.detectors.layers import Layer, Section, Stack
from bunchtrain.simulation.detectors.materials import find_material, materials

W, SI = {"material": "G4_W", "thickness": 2.8}, {"material": "G4_Si", "thickness": 0.3, "cell": 5}


def stack(**cell):
    layers = (Layer("G4_W", 2.0), Layer("G4_Si", 0.5, **cell))
    return Stack([Section(layers, 3)], 100.0, -500.0)


def calorimeter(**options):
    return parts.build("source", "geant4_calorimeter", options)


@pytest.mark.parametrize(
    ("name", "length", "density"),  # radiation lengths in mm of the Particle Data Group
    [("W", 3.504, 19.3), ("g4_pbwo4", 8.90, 8.30), ("Fe", 17.57, 7.874), ("lAr", 140.0, 1.396)],
)
def test_materials_have_the_published_lengths(name, length, density):
    found = find_material(name, "m")
    assert found.radiation_length == pytest.approx(length, rel=0.005)
    assert found.density == pytest.approx(density, rel=0.005)
    assert sum(found.fractions.values()) == pytest.approx(1, abs=1e-4)
    assert max(max(one.fractions) for one in materials().values()) == 92


def test_layers_are_placed_and_their_matter_is_summed():
    found = stack(cell=5.0)
    assert (found.front, found.back) == (0.0, 7.5)
    assert found.middles.tolist() == [2.25, 4.75, 7.25]
    tungsten, silicon = find_material("W", ""), find_material("Si", "")
    depth = [2 * (k + 1) / tungsten.radiation_length + (k + 0.5) * 0.5 / silicon.radiation_length
             for k in range(3)]  # fmt: skip
    np.testing.assert_allclose(found.depths()[0], depth)
    table = found.table()
    assert (table.key_columns, table.units()["z"]) == (("layer",), "mm")
    assert table.fingerprint() == stack(cell=5.0).table().fingerprint()
    assert table.fingerprint() != stack(cell=6.0).table().fingerprint()


@pytest.mark.parametrize("shape", ["square", "hexagon", "projective"])
def test_each_position_is_in_the_cell_whose_middle_is_nearest(shape):
    size = 0.02 if shape == "projective" else 7.3
    cells = Cells(stack(cell=size, shape=shape))
    random = np.random.default_rng(1)
    layer = random.integers(0, 3, 500)
    x, y = random.uniform(-50, 50, (2, 500))
    z = cells.stack.middles[layer]
    number = cells.index(layer, x, y, z)
    every = np.arange(cells.first[-1])
    of_layer, u, v, w = cells.place(every)
    for k in range(3):
        own, near = layer == k, of_layer == k
        apart = np.hypot(x[own, None] - u[near], y[own, None] - v[near])
        assert (every[near][apart.argmin(1)] == number[own]).all()
        assert (w[near] == cells.stack.middles[k]).all()
    inside = number[np.maximum(abs(x), abs(y)) < 40]
    assert (cells.index(*cells.place(inside)) == inside).all()


def test_projective_cells_have_the_same_tower_in_all_layers():
    cells = Cells(stack(cell=0.01, shape="projective"))
    z = cells.stack.middles
    number = cells.index(np.arange(3), 0.033 * (z + 500), -0.058 * (z + 500), z)
    assert len(set(number - cells.first[:-1])) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [{"of": [W | {"material": "G4_Tungsten"}, SI]}]}, "no material 'G4_Tungsten'"),
        ({"layers": [{"of": [W | {"material": "PbWO"}, SI]}]}, "did you mean 'G4_PbWO4'"),
        ({"layers": [{"of": [W, SI | {"z": 1.0}]}]}, r"layers\.0\.of\.1\.z: .* overlaps that of"),
        (
            {"layers": [{"of": [W | {"thickness": 0}, SI]}]},
            "thickness: must be at least 1e-06, got 0",
        ),
        (
            {"layers": [{"of": [W, SI | {"thickness": -1}]}]},
            "of.1.thickness: must be at least 1e-06",
        ),
        ({"layers": [{"of": [W]}]}, "no layer has cells; give one a 'cell'"),
        ({"layers": [{"of": [W, SI], "repeat": 501}]}, "there are 1,002 layers, the most is 1000"),
        ({"layers": [{"of": [W, SI], "repeats": 2}]}, "layers.0.repeats: is not a known key"),
        ({"layers": [{"of": [W, SI | {"cell": 1e-4}]}]}, "cells; make them larger"),
        ({"layers": [{"of": [SI | {"shape": "round"}]}]}, "must be 'square', 'hexagon' or"),
        ({"layers": [{"of": [SI | {"shape": "projective"}]}], "apex": 1}, "apex: must lie before"),
        ({"particles": "electron"}, "did you mean 'e-'"),
        ({"particles": "pi"}, "no particle 'pi'; did you mean 'pi0'"),
        ({"energy": 1e5}, "energy: must be at most 1,000 or a list"),
        ({"energy": [1, 1e-9]}, "energy.1: must be at least 0.0001, got 1e-09"),
        ({"energy": [10, 5]}, "5 follows 10; give the smaller one first"),
        ({"field": [0, 0, 50]}, "field.2: must be at most 20, got 50"),
    ],
)
def test_errors_of_a_declaration(options, message):
    with pytest.raises(StudyError, match=message) as raised:
        calorimeter(**options)
    assert len(str(raised.value)) <= 400


def test_incident_particles_are_in_their_ranges():
    beam = BeamOptions(("e-", "pi+"), (1.0, 100.0), "logarithmic", (1, 3), (-5.0, 5.0),
                       theta=(0.1, 0.3), phi=(0.0, 1.0))  # fmt: skip
    made = draw_primaries(beam, 2000, np.random.default_rng(1))
    counts = np.bincount(made.event)
    assert set(counts) == {1, 2, 3}
    assert set(made.pdg) == {11, 211}
    assert abs(np.log(made.energy).mean() - np.log(10)) < 0.1
    theta, phi = made.angles
    assert 0.1 < theta.min() < theta.max() < 0.3
    assert 0 < phi.min() < phi.max() < 1
    assert abs(np.cos(theta).mean() - np.cos([0.1, 0.3]).mean()) < 0.001
    np.testing.assert_allclose(np.linalg.norm(made.direction, axis=1), 1)
    assert np.abs(made.vertex[:, 0]).max() <= 5


def test_steps_become_deposits_with_the_time_of_half_of_their_energy():
    made = sum_steps(
        np.array([0, 0, 0, 1, 0]),
        np.array([7, 7, 7, 7, 3]),
        np.array([1.0, 3.0, 1.0, 2.0, 4.0]),
        np.array([1.0, 2.0, 9.0, 5.0, 0.5]),
    )
    assert made.particle.tolist() == [0, 0, 1]
    assert made.cell.tolist() == [3, 7, 7]
    assert made.energy.tolist() == [4.0, 5.0, 2.0]
    assert made.time.tolist() == [0.5, 2.0, 5.0]
    assert len(sum_steps(*np.zeros((4, 0))).energy) == 0


def test_one_of_each_particle_in_their_order():
    beam = BeamOptions(particles=("pi+", "pi0"), one_of_each=True, energy=(2.0, 20.0))
    made = draw_primaries(read_beam({"beam": beam.recipe()}), 3, np.random.default_rng(1))
    assert made.name == ["pi+", "pi0"] * 3
    assert made.event.tolist() == [0, 0, 1, 1, 2, 2]
    assert len(set(made.energy)) == 6
    assert "one_of_each" not in BeamOptions().recipe()  # samples of before keep their key


def test_hits_balance_and_name_the_particle_of_each_deposit():
    """Random deposits of two particles an event, against sums by hand; events without hits, too."""
    cells, random = Cells(stack(cell=25.0)), np.random.default_rng(2)
    made = draw_primaries(BeamOptions(showers=(2,)), 5, random)
    particle = random.integers(0, 8, 300)  # none of the last event
    steps = sum_steps(particle, random.integers(0, 48, 300), random.exponential(1, 300),
                      random.uniform(0, 10, 300))  # fmt: skip
    table = as_table(hit_columns(made, steps, cells, 5, 100) | {"deposited": ak.zeros_like(
        ak.Array([0.0] * 5))}, LAYOUT)  # fmt: skip
    events = ak.from_arrow(table)
    assert {name: str(events[name].type.content) for name in events.fields} == LAYOUT
    assert events.event_id.tolist() == [100, 101, 102, 103, 104]
    assert ak.num(events.hit_energy)[4] == 0
    np.testing.assert_allclose(ak.sum(events.hit_energy), steps.energy.sum(), rtol=1e-6)
    np.testing.assert_allclose(
        ak.flatten(ak.sum(events.hit_deposit_energy, axis=2)), ak.flatten(events.hit_energy),
        rtol=1e-6,
    )  # fmt: skip
    visible = ak.flatten(events.particle_visible)
    np.testing.assert_allclose(visible, np.bincount(steps.particle, steps.energy, 10), rtol=1e-6)
    largest = ak.argmax(events.hit_deposit_energy, axis=2, keepdims=True)
    assert ak.all(ak.firsts(events.hit_deposit_particle[largest], axis=2) == events.hit_particle)
    assert ak.all(events.hit_cell[:, 1:] > events.hit_cell[:, :-1])  # none twice


def test_hits_outside_the_detector_are_errors():
    cells = Cells(stack(cell=5.0))
    with pytest.raises(DataError, match="layer 3 does not exist; there are 3"):
        cells.index(np.array([3]), np.zeros(1), np.zeros(1), np.zeros(1))
    with pytest.raises(DataError, match=r"a hit lies outside the detector, \|x\| or \|y\| > 50"):
        cells.index(np.array([0]), np.array([51.0]), np.zeros(1), np.zeros(1))
