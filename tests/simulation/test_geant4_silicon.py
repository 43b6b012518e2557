"""Pixels: diffusion and threshold without Geant4; charge and curvature where it is installed."""

import awkward as ak
import numpy as np
import pytest
from test_geant4_calorimeter import needs_geant4, read  # type: ignore[import-not-found]

from bunchtrain.errors import StudyError
from bunchtrain.simulation.detectors.beam import BeamOptions, draw_primaries
from bunchtrain.simulation.detectors.layers import Layer, Section, Stack
from bunchtrain.simulation.geant4.readouts import PAIR, PixelReadout
from samples import sample  # type: ignore[import-not-found]

STACK = Stack([Section((Layer("G4_Si", 0.1, cell=0.1),))], 10.0, -1000.0)


def hits(threshold, diffusion, x, energy):
    """Columns of one event with steps at these x in mm and with these energies in MeV."""
    made = draw_primaries(BeamOptions(), 1, np.random.default_rng(1))
    recipe = {"threshold": threshold, "diffusion": diffusion}
    readout = PixelReadout(STACK, recipe, [1, 2])
    zero = np.zeros(len(x))
    readout.add(0, np.stack([x, zero + 0.05, zero + 0.05, zero, energy, zero, zero], 1))
    return readout.columns(made, 1, 0)


def test_pixels_below_the_threshold_are_left_out():
    x = np.array([0.05, 0.05, 0.35])
    found = hits(1000, 0.0, x, 1000 * PAIR * np.array([600.0, 600.0, 900.0]))
    assert found["hit_x"].tolist() == [pytest.approx([0.05])]
    assert found["hit_energy"].tolist() == [pytest.approx([1200 * PAIR])]
    assert hits(1e6, 0.0, x, np.ones(3) * 1e-3)["hit_x"].tolist() == [[]]


def test_charge_diffuses_and_its_sum_is_kept():
    found = hits(0, 0.2, np.full(1000, 0.05), np.full(1000, 1e-3))
    energy, x = found["hit_energy"][0], found["hit_x"][0]
    assert ak.sum(energy) == pytest.approx(1e-3)
    spread = np.sqrt(ak.sum(energy * (x - 0.05) ** 2) / ak.sum(energy))
    assert spread == pytest.approx(np.hypot(0.2, 0.1 / 12**0.5), rel=0.03)
    again = hits(0, 0.2, np.full(1000, 0.05), np.full(1000, 1e-3))
    assert again["hit_energy"].tolist() == found["hit_energy"].tolist()


def test_errors():
    with pytest.raises(StudyError, match="threshold: must be at least 0, got -1"):
        sample("geant4_silicon", threshold=-1)


@needs_geant4
def test_muons_leave_their_charge_and_bend(tmp_path):
    """x = R − √(R² − L²), R = p/(0.2998 B), at three planes behind a vertex 50 mm before."""
    planes = [{"of": [{"material": "Si", "thickness": 0.075, "cell": 0.05, "z": z}]}
              for z in (0, 100, 200)]  # fmt: skip
    options = {"layers": planes, "width": 60, "z": -50, "field": [0, 2, 0], "events": 100}
    events = read(sample("geant4_silicon", **options, processes=1, folder=str(tmp_path)))
    radius = 1000 * np.sqrt(1 + 2 * 0.1056584) / (0.299792 * 2)
    for layer, length in enumerate((50, 150, 250)):
        x = ak.flatten(events.hit_x[events.hit_layer == layer]).tolist()
        assert np.median(x) == pytest.approx(radius - np.sqrt(radius**2 - length**2), abs=0.06)
    charge = np.median(events.deposited) / 3 / PAIR
    assert 4000 < charge < 8000  # about 80 pairs in 1 µm
