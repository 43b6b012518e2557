"""Voxels: numbers, columns and errors without Geant4; ranges in argon where it is installed."""

import awkward as ak
import numpy as np
import pytest
from test_geant4_calorimeter import needs_geant4, read  # type: ignore[import-not-found]

from bunchtrain.errors import StudyError
from bunchtrain.simulation.detectors.beam import BeamOptions, draw_primaries
from bunchtrain.simulation.detectors.hits import as_table, sum_steps
from bunchtrain.simulation.detectors.layers import Layer, Section, Stack
from bunchtrain.simulation.detectors.voxels import LAYOUT, Voxels, voxel_columns
from samples import sample  # type: ignore[import-not-found]

STACK = Stack([Section((Layer("G4_lAr", 50.0, cell=3.0),))], 40.0, 0.0)


def test_each_position_is_in_its_cube():
    voxels, random = Voxels(STACK, 3.0), np.random.default_rng(1)
    assert voxels.counts.tolist() == [14, 14, 17]
    place = random.uniform([-20, -20, 0], [20, 20, 50], (1000, 3))
    number = voxels.index(*place.T)
    assert np.abs(voxels.place(number) - place).max() <= 1.5 + 1e-9
    assert (voxels.index(*voxels.place(number).T) == number).all()


def test_voxels_balance_and_name_the_particle_of_the_largest_deposit():
    made = draw_primaries(BeamOptions(showers=(2,)), 3, np.random.default_rng(1))
    steps = sum_steps(
        np.array([0, 0, 1, 0, 4]),
        np.array([7, 7, 7, 9, 7]),
        np.array([1.0, 2.0, 5.0, 1.0, 3.0]),
        np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
        np.array([13, 11, 2212, 13, 22]),
    )
    columns = voxel_columns(made, steps, Voxels(STACK, 3.0), 3, 10)
    events = ak.from_arrow(as_table(columns | {"deposited": ak.Array([9.0, 0.0, 3.0])}, LAYOUT))
    assert {name: str(events[name].type.content) for name in events.fields} == LAYOUT
    assert events.event_id.tolist() == [10, 11, 12]
    assert events.voxel_energy.tolist() == [[8.0, 1.0], [], [3.0]]
    assert events.voxel_pdg.tolist() == [[2212, 13], [], [22]]
    assert events.voxel_particle.tolist() == [[1, 0], [], [0]]
    assert events.voxel_time.tolist() == [[3.0, 4.0], [], [5.0]]
    assert events.particle_visible.tolist() == [[4.0, 5.0], [0.0, 0.0], [3.0, 0.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": 1500}, r"vertices must lie in the volume, \|x\| and \|y\| up to 1000 mm"),
        ({"z": 5000}, "and z from 0 to 4000 mm"),
        ({"particles": "muon"}, "no particle 'muon'"),
        ({"voxel": 0}, "voxel: must be at least 0.1, got 0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(StudyError, match=message):
        sample("geant4_liquid_argon", **options)


@needs_geant4
def test_protons_stop_at_their_range(tmp_path):
    """The integral of Bethe's formula with I = 188 eV."""
    kinetic = np.linspace(0.5, 200, 20_001)
    gamma = 1 + kinetic / 938.272
    square = 1 - gamma**-2
    log = np.log(2 * 0.511 * square * gamma**2 / 188e-6)
    loss = 0.307075 * 18 / 39.948 / square * (log - square)  # MeV cm²/g
    expected = 10 * np.trapezoid(1 / loss, kinetic) / 1.396
    options = {"particles": "proton", "energy": 0.2, "theta": 0, "events": 8, "part": 8}
    events = read(sample("geant4_liquid_argon", **options, processes=1, folder=str(tmp_path)))
    energy = ak.values_astype(events.voxel_energy, float)
    np.testing.assert_allclose(ak.sum(energy, axis=1), events.deposited, rtol=1e-6)
    proton = events.voxel_z[(events.voxel_pdg == 2212) & (abs(events.voxel_x) < 30)]
    assert np.median(ak.max(proton, axis=1).tolist()) - 1000 == pytest.approx(expected, rel=0.02)
