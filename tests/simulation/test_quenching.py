"""Birks' law: its limits, messages, and protons in scintillator beside an integral of Bethe's."""

import awkward as ak
import numpy as np
import pytest
from test_geant4_calorimeter import needs_geant4, read  # type: ignore[import-not-found]

from bunchtrain.errors import StudyError
from bunchtrain.simulation.detectors.layers import Layer, Section, Stack
from bunchtrain.simulation.detectors.quenching import of_layers, read_constants, visible_energy
from bunchtrain.simulation.geant4.readouts import CellReadout
from samples import sample  # type: ignore[import-not-found]

MIXED = (
    Section((Layer("G4_W", 3), Layer("G4_Si", 0.3, cell=5))),
    Section((Layer("G4_Fe", 20), Layer("G4_POLYSTYRENE", 5, cell=30)), repeat=2),
)
BLOCK = [{"of": [{"material": "G4_POLYSTYRENE", "thickness": 100, "cell": 400}]}]


def test_more_quenching_and_denser_ionisation_make_less_light():
    random = np.random.default_rng(3)
    energy, loss = random.exponential(1, 1000), random.exponential(2, 1000)
    assert (visible_energy(energy, loss, np.zeros(1000)) == energy).all()
    light = [visible_energy(energy, loss, np.full(1000, k)) for k in (0.05, 0.126, 1)]
    assert (light[0] > light[1]).all()
    assert (light[1] > light[2]).all()
    order = np.argsort(loss)
    assert (np.diff((light[1] / energy)[order]) <= 0).all()
    # A minimum ionising particle in polystyrene, 0.2 MeV/mm.
    assert visible_energy(1.0, 0.2, 0.126) == pytest.approx(0.9754, abs=1e-4)


def test_a_constant_belongs_to_the_layers_of_its_material():
    stack = Stack(MIXED, 400, -1000)
    constants = read_constants({"polystyrene": 0.126, "G4_Si": 0.0}, stack)
    assert constants == {"G4_POLYSTYRENE": 0.126}
    assert of_layers(constants, stack).tolist() == [0, 0.126, 0.126]


def test_hits_have_the_light_of_their_steps():
    stack = Stack(MIXED, 400, -1000)
    x, z = np.zeros(4), stack.middles[[0, 1, 1, 2]]
    energy, loss = np.array([1, 2, 3, 4.0]), np.array([1, 10, 0.1, 5])
    steps = np.stack([x, x, z, x, energy, np.array([0, 1, 1, 2.0]), loss], axis=1)
    for birks, wanted in (
        ({}, [1, 5, 4]),
        ({"G4_POLYSTYRENE": 0.1}, [1, 2 / 2 + 3 / 1.01, 4 / 1.5]),
    ):
        readout = CellReadout(stack, {"birks": birks}, [1])
        readout.add(0, steps)
        np.testing.assert_allclose(1000 * readout.found[0].energy, wanted)


@pytest.mark.parametrize(
    ("birks", "message"),
    [
        ({"G4_POLYSTYREN": 0.1}, "no material 'G4_POLYSTYREN'; did you mean 'G4_POLYSTYRENE'"),
        ({"G4_Fe": 0.1}, "no layer with cells is of G4_Fe; there are layers with cells of"),
        ({"G4_Si": 0.1, "Si": 0.2}, "G4_Si is listed twice"),
        ({"G4_Si": -0.1}, "must be at least 0, got -0.1"),
        ({"G4_Si": 11}, "must be at most 10, got 11"),
        ({"G4_Si": float("nan")}, "finite number"),
    ],
)
def test_errors(birks, message):
    layers = [{"of": [{"material": "G4_Fe", "thickness": 1},
                      {"material": "G4_Si", "thickness": 1, "cell": 5}]}]  # fmt: skip
    with pytest.raises(StudyError, match=message):
        sample("geant4_calorimeter", layers=layers, birks=birks)


def bethe(energy, mass):
    """Return dE/dx in MeV/mm in polystyrene: 1.06 g/cm³, Z/A 0.53768, I 68.7 eV."""
    gamma = 1 + energy / mass
    beta2 = 1 - gamma**-2
    largest = 2 * 0.510999 * beta2 * gamma**2
    stopping = 0.307075 * 0.53768 / beta2 * (np.log(largest / 68.7e-6) - beta2)
    return stopping * 1.06 / 10


@needs_geant4
def test_stopping_protons_are_quenched_as_by_an_integral_and_electrons_less(tmp_path):
    options = {"layers": BLOCK, "energy": [0.05], "events": 40, "cut": 0.7, "processes": 1}
    options |= {"z": [0.0], "folder": str(tmp_path), "part": 20}
    light = {}
    for particle in ("proton", "e-"):
        none, zero, some = (
            sample("geant4_calorimeter", particles=[particle], birks=birks, **options)
            for birks in (None, {"G4_POLYSTYRENE": 0}, {"G4_POLYSTYRENE": 0.126})
        )
        assert none.fingerprint() == zero.fingerprint() != some.fingerprint()
        plain, quenched = read(none), read(some)
        assert ak.array_equal(plain.deposited, quenched.deposited)
        np.testing.assert_allclose(ak.sum(plain.hit_energy, axis=1), plain.deposited, rtol=1e-6)
        visible = ak.sum(quenched.particle_visible, axis=1)
        np.testing.assert_allclose(ak.sum(quenched.hit_energy, axis=1), visible, rtol=1e-6)
        light[particle] = np.median(ak.to_numpy(visible / quenched.deposited))
    energy = np.linspace(0.5, 50, 5001)
    wanted = np.mean(1 / (1 + 0.126 * bethe(energy, 938.272)))
    assert light["proton"] == pytest.approx(wanted, abs=0.01)
    assert light["e-"] == pytest.approx(1 / (1 + 0.126 * 0.2), abs=0.01)  # 0.2 MeV/mm
