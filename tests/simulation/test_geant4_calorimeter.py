"""Geant4: tables, workers and messages without it; 200 showers where the extra is installed."""

import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

import awkward as ak
import numpy as np
import pytest

from bunchtrain.errors import MachineError, MissingDependency
from bunchtrain.simulation import _sample
from bunchtrain.simulation._children import Program, make_parts
from bunchtrain.simulation.geant4 import low_energy_tables
from samples import sample  # type: ignore[import-not-found]

needs_geant4 = pytest.mark.skipif(
    find_spec("geant4_pybind") is None or find_spec("xraydb") is None,
    reason="needs pip install 'bunchtrain[geant4]'",
)


def test_the_loss_by_bremsstrahlung_is_that_of_the_radiation_length():
    """At high energy ∫ k dσ/dk dκ · N_A/A tends to 1/X₀, in Tsai's formula: lead 6.37 g/cm²."""
    fraction = np.linspace(0, 1, 2001)
    energy = np.array([1e4])
    chi = low_energy_tables.bremsstrahlung(82, energy, fraction)[0]
    loss = np.trapezoid(chi, fraction) * 82**2 * 1e-27 * 6.02214e23 / 207.2
    assert 1 / loss == pytest.approx(6.37, rel=0.03)
    assert chi[:-20].min() > 0


def test_sauter_s_shape_falls_as_1_over_energy_at_high_energy():
    assert low_energy_tables.sauter(np.array([1e4]))[0] / low_energy_tables.sauter(np.array([2e4]))[
        0
    ] == pytest.approx(2, rel=0.01)


def test_neutrons_see_a_disc_above_the_threshold_and_are_captured_as_1_over_v():
    energy = np.array([1e-9, 4e-9, 20.0])
    inelastic, capture, elastic = low_energy_tables.neutron(55.845, False, energy)
    assert inelastic[2] == pytest.approx(np.pi * 1.3**2 * 55.845 ** (2 / 3) / 100)
    assert inelastic[0] == pytest.approx(0, abs=0.02)
    assert (capture[0] - 1e-4) / (capture[1] - 1e-4) == pytest.approx(2)
    assert elastic[0] > inelastic[2]
    assert not low_energy_tables.neutron(1.008, True, energy)[0].any()


def test_importing_geant4_finds_all_its_data_sets_and_downloads_nothing(tmp_path):
    found = low_energy_tables.data_environment(tmp_path)
    assert len(found) == 13
    assert set(found.values()) == {str(tmp_path)}


def make(tmp_path, dies, always=False):
    program = Program("tests.simulation.part_child", "Geant4", {"G4LEDATA": "here"})
    paths = {index: tmp_path / f"part-{index}" for index in range(3)}
    recipe = {"part": 5, "seed": 7, "dies": dies, "always": always, "mark": str(tmp_path / "mark")}
    make_parts(program, recipe, paths, 2)
    return [path.read_text() for path in paths.values()]


def test_a_part_whose_child_dies_is_run_again_and_reported(tmp_path, capsys):
    assert make(tmp_path, 1) == [f"part {k} here" for k in range(3)]
    said = capsys.readouterr().err
    assert "a process of Geant4 ended with code -9 at event 3 of part 1, seed 7; its last " in said
    assert "last lines: out of luck; the part is run again" in said


def test_a_part_that_fails_twice_ends_the_run(tmp_path):
    with pytest.raises(MachineError, match=r"of part 2, seed 7; .*out of luck \(2 times\)"):
        make(tmp_path, 2, always=True)


def test_without_the_extra_one_sentence_has_the_command(monkeypatch):
    source = sample("geant4_calorimeter", events=10)
    assert "geant4_pybind" not in sys.modules

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_sample, "version", absent)
    with pytest.raises(MissingDependency) as raised:
        source.fingerprint()
    assert str(raised.value) == (
        "source 'geant4_calorimeter' needs geant4-pybind, which is not installed: "
        "pip install 'bunchtrain[geant4]'"
    )


def read(source):
    source.prepare()
    return ak.concatenate(list(source.blocks(list(source.fields()), 1000)))


@needs_geant4
def test_200_showers_in_tungsten_and_silicon(tmp_path):
    """Of 1,000 showers: 99.60 ± 0.25 MeV, resolution 7.96 %, mean layer 9.36 ± 0.04."""
    source = sample("geant4_calorimeter", events=200, cut=1.0, processes=2, folder=str(tmp_path))
    events = read(source)
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    total = 1000 * ak.to_numpy(events.deposited)
    assert total.mean() == pytest.approx(99.6, abs=4 * 7.9 / 200**0.5)
    assert total.std() / total.mean() == pytest.approx(0.0796, rel=4 / 400**0.5)
    energy = ak.values_astype(events.hit_energy, float)
    np.testing.assert_allclose(1000 * ak.sum(energy, axis=1), total, rtol=1e-6)
    layer = ak.to_numpy(ak.sum(energy * (events.hit_layer + 0.5), axis=1) / ak.sum(energy, axis=1))
    assert layer.mean() == pytest.approx(9.36, abs=4 * layer.std() / 200**0.5)
    assert ak.all(abs(events.hit_time - (events.hit_z + 50) / 299.8) < 10)
    assert "geant4_pybind" not in sys.modules


@needs_geant4
def test_the_same_seed_makes_the_same_showers_with_any_number_of_processes(tmp_path):
    options = {"particles": ["e-", "pi-"], "energy": [1, 3], "showers": [1, 2], "part": 2}
    options |= {"events": 8, "x": [-20, 20], "field": [0, 1, 0]}
    made = [
        sample("geant4_calorimeter", **options, processes=n, folder=str(tmp_path / str(n)))
        for n in (1, 2)
    ]
    first, second = map(read, made)
    assert ak.array_equal(first, second)
    assert not ak.array_equal(
        read(sample("geant4_calorimeter", **options | {"seed": 2, "events": 2},
                    folder=str(tmp_path))).deposited, first.deposited[:2]
    )  # fmt: skip
    energy = ak.values_astype(first.hit_energy, float)
    np.testing.assert_allclose(ak.sum(energy, axis=1), first.deposited, rtol=1e-6)
