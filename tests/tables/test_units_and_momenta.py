"""Layouts of four-momenta and units of energy, as files of the field have them."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain.errors import DataError, StudyError
from bunchtrain.representations.preprocessing.points import DERIVED, Points
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.inspect.drafting import sketch
from bunchtrain.tables.momentum_names import find_momentum, is_momentum
from bunchtrain.tables.sources.files import Files

#: Layout → names of px, py, pz and energy.
CARTESIAN = {
    "NanoAOD": ("Jet_px", "Jet_py", "Jet_pz", "Jet_energy"),
    "TLorentzVector": ("Jet_fP_fX", "Jet_fP_fY", "Jet_fP_fZ", "Jet_fE"),
    "TLorentzVector, dots": ("Jet.fP.fX", "Jet.fP.fY", "Jet.fP.fZ", "Jet.fE"),
    "GenVector": tuple(f"Jet.fCoordinates.f{axis}" for axis in "XYZT"),
    "bare axes": ("Jet_x", "Jet_y", "Jet_z", "Jet_e"),
    "capitals": ("Jet_PX", "Jet_PY", "Jet_PZ", "Jet_E"),
    "camel case": ("JetPx", "JetPy", "JetPz", "JetE"),
    "quantity first": ("px_Jet", "py_Jet", "pz_Jet", "E_Jet"),
}
CYLINDRICAL = {
    "NanoAOD": ("Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass"),
    "capitals": ("Jet.PT", "Jet.Eta", "Jet.Phi", "Jet.M"),
    "camel case": ("JetPt", "JetEta", "JetPhi", "JetM"),
    "GenVector": tuple(f"Jet.fCoordinates.f{axis}" for axis in ("Pt", "Eta", "Phi", "M")),
}


def particles():
    random = np.random.default_rng(1)
    lengths = random.integers(0, 5, 20)
    pt, eta, phi, mass = random.uniform(1, 100, (4, lengths.sum())) / [[1], [30], [40], [20]]
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    return lengths, (pt, eta, phi, mass), (px, py, pz, energy)


def points(names, values, lengths, prefix="Jet"):
    lists = [ak.unflatten(one, lengths) for one in values]
    return Points(ak.zip(dict(zip(names, lists, strict=True)), depth_limit=1), prefix)


@pytest.mark.parametrize("layout", CARTESIAN)
def test_momenta_of_every_layout_are_the_same(layout):
    lengths, cylindrical, cartesian = particles()
    wanted = points(CYLINDRICAL["NanoAOD"], cylindrical, lengths)
    found = points(CARTESIAN[layout], cartesian, lengths)
    for name in set(DERIVED) - {"mass"}:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["mass"], cylindrical[3], rtol=0.1, atol=0.2)


@pytest.mark.parametrize("layout", CYLINDRICAL)
def test_angles_of_every_layout_are_the_same(layout):
    lengths, cylindrical, cartesian = particles()
    found = points(CYLINDRICAL[layout], cylindrical, lengths)
    for name, values in zip(("px", "py", "pz", "energy"), cartesian, strict=True):
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4)


def test_columns_without_prefix_are_the_group_of_no_name():
    lengths, _, cartesian = particles()
    found = points(("px", "py", "pz", "E"), cartesian, lengths, prefix="")
    np.testing.assert_allclose(found["energy"], cartesian[3], rtol=1e-6)


def test_a_position_is_no_momentum():
    lengths, _, cartesian = particles()
    with pytest.raises(DataError, match="'Vertex' has neither px, py, pz nor pt, eta, phi"):
        points(("Vertex_x", "Vertex_y", "Vertex_z"), cartesian[:3], lengths, "Vertex")
    assert find_momentum({"x": "v_x", "y": "v_y", "z": "v_z", "t": "v_t"}) == {}
    hits = {name: f"hit_{name}" for name in ("x", "y", "z", "energy")}
    assert find_momentum(hits) == {}


def write(path, scale=1.0):
    columns = {
        "jet_pt": np.float32([50.0, 80.0]) * np.float32(scale),
        "jetEta": np.float32([1.0, 2.0]),
        "n_jets": np.array([1, 2]),
        "E_miss": np.array([10, 20]) * int(scale),
        "label": np.array([0, 1]),
    }
    np.savez(path, **columns)
    return columns


def test_energies_are_converted_once_and_nothing_else(tmp_path):
    before = write(tmp_path / "a.npz", 1000.0)
    source = Files(files=str(tmp_path / "a.npz"), units="MeV")
    (events,) = source.blocks(list(before), 10)
    assert events.jet_pt.tolist() == [50.0, 80.0]
    assert events.E_miss.tolist() == [10.0, 20.0]
    for name in ("jetEta", "n_jets", "label"):
        assert events[name].tolist() == before[name].tolist()
    found = {name: str(events[name].type.content) for name in before}
    assert found == {name: text for name, text in source.fields().items() if name in before}
    named = Files(files=str(tmp_path / "a.npz"), units={"jet_pt": "MeV"})
    (events,) = named.blocks(["jet_pt", "E_miss"], 10)
    assert events.tolist() == [{"jet_pt": 50, "E_miss": 10_000}, {"jet_pt": 80, "E_miss": 20_000}]
    in_memory = next(Arrays(before, "MeV").blocks(["jet_pt", "n_jets"], 10))
    assert in_memory.tolist() == [{"jet_pt": 50, "n_jets": 1}, {"jet_pt": 80, "n_jets": 2}]


def test_units_change_the_fingerprint_only_where_they_are_given(tmp_path):
    write(tmp_path / "a.npz")
    path = str(tmp_path / "a.npz")
    plain, same, other = (
        Files(files=path),
        Files(files=path, units=None),
        Files(files=path, units="MeV"),
    )
    assert plain.fingerprint() == same.fingerprint() != other.fingerprint()
    with pytest.raises(StudyError, match="no column 'jet_p'; did you mean 'jet_pt'"):
        Files(files=path, units={"jet_p": "MeV"}).fields()


@pytest.mark.parametrize(
    "name",
    [
        "pt",
        "jet_pt",
        "jetPt",
        "MET",
        "met_sumet",
        "HT",
        "m_jj",
        "mjj",
        "E",
        "E_T",
        "truth_mass",
        "Jet.PT",
    ],
)
def test_names_of_momenta(name):
    assert is_momentum(name)


@pytest.mark.parametrize(
    "name",
    ["eta", "met_phi", "n_e", "nJet", "jet_ptD", "mass_ratio", "label", "weight", "isPrompt"],
)
def test_names_of_other_quantities(name):
    assert not is_momentum(name)


def test_init_proposes_only_groups_that_a_run_accepts(tmp_path):
    lengths, _, cartesian = particles()
    vertex = {f"aVertex_{axis}": values for axis, values in zip("xyz", cartesian, strict=False)}
    vertex |= {f"aVertex_{name}": cartesian[0] for name in ("chi2", "ndof", "score")}
    names = dict(zip(("JetPx", "JetPy", "JetPz", "JetE"), cartesian, strict=True))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flat = {"label": np.arange(20) % 2, "x": np.arange(20.0)}
    np.savez(tmp_path / "a.npz", offsets=offsets, **flat, **vertex, **names)
    text = sketch([str(tmp_path / "a.npz")]).text
    assert '# representation: {name: point_cloud, group: "Jet"}' in text
