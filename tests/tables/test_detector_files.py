"""Published layouts of detector events: columns, units, links, and damaged files."""

import gzip
import json
import os
import re
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from bunchtrain.errors import DataError
from bunchtrain.tables.sources import hgcal_hits
from bunchtrain.tables.sources.calo_challenge import CaloChallenge, _voxels
from bunchtrain.tables.sources.collider_ml import ColliderMl
from bunchtrain.tables.sources.hgcal_hits import HgcalHits
from bunchtrain.tables.sources.jet_net import JetNet
from bunchtrain.tables.sources.particle_records import ParticleRecords
from bunchtrain.tables.sources.prometheus_events import PrometheusEvents
from bunchtrain.tables.sources.trackml_events import TrackmlEvents

DATA = Path(os.environ.get("BUNCHTRAIN_DATA", "/nowhere"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="$BUNCHTRAIN_DATA is not set")


def read(table, rows=7):
    """Return all events in blocks of `rows`, and check the declared columns and types."""
    blocks = list(table.blocks(list(table.fields()), rows))
    assert all(len(one) <= rows for one in blocks)
    whole = ak.concatenate(blocks)
    kinds = {name: str(whole[name].type.content) for name in whole.fields}
    assert kinds == table.fields()
    assert set(table.units()) <= set(kinds)
    if table.entries is not None:
        assert table.entries == len(whole)
    return whole


HEPMC = """HepMC::Version 3.02.06
HepMC::Asciiv3-START_EVENT_LISTING
E 4 1 3
U MEV CM
W 0.5 1.0
P 1 0 521 0 0 3000 6000 5279 2
V -1 0 [1] @ 0.1 0.2 0.3 4
P 2 -1 -421 1000 0 0 2000 1865 1
P 3 -1 211 -1000 0 0 1000 139 1
E 5 0 0
U MEV CM
W 2
HepMC::Asciiv3-END_EVENT_LISTING
"""
LAST = "P 3 -1 211 -1000 0 0 1000 139 1\n"
LHE = """<LesHouchesEvents version="3.0">
<init>
</init>
<event>
 3 1 0.25 91.2 0.007 0.12
 11 -1 0 0 0 0 0 0 45.6 45.6 0 0 1
 -11 -1 0 0 0 0 0 0 -45.6 45.6 0 0 1
 23 1 1 2 0 0 0 0 0 91.2 91.2 0 0
</event>
</LesHouchesEvents>
"""


def test_hepmc_particles_have_mothers_vertices_and_units(tmp_path):
    with gzip.open(tmp_path / "a.hepmc3.gz", "wt") as file:
        file.write(HEPMC)
    found = read(ParticleRecords(files=str(tmp_path / "a.hepmc3.gz")))
    assert found["event_number"].tolist() == [4, 5]
    assert found["event_weight"].tolist() == [0.5, 2]
    assert found["particle_mother"].tolist() == [[-1, 0, 0], []]
    assert found["particle_pdg"].tolist() == [[521, -421, 211], []]
    assert found["particle_px"][0].tolist() == [0, 1, -1]
    assert found["particle_z"][0].tolist() == [0, 3, 3]


def test_les_houches_events(tmp_path):
    (tmp_path / "a.lhe").write_text(LHE)
    found = read(ParticleRecords(files=str(tmp_path / "a.lhe")))
    assert found["particle_mother"].tolist() == [[-1, -1, 0]]
    assert found["particle_energy"].tolist() == [[45.6, 45.6, 91.2]]
    assert found["event_weight"].tolist() == [0.25]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("energy,pt\n1,2\n", "is neither HepMC3 text"),
        (
            HEPMC.replace(LAST, ""),
            "event 4 states 3 particles and has 2",
        ),
        (HEPMC.replace("1000 0 0 1000 139 1", "1000 0 0 1000 139"), "is damaged"),
        (HEPMC.replace("P 3 ", "P 2 "), "are not numbered 1, 2, 3"),
        (LHE.replace(" 23 1 1 2 0 0 0 0 0 91.2 91.2 0 0\n", ""), "event 0 is cut"),
    ],
)
def test_damaged_records_end_in_a_sentence(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=re.escape(message)):
        read(ParticleRecords(files=str(tmp_path / "a.txt")))


@needs_data
def test_public_particle_records():
    table = ParticleRecords(files=str(DATA / "lhe" / "events.eeH.hepmc3.zst"))
    block = next(table.blocks(["particle_energy", "particle_status", "particle_mother"], 5))
    final = block["particle_energy"][block["particle_status"] == 1]
    assert ak.sum(final, axis=1).tolist() == pytest.approx([250] * 5, rel=1e-3)
    assert ak.all(block["particle_mother"] < ak.num(block["particle_mother"]))
    name = "pylhe-testfile-madgraph5-3.5.8-pp_to_jj.lhe.gz"
    block = next(ParticleRecords(files=str(DATA / "lhe" / name)).blocks(["particle_px"], 50))
    assert ak.num(block["particle_px"]).tolist() == [4] * 50
    assert ak.max(np.abs(ak.sum(block["particle_px"], axis=1))) < 1e-6


def trackml(folder, hits=None, truth=None, particles=None):
    """Write an event of TrackML; the arguments replace lines."""
    stem = folder / "event000001000"
    hits = hits or ["1,-64.4,-7.1,-1502.5,7,2,1", "2,10,20,30,8,2,5", "3,1,1,1,8,4,6"]
    long = "4503668346847232,0,0"
    truth = truth or [f"1,{long},0,0,0,0,0.5", "2,0,0,0,0,0,0,0,0", "3,22,0,0,0,0,0,0,1"]
    light, last = "22,0,0,1,3,4,0.5,-1,1", "99,0,0,0,1,1,1,1,0"
    particles = particles or [light, f"{long},1,0.1,0,2,1,1", last]
    files = {
        "hits": ("hit_id,x,y,z,volume_id,layer_id,module_id", hits),
        "truth": ("hit_id,particle_id,tx,ty,tz,tpx,tpy,tpz,weight", truth),
        "particles": ("particle_id,vx,vy,vz,px,py,pz,q,nhits", particles),
    }
    for kind, (head, lines) in files.items():
        Path(f"{stem}-{kind}.csv").write_text("\n".join([head, *lines]) + "\n")
    return str(folder / "*-hits.csv")


DETECTORS = """volume_id,layer_id,module_id,cx,cy,cz,module_t,module_minhu,module_maxhu,module_hv
7,2,1,0,0,-1500,0.15,8,8,36
8,2,5,1,2,3,0.15,8,8,36
8,4,6,1,2,3,0.15,8,8,36
"""


def test_trackml_hits_have_particles_by_index(tmp_path):
    files = trackml(tmp_path)
    (tmp_path / "detectors.csv").write_text(DETECTORS)
    table = TrackmlEvents(files=files, detectors=str(tmp_path / "detectors.csv"))
    found = read(table)
    assert found["event_number"].tolist() == [1000]
    assert found["hit_particle"].tolist() == [[1, -1, 0]]
    assert found["particle_pt"][0].tolist() == pytest.approx([5, 0.1, 2**0.5])
    assert found["particle_hits"].tolist() == [[1, 1, 0]]  # one without a hit
    geometry = table.conditions["geometry"]
    assert geometry.key_columns == ("surface",)
    assert next(geometry.blocks(["height"], 9))["height"].tolist() == [72, 72, 72]
    (tmp_path / "detectors.csv").write_text(DETECTORS.replace("8,2,5,", "8,2,7,"))
    other = TrackmlEvents(files=files, detectors=str(tmp_path / "detectors.csv"))
    with pytest.raises(DataError, match="hit 1 lies on volume 8, layer 2, module 5, which"):
        read(other)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"hits": ["1,0,0,0,7,2,1", "1,0,0,0,7,2,1"]}, "hit 1 is there twice"),
        ({"particles": ["22,0,0,0,1,1,1,1,1"]}, "names particle 4503668346847232, which its event"),
        ({"hits": ["9,0,0,0,7,2,1"]}, "there is no truth of hit 9"),
        ({"hits": ["1,0,nan,0,7,2,1", "2,0,1,0,7,2,1"]}, "y of hit 0 is nan, not a position"),
    ],
)
def test_wrong_links_of_trackml_end_in_a_sentence(tmp_path, lines, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read(TrackmlEvents(files=trackml(tmp_path, **lines)))


def test_a_file_that_is_not_of_trackml(tmp_path):
    (tmp_path / "a-hits.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has no column 'hit_id'; it is not a TrackML file"):
        next(TrackmlEvents(files=str(tmp_path / "a-hits.csv")).blocks(["hit_x"], 1))


def collider_ml(folder, **changes):
    """Write two events, the second without hits; `changes` replaces columns of a kind."""
    none = 2**64 - 1
    tables = {
        "particles": {
            "event_id": [3, 4], "particle_id": [[7, 5], [1]], "pdg_id": [[211, 22], [11]],
            "px": [[3.0, 0.0], [1.0]], "py": [[4.0, 2.0], [0.0]],
        },
        "tracker_hits": {
            "event_id": [3, 4], **{n: [[1.0, 2.0, 3.0], []] for n in "xyz"},
            "volume_id": [[16, 17, 17], []], "layer_id": [[2, 4, 6], []],
            "particle_id": pa.array([[7, 7, none], []], pa.list_(pa.uint64())),
        },
        "calo_hits": {
            "event_id": [3, 4], **{n: [[1.0], []] for n in "xyz"}, "total_energy": [[0.5], []],
            "contrib_particle_ids": pa.array([[[7, 5]], []], pa.list_(pa.list_(pa.uint64()))),
            "contrib_energies": pa.array([[[0.1, 0.4]], []], pa.list_(pa.list_(pa.float32()))),
        },
    }  # fmt: skip
    for kind, columns in tables.items():
        pq.write_table(pa.table(columns | changes.get(kind, {})), folder / f"{kind}.parquet")
    return str(folder / "particles.parquet")


def test_collider_ml_parquet(tmp_path):
    found = read(ColliderMl(files=collider_ml(tmp_path)), rows=1)
    assert found["hit_particle"].tolist() == [[0, 0, -1], []]
    assert found["cell_particle"].tolist() == [[1], []]
    assert found["particle_hits"].tolist() == [[2, 0], [0]]
    assert found["particle_pt"].tolist() == [[5, 2], [1]]
    bad = {"particle_id": pa.array([[8, 7, 7], []], pa.list_(pa.uint64()))}
    with pytest.raises(DataError, match="hit 0 of 3 names particle 8, which its event does not"):
        read(ColliderMl(files=collider_ml(tmp_path, tracker_hits=bad)))
    with pytest.raises(DataError, match="has other events than"):
        read(ColliderMl(files=collider_ml(tmp_path, calo_hits={"event_id": [3, 5]})))


@needs_data
def test_public_collider_ml_events():
    found = read(ColliderMl(files=str(DATA / "tracking" / "odd" / "*.json.gz")))
    assert len(found) == 5
    assert (len(found["hit_x"][0]), len(found["cell_x"][0])) == (465, 1127)
    assert ak.sum(found["particle_hits"]) == ak.sum(found["hit_particle"] >= 0)


def test_a_damaged_collider_ml_event(tmp_path):
    file = tmp_path / "event.json"
    file.write_text("{")
    with pytest.raises(DataError, match="is no readable JSON file"):
        read(ColliderMl(files=str(file)))
    hit = {"x": 1, "y": 1, "z": 1, "volume_id": 2, "HIT_ID": 0, "particle_id": 3, "pT": 1}
    event = {"metadata": {"event_id": 0}, "tracks": [], "calo_hits": []}
    file.write_text(json.dumps(event | {"all_tracker_hits": [hit, hit]}))
    with pytest.raises(DataError, match="hit 0 is there twice"):
        read(ColliderMl(files=str(file)))


@pytest.mark.parametrize(
    ("dataset", "voxels"),
    [("photons_1", 368), ("pions_1", 533), ("electrons_2", 6480), ("electrons_3", 40500)],
)
def test_showers_of_the_calorimeter_challenge(tmp_path, dataset, voxels):
    showers = np.zeros((3, voxels))
    showers[0, [0, voxels - 1]] = 1000, 500  # MeV
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["showers"], file["incident_energies"] = showers, np.full((3, 1), 2000.0)
    table = CaloChallenge(files=str(tmp_path / "a.hdf5"))
    found = read(table, rows=2)
    assert found["hit_energy"].tolist() == [[1, 0.5], [], []]
    assert found["deposited"].tolist() == [1.5, 0, 0]
    assert found["incident_energy"].tolist() == [2, 2, 2]
    last = _voxels(dataset)
    assert found["hit_layer"][0, 1] == last["layer"].max()
    assert np.hypot(found["hit_x"][0, 1], found["hit_y"][0, 1]) < last["edge"][-1]
    assert table.conditions["geometry"].entries == len(np.unique(last["layer"]))
    if dataset == "electrons_2":  # the angles begin at −π
        place = -2.325 * np.cos(np.pi / 16), -2.325 * np.sin(np.pi / 16)
        assert [found["hit_x"][0, 0], found["hit_y"][0, 0]] == pytest.approx(place)


def test_showers_with_other_voxels(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["showers"], file["incident_energies"] = np.zeros((1, 100)), np.ones((1, 1))
    with pytest.raises(DataError, match="its showers have 100 voxels"):
        read(CaloChallenge(files=str(tmp_path / "a.hdf5")))


def test_jets_of_jet_net(tmp_path):
    particles = np.zeros((2, 30, 4))
    particles[0, :2] = [[0.1, 0.2, 0.75, 1], [-0.1, 0, 0.25, 1]]
    with h5py.File(tmp_path / "t.hdf5", "w") as file:
        file["particle_features"] = particles
        file["jet_features"] = [[1000.0, 0.5, 170, 2], [900, 0, 10, 0]]
    found = read(JetNet(files=str(tmp_path / "t.hdf5")))
    assert found["constituent_pt"].tolist() == [[750, 250], []]
    assert found["constituent_eta"][0].tolist() == pytest.approx([0.6, 0.4])
    assert found["jet_type"].tolist() == [2, 2]
    (tmp_path / "t.hdf5").rename(tmp_path / "x.hdf5")
    with pytest.raises(DataError, match="begins with g, q, t, w or z"):
        read(JetNet(files=str(tmp_path / "x.hdf5")))


@needs_data
def test_public_prometheus_events():
    folder = DATA / "icecube"
    table = PrometheusEvents(
        files=str(folder / "prometheus_pulses.parquet"),
        truth=str(folder / "prometheus_truth.parquet"),
        geometry=str(folder / "orca_150.parquet"),
    )
    found = read(table)
    assert len(found) == 50
    assert ak.count(found["pulse_time"]) == 1872
    assert ak.all(found["pulse_time"][:, 1:] >= found["pulse_time"][:, :-1])
    assert table.conditions["geometry"].entries > 1000


def test_pulses_of_an_event_without_truth(tmp_path):
    names = ("sensor_id", "sensor_string_id", "sensor_pos_x", "sensor_pos_y", "sensor_pos_z", "t")
    pulses = {"event_no": [2, 1, 1]} | {name: [3.0, 2.0, 1.0] for name in names}
    pq.write_table(pa.table(pulses), tmp_path / "p.parquet")
    files = {"files": str(tmp_path / "p.parquet"), "truth": str(tmp_path / "t.parquet")}
    pq.write_table(pa.table({"event_no": [3, 2, 1], "total_energy": [5.0, 6, 7]}), files["truth"])
    found = read(PrometheusEvents(**files))
    assert found["pulse_time"].tolist() == [[1, 2], [3], []]
    assert found["pulse_x"].tolist() == [[1000, 2000], [3000], []]
    assert found["total_energy"].tolist() == [7, 6, 5]
    pq.write_table(pa.table({"event_no": [1]}), files["truth"])
    with pytest.raises(DataError, match="pulse 0 is of event 2, which"):
        read(PrometheusEvents(**files))


@needs_data
def test_public_hgcal_events():
    found = read(HgcalHits(files=str(DATA / "calo" / "*.root")), rows=2)
    assert ak.num(found.hit_x).tolist() == [39_704, 40_121, 39_856]
    assert ak.num(found.shower_energy).tolist() == [5, 4, 4]
    assert ak.sum(found.hit_shower >= 0, axis=1).tolist() == [1_079, 1_201, 769]
    z = np.abs(ak.to_numpy(ak.flatten(found.hit_z)))
    assert 3_210 < z.min() < z.max() < 5_140  # mm, the depth of the endcaps
    shared = ak.sum(found.hit_energy * ak.sum(found.hit_fractions, axis=2), axis=1)
    np.testing.assert_allclose(ak.sum(found.shower_energy, axis=1), shared, rtol=1e-5)


def test_hgcal_hits_of_events_with_and_without_showers():
    features = [
        [[2.0, 30.0, 40.0, -1e9, 0.9, 1.0, 0.7], [1.0, 30.0, 0.0, -1e9, 0.0, -1.0, 2.4]],
        [],
    ]
    shares = [[[0.25, 0.75, 0.0], [0.0, 0.0, 0.0]], []]
    made = _hgcal_block(features, shares)
    found = hgcal_hits._columns(made, 0, "x.root")
    assert found["hit_shower"].tolist() == [[1, -1], []]
    assert found["hit_fraction"].tolist() == [[0.75, 0.0], []]
    assert found["shower_energy"].tolist() == [[0.5, 1.5, 0.0], []]
    assert found["shower_hits"].tolist() == [[1, 1, 0], []]
    np.testing.assert_allclose(found["hit_z"][0], [500 * np.sinh(1), -300 * np.sinh(1)], rtol=1e-6)
    with pytest.raises(DataError, match=r"event 7 has 2 hits, and fractions of 1"):
        hgcal_hits._columns(_hgcal_block(features, [[[0.5, 0.5, 0.0]], []]), 7, "x.root")
    with pytest.raises(DataError, match=r"a hit of event 7 has 2 showers, not 3"):
        hgcal_hits._columns(
            _hgcal_block(features, [[[0.5, 0.5, 0.0], [0.1, 0.2]], []]), 7, "x.root"
        )
    with pytest.raises(DataError, match=r"a hit of event 7 has 6 features, not 7"):
        hgcal_hits._columns(_hgcal_block([[features[0][0], [0.0] * 6], []], shares), 7, "x.root")


def _hgcal_block(features, fractions):
    columns = {"rechit_features": features, "simcluster_fractions": fractions}
    made = {name: ak.from_iter(values) for name, values in columns.items()}
    return ak.zip({n: ak.values_astype(v, np.float32) for n, v in made.items()}, depth_limit=1)


def test_a_file_without_hgcal_hits(tmp_path):
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("events", {"pt": "f8"}).extend({"pt": np.ones(3)})
    with pytest.raises(DataError, match="has no tree with the branches rechit_features and"):
        read(HgcalHits(files=str(tmp_path / "other.root")))
