"""Bock's parametrisation: equations by value, the mean profile, hits that balance."""

import awkward as ak
import numpy as np
import pytest
from scipy.integrate import quad

from bunchtrain.errors import StudyError
from bunchtrain.simulation.detectors import hadronic
from samples import sample  # type: ignore[import-not-found]


def test_parameters_are_those_of_the_formula():
    a, w = hadronic.bock_parameters(np.array([0.1, 20.0, 1000.0]))
    np.testing.assert_allclose(a, 0.786 + 0.427 * np.log([1, 20, 1000]))
    np.testing.assert_allclose(w, [1, 1.032 - 0.159 * np.log(20), 0])


def test_the_share_of_the_first_part_is_its_integral():
    energy, radiation, nuclear = 20.0, 22.0, 210.0
    a, w = 0.786 + 0.427 * np.log(energy), 1.032 - 0.159 * np.log(energy)

    def part(weight, length, rate):
        return quad(lambda x: weight * (x / length) ** (a - 1) * np.exp(-rate * x / length), 0,
                    200 * length)[0]  # fmt: skip

    first, second = part(w, radiation, 0.29), part(1 - w, nuclear, 0.978)
    found = hadronic.electromagnetic_share(np.array([energy]), radiation, nuclear)
    assert found[0] == pytest.approx(first / (first + second), rel=1e-5)


def test_a_deep_detector_contains_the_shower_whose_mean_depth_is_that_of_the_formula(tmp_path):
    layers = [{"of": [{"material": "G4_Fe", "thickness": 10, "cell": 50}], "repeat": 400}]
    source = sample("bock", events=300, layers=layers, width=4000, energy=50, sampling=0,
                    visible=1, folder=str(tmp_path), processes=1, part=300)  # fmt: skip
    source.prepare()
    events = next(source.blocks(list(source.fields()), 300))
    energy = ak.values_astype(events.hit_energy, float)
    np.testing.assert_allclose(ak.sum(energy, axis=1), events.deposited, rtol=1e-6)
    assert ak.mean(events.deposited) == pytest.approx(50, rel=0.01)
    radiation, nuclear = hadronic.mean_lengths(source.stack)
    a = hadronic.bock_parameters(np.array([50.0]))[0][0]
    share = hadronic.electromagnetic_share(np.array([50.0]), radiation, nuclear)[0]
    expected = nuclear + share * a / 0.29 * radiation + (1 - share) * a / 0.978 * nuclear
    depth = ak.to_numpy(ak.sum(energy * events.hit_z, axis=1) / events.deposited)
    assert depth.mean() == pytest.approx(expected, abs=4 * depth.std() / 300**0.5)


def test_electrons_are_refused():
    with pytest.raises(StudyError, match="particles: there is no particle 'e-'"):
        sample("bock", particles=["e-"])
