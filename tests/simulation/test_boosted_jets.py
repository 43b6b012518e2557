"""Boosted top and QCD jets: physics of the shipped sample; what all samples promise."""

import os
import signal
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, MachineError, MissingDependency, StudyError
from bunchtrain.simulation import _sample
from bunchtrain.simulation.pythia import production
from bunchtrain.simulation.pythia.layout import BOOSTED_JETS as FIELDS
from bunchtrain.simulation.pythia.production import produce_parts
from samples import sample  # type: ignore[import-not-found]

SHIPPED = Path(__file__).parents[2] / "samples" / "boosted_jets.parquet"


@pytest.fixture(scope="module")
def shipped():
    return ak.from_arrow(pq.read_table(SHIPPED))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("cache"))
    source = sample("boosted_jets", jets=10, part=6, processes=1, folder=folder)
    source.prepare()
    return source


def read(source, columns=tuple(FIELDS), rows=1000):
    return ak.concatenate(list(source.blocks(columns, rows)))


def peak(values, low, high, width):
    heights, edges = np.histogram(ak.to_numpy(values), np.arange(low, high, width))
    return edges[heights.argmax()] + width / 2


class TestPhysics:
    def test_selection(self, shipped):
        assert ak.all((shipped.jet_pt > 550) & (shipped.jet_pt < 650))
        assert ak.all(np.abs(shipped.jet_eta) < 2)
        assert ak.mean(shipped.is_top) == 0.5
        assert ak.max(ak.num(shipped.constituent_px)) <= 200

    def test_tops_have_the_mass_of_the_top_and_qcd_jets_are_light(self, shipped):
        tops, qcd = shipped[shipped.is_top], shipped[~shipped.is_top]
        assert peak(tops.jet_mass, 0, 300, 6) == pytest.approx(173, abs=6)
        assert ak.mean((tops.jet_mass > 145) & (tops.jet_mass < 205)) > 0.75
        assert np.median(ak.to_numpy(qcd.jet_mass)) == pytest.approx(72, abs=8)
        assert peak(qcd.jet_mass, 0, 300, 20) < 80

    def test_pt_falls(self, shipped):
        heights, _ = np.histogram(ak.to_numpy(shipped.jet_pt), [550, 583, 617, 650])
        assert heights[0] > heights[1] > heights[2] > 0.3 * heights[0]

    def test_tops_hold_more_constituents(self, shipped):
        number = ak.num(shipped.constituent_px)
        assert ak.mean(number[shipped.is_top]) == pytest.approx(62, abs=3)
        assert ak.mean(number[~shipped.is_top]) == pytest.approx(48, abs=3)

    def test_constituents_are_ordered_and_add_up_to_the_jet(self, shipped):
        pt = np.hypot(shipped.constituent_px, shipped.constituent_py)
        assert ak.all(pt[:, 1:] <= pt[:, :-1] * (1 + 1e-5))
        total = np.hypot(ak.sum(shipped.constituent_px, 1), ak.sum(shipped.constituent_py, 1))
        assert np.allclose(total, shipped.jet_pt, rtol=1e-4)

    def test_momenta_are_physical(self, shipped):
        squared = shipped.constituent_px**2 + shipped.constituent_py**2 + shipped.constituent_pz**2
        assert ak.all(shipped.constituent_energy >= np.sqrt(squared) * (1 - 1e-5))

    def test_the_top_and_its_quarks_are_in_the_jet(self, shipped):
        tops, qcd = shipped[shipped.is_top], shipped[~shipped.is_top]
        assert ak.all(qcd.truth_pt == 0)
        ratio = ak.to_numpy(tops.jet_pt / tops.truth_pt)
        assert np.median(ratio) == pytest.approx(1, abs=0.03)

    def test_events_have_numbers_of_their_own(self, shipped):
        assert len(np.unique(ak.to_numpy(shipped.event_id))) == len(shipped)


class TestMaking:
    def test_columns_are_those_that_are_promised(self, made):
        jets = read(made)
        assert len(jets) == 10
        assert {name: str(jets[name].type.content) for name in FIELDS} == made.fields()
        assert ak.to_list(jets.is_top) == [True, False] * 5
        assert ak.to_list(jets.event_id) == list(range(10))

    def test_two_processes_make_the_same_jets(self, made, tmp_path):
        other = sample("boosted_jets", jets=12, part=6, processes=2, folder=str(tmp_path))
        other.prepare()
        assert [p.read_bytes() for p in other.parts()] == [p.read_bytes() for p in made.parts()]

    def test_another_seed_makes_other_jets(self, made, tmp_path):
        other = sample("boosted_jets", jets=2, part=2, seed=2, processes=1, folder=str(tmp_path))
        other.prepare()
        assert not set(ak.to_list(read(other).jet_pt)) & set(ak.to_list(read(made).jet_pt))

    def test_only_what_is_missing_is_made_and_a_larger_sample_goes_on(self, made):
        first, second = made.parts()
        before = first.stat().st_mtime_ns, second.read_bytes()
        second.unlink()
        sample("boosted_jets", jets=12, part=6, processes=1, folder=str(made.base.parent)).prepare()
        assert (first.stat().st_mtime_ns, second.read_bytes()) == before
        assert not list(first.parent.glob("*.aside"))

    def test_particles_without_detector_hold_the_long_lived_species(self, tmp_path):
        bare = sample(
            "boosted_jets", jets=2, part=2, detector=False, processes=1, folder=str(tmp_path)
        )
        bare.prepare()
        assert ak.min(ak.num(read(bare).constituent_px)) > 10

    def test_chunks_are_bounded_and_hold_what_is_asked(self, made):
        chunks = list(made.blocks(["jet_pt"], 4))
        assert [len(chunk) for chunk in chunks] == [4, 2, 4]
        assert all(chunk.fields == ["jet_pt"] for chunk in chunks)

    def test_the_fingerprint_depends_on_the_jets_alone(self):
        same = sample("boosted_jets", folder="/a", processes=3).fingerprint()
        assert sample("boosted_jets", folder="/b").fingerprint() == same
        for other in ({"jets": 5}, {"seed": 2}, {"detector": False}, {"pt_max": 651.0}):
            assert sample("boosted_jets", **other).fingerprint() != same


def killed(number: int) -> pa.Table:
    os.kill(os.getpid(), signal.SIGKILL)
    return pa.table({"number": [number]})


def numbered(number: int) -> pa.Table:
    return pa.table({"number": [number]})


class TestErrors:
    def test_a_killed_worker_is_told_and_the_sample_goes_on(self, tmp_path):
        paths = [tmp_path / f"part-{index}.parquet" for index in range(2)]
        production.write_part(numbered, 0, paths[0])
        with pytest.raises(MachineError, match=r"a worker was killed .*; run again"):
            produce_parts(killed, paths, 1, processes=2)
        produce_parts(numbered, paths, 1, processes=1)
        assert [pq.read_table(path)["number"].to_pylist() for path in paths] == [[0], [1]]

    def test_a_full_disk_is_told(self, tmp_path, monkeypatch):
        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(production.pq, "write_table", full)
        with pytest.raises(MachineError, match=r"cannot be written: No space left on device"):
            production.write_part(numbered, 0, tmp_path / "part.parquet")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"jets": 0}, "jets: must be at least 1"),
            ({"part": 5}, "part must be even"),
            ({"pt_min": 700.0}, "must rise from 50 GeV"),
            ({"radius": 3.0}, "radius must lie between"),
            ({"seed": -1}, "seed: must be at least 0"),
        ],
    )
    def test_options_out_of_range_are_refused(self, options, message):
        with pytest.raises(StudyError, match=message):
            sample("boosted_jets", **options)

    def test_the_nearest_column_is_named(self, made):
        with pytest.raises(
            DataError, match=r"no column 'constituent_e'; did you mean 'constituent"
        ):
            list(made.blocks(["constituent_e"], 10))

    def test_a_part_that_is_not_made_is_told(self, tmp_path):
        with pytest.raises(DataError, match="does not exist yet"):
            list(sample("boosted_jets", folder=str(tmp_path)).blocks(["jet_pt"], 10))

    def test_a_missing_library_is_named_with_its_extra(self, monkeypatch):
        def absent(name):
            raise PackageNotFoundError(name)

        monkeypatch.setattr(_sample, "version", absent)
        with pytest.raises(MissingDependency, match=r"pip install 'bunchtrain\[generators\]'"):
            sample("boosted_jets").fingerprint()

    def test_the_study_finds_the_source(self):
        built = parts.build("source", "boosted_jets", {"jets": 50})
        assert built.count == 50
        assert parts.describe("source", "boosted_jets").paper == "1902.09914"
