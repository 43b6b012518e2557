"""Parametrised showers: equations by value, profiles against their densities, hits that balance."""

import awkward as ak
import numpy as np
import pytest
from scipy.stats import kstest

from bunchtrain.errors import StudyError
from bunchtrain.simulation.detectors import electromagnetic
from bunchtrain.simulation.detectors.electromagnetic import Medium
from bunchtrain.simulation.detectors.layers import Layer, Section, Stack
from bunchtrain.simulation.detectors.materials import find_material
from samples import sample  # type: ignore[import-not-found]

CRYSTALS = [{"of": [{"material": "PbWO4", "thickness": 8.9245, "cell": 20}], "repeat": 30}]


def read(**options):
    source = sample("grindhammer_peters", processes=1, **options)
    source.prepare()
    return source, ak.concatenate(list(source.blocks(list(source.fields()), 100_000)))


def test_critical_energies_are_those_of_the_formula():
    lead = find_material("Pb", "")
    expected = 2.66 * (0.56125 * 11.35 * 82 / 207.217) ** 1.1
    assert electromagnetic.critical_energy(lead) == pytest.approx(expected, rel=1e-3)


def test_the_mean_medium_of_plates():
    """By hand for 2 mm of lead and 4 mm of scintillator, ten times."""
    layers = (Layer("G4_Pb", 2.0), Layer("G4_PLASTIC_SC_VINYLTOLUENE", 4.0, cell=10.0))
    found = electromagnetic.mean_medium(Stack([Section(layers, 10)], 100.0, 0.0))
    lead, plastic = find_material("Pb", ""), find_material("G4_PLASTIC_SC_VINYLTOLUENE", "")
    depth = 2 / lead.radiation_length + 4 / plastic.radiation_length
    assert found.radiation_length == pytest.approx(6 / depth)
    assert found.frequency == pytest.approx(found.radiation_length / 6)
    loss = [electromagnetic.critical_energy(m) * w / m.radiation_length
            for m, w in ((lead, 2), (plastic, 4))]  # fmt: skip
    assert found.critical == pytest.approx(sum(loss) / depth)
    assert found.moliere == pytest.approx(21.2 * 6 / sum(loss))
    assert found.ratio == pytest.approx(1 / (1 + 0.007 * (82 - plastic.atomic_number)))
    assert found.visible == pytest.approx(found.ratio * loss[1] / sum(loss))


def test_a_detector_without_absorbers_is_homogeneous():
    found = electromagnetic.mean_medium(
        Stack([Section((Layer("PbWO4", 10.0, cell=9.0),), 5)], 90.0, 0.0)
    )
    assert (found.frequency, found.ratio, found.visible) == (0.0, 1.0, 1.0)
    assert found.moliere == pytest.approx(20, rel=0.1)  # 19.6 mm by the Particle Data Group
    alpha, beta = electromagnetic.mean_profile(found, 10.0)
    assert alpha / beta == pytest.approx(8.3, rel=0.01)


def test_fluctuations_have_the_published_widths_and_correlation():
    medium = Medium(8.9, 20.0, 9.0, 68.0, 0.0, 1.0, 1.0)
    energy = np.full(100_000, 20.0)
    alpha, beta = electromagnetic.draw_profiles(medium, energy, np.random.default_rng(1))
    log = np.log(20_000 / 9.0)
    depth, shape = np.log((alpha - 1) / beta), np.log(alpha)
    assert depth.mean() == pytest.approx(np.log(log - 0.812), abs=0.003)
    assert shape.mean() == pytest.approx(np.log(0.81 + (0.458 + 2.26 / 68) * log), abs=0.003)
    assert depth.std() == pytest.approx(1 / (-1.4 + 1.26 * log), rel=0.01)
    assert shape.std() == pytest.approx(1 / (-0.58 + 0.86 * log), rel=0.01)
    rho = np.corrcoef(depth, shape)[0, 1]
    assert rho == pytest.approx(0.705 - 0.023 * log, abs=0.01)


def test_radii_follow_the_core_and_the_tail():
    ones = np.ones(20_000)
    found = electromagnetic.draw_radii(0.1 * ones, 0.8 * ones, 0.7 * ones, np.random.default_rng(3))

    def fraction(r):
        return 0.7 * r**2 / (r**2 + 0.01) + 0.3 * r**2 / (r**2 + 0.64)

    assert kstest(found, fraction).pvalue > 0.001


def test_tungsten_and_silicon(tmp_path):
    """Mean layer 9.53 and resolution 7.1 %, as measured with another program of these formulas."""
    source, events = read(events=1000, x=1.5, y=1.0, folder=str(tmp_path), part=500)
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    energy = ak.values_astype(events.hit_energy, float)
    total = ak.to_numpy(events.deposited)
    np.testing.assert_allclose(ak.sum(energy, axis=1), total, rtol=1e-6)
    assert total.std() / total.mean() == pytest.approx(0.071, rel=4 / 2000**0.5)
    layer = ak.to_numpy(ak.sum(energy * (events.hit_layer + 0.5), axis=1) / ak.sum(energy, axis=1))
    assert layer.mean() == pytest.approx(9.53, abs=4 * layer.std() / 1000**0.5)
    assert source.conditions["geometry"].entries == 28


def test_crystals_contain_the_shower_and_half_is_within_a_cone(tmp_path):
    options = {"layers": CRYSTALS, "sampling": 0, "folder": str(tmp_path), "part": 100}
    _, events = read(events=100, energy=20, theta=0.4, phi=0, **options)
    assert ak.mean(events.deposited) == pytest.approx(20, rel=0.03)
    x = ak.sum(events.hit_x * events.hit_energy) / ak.sum(events.hit_energy)
    z = ak.sum(events.hit_z * events.hit_energy) / ak.sum(events.hit_energy)
    assert x / (z + 50) == pytest.approx(np.tan(0.4), rel=0.03)
    _, half = read(events=100, energy=20, visible=0.5, **options)
    assert ak.mean(half.deposited) == pytest.approx(10, rel=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"particles": "pi-"}, "no particle 'pi-'; there are e"),
        ({"z": 5}, "z: showers begin at the front, 0 mm, or before"),
        ({"theta": 1.5}, r"theta: must be at most 1\.3 rad, got 1\.5"),
        ({"sampling": 3}, "sampling: must be at most 2, got 3"),
        ({"layers": [{"of": [{"material": "AIR", "thickness": 1, "cell": 1}]}]}, "must be solid"),
    ],
)
def test_errors(options, message):
    with pytest.raises(StudyError, match=message):
        sample("grindhammer_peters", **options)
