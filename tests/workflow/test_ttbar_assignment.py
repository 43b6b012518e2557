"""The study of assignments from start to finish, on top pairs that decay in phase space."""

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

import bunchtrain
from bunchtrain.errors import DataError, ExportError, StudyError
from bunchtrain.study import load
from bunchtrain.study.loading import validate
from bunchtrain.workflow.preparation import check_models

TOP, W = 172.5, 80.4


def two_body(parents, mass, random):
    """Return the momenta (events, 4) of a massless product and one of this mass, in phase space."""
    m2 = parents[:, 0] ** 2 - (parents[:, 1:] ** 2).sum(1)
    m = np.sqrt(m2)
    size = (m2 - mass**2) / (2 * m)
    cosine, phi = random.uniform(-1, 1, len(m)), random.uniform(0, 2 * np.pi, len(m))
    sine = np.sqrt(1 - cosine**2)
    axis = np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], 1)
    first = np.concatenate([size[:, None], size[:, None] * axis], 1)
    beta, gamma = parents[:, 1:] / parents[:, :1], parents[:, 0] / m
    along = (beta * first[:, 1:]).sum(1)
    energy = gamma * (first[:, 0] + along)
    factor = gamma**2 / (gamma + 1) * along + gamma * first[:, 0]
    boosted = np.concatenate([energy[:, None], first[:, 1:] + factor[:, None] * beta], 1)
    return boosted, parents - boosted


def write_events(path, events=900, seed=1):
    """Write tt → bqq bqq and up to two other jets, with smeared energies, as a file of SPANet."""
    random = np.random.default_rng(seed)
    jets = []
    for sign in (1, -1):
        pt, phi = random.exponential(80, events), random.uniform(-np.pi, np.pi, events)
        pz = 100 * random.normal(size=events)
        three = np.stack([sign * pt * np.cos(phi), sign * pt * np.sin(phi), pz], 1)
        energy = np.sqrt((three**2).sum(1) + TOP**2)
        b, w = two_body(np.concatenate([energy[:, None], three], 1), W, random)
        jets += [b, *two_body(w, 0.0, random)]
    for _ in range(2):
        pt, phi = 25 + random.exponential(20, events), random.uniform(-np.pi, np.pi, events)
        eta = random.uniform(-2, 2, events)
        other = [pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)]
        jets.append(np.stack(other, 1))
    momenta = np.stack(jets, 1) * random.normal(1, 0.05, (events, 8, 1))
    pt = np.hypot(momenta[..., 1], momenta[..., 2])
    exists = np.ones((events, 8), bool)
    exists[:, 6:] = random.random((events, 2)) < 0.5
    exists &= pt > 5  # a quark of less is missing
    order = np.argsort(np.where(exists, -pt, np.inf), axis=1)
    rank = np.argsort(order, axis=1)
    tag = random.random((events, 8)) < np.where(np.isin(np.arange(8), [0, 3]), 0.7, 0.05)
    columns = {
        "pt": pt,
        "eta": np.arcsinh(momenta[..., 3] / np.maximum(pt, 1e-3)),
        "phi": np.arctan2(momenta[..., 2], momenta[..., 1]),
        "mass": np.zeros_like(pt),
        "btag": tag.astype(float),
    }
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            found = np.take_along_axis(np.where(exists, values, 0), order, 1)
            file[f"INPUTS/Source/{name}"] = found.astype(np.float32)
        file["INPUTS/Source/MASK"] = np.take_along_axis(exists, order, 1)
        for k, name in enumerate(["t1/b", "t1/q1", "t1/q2", "t2/b", "t2/q1", "t2/q2"]):
            file[f"TARGETS/{name}"] = np.where(exists[:, k], rank[:, k], -1)
    return path


ROLES = ["t1_b", "t1_q1", "t1_q2", "t2_b", "t2_q1", "t2_q2"]
SMALL = {
    "training.epochs": 4,
    "training.threads": 1,
    "models.particle_flow.training.epochs": 4,
    "models.particle_transformer.model.blocks": 1,
    "models.particle_transformer.model.embed": [16, 16],
    "models.particle_transformer.model.pair_embed": [8, 8],
}


@pytest.fixture(scope="module")
def tops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tops")
    file = write_events(folder / "tops.h5")
    study = load("ttbar_assignment", **SMALL, **{"source.files": str(file)})
    return folder, file, bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_every_model_beats_chance_and_the_table_has_all(tops):
    _, _, run = tops
    assert list(run.metrics) == ["chi_squared", "particle_flow", "particle_transformer"]
    for metrics in run.metrics.values():
        assert metrics["particle_efficiency"]["value"] > 0.1  # 1/30 by chance, of six jets
        assert {"event_efficiency_6", "event_efficiency_8+"} <= set(metrics)
    assert run.metrics["chi_squared"]["event_efficiency"]["value"] > 0.5
    page = run.files.report_file.read_text(encoding="utf-8")
    assert "Masses of the assigned t1, t2." in page
    assert "Efficiency of complete events by number of items." in page


def test_predicted_items_are_those_of_the_file(tops):
    _, file, run = tops
    table = run.predictions
    with h5py.File(file) as data:
        counts = data["INPUTS/Source/MASK"][:].sum(1)[table.columns["entry"]]
        truth = data["TARGETS/t1/b"][:][table.columns["entry"]]
    assert np.array_equal(table.truth("tops", "t1_b"), truth)
    for model in table.models:
        items = np.stack([table.columns[f"{model}_{role}"] for role in ROLES], 1)
        assert items.dtype == np.int64
        assert (items < counts[:, None]).all()
        assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in items)
        complete = counts >= 6
        assert (items[complete] >= 0).all()
        whole = table.columns[f"{model}_assignment_probability"]
        assert ((whole >= 0) & (whole <= 1 + 1e-5)).all()
        for name in (*ROLES, "t1", "t2"):
            found = table.columns[f"{model}_{name}_probability"]
            assert ((found >= 0) & (found <= 1 + 1e-5))[complete].all()


@pytest.mark.parametrize("suffix", ["parquet", "root", "h5", "csv"])
def test_new_predictions_are_flat_columns(tops, suffix):
    folder, file, run = tops
    data = run.study.source.options | {"files": str(file)}
    source = bunchtrain.parts.build("source", "spanet_events", data)
    events = next(iter(source.blocks(list(source.fields()), 1000)))
    output = folder / f"found.{suffix}"
    run.predict(events, output)
    entry = run.predictions.columns["entry"]
    names = [f"particle_flow_{one}" for one in (*ROLES, "assignment_probability")]
    if suffix == "parquet":
        found = {name: pq.read_table(output)[name].to_numpy() for name in names}
    elif suffix == "root":
        with uproot.open(output) as read:
            found = {name: read["scores"][name].array(library="np") for name in names}
    elif suffix == "h5":
        with h5py.File(output) as read:
            found = {name: read[name][:] for name in names}
    else:
        with output.open() as read:
            columns = read.readline().strip().replace('"', "").split(",")
        values = np.loadtxt(output, delimiter=",", skiprows=1)
        found = {name: values[:, columns.index(name)] for name in names}
    for name, values in found.items():
        np.testing.assert_allclose(values[entry], run.predictions.columns[name], rtol=1e-4)


def test_jets_that_the_representation_leaves_out_are_missing(tops):
    folder, file, _ = tops
    changes = {
        "source.files": str(file),
        "representation.max_points": 6,
        "representation.where": "pt > 15",
        "training.epochs": 1,
        "models.particle_transformer": None,
        "models.chi_squared": None,
        "models.particle_flow.training.epochs": 1,
    }
    run = bunchtrain.run(load("ttbar_assignment", **changes), runs=folder / "cut", jobs=1)
    table = run.predictions
    with h5py.File(file) as data:
        pt = data["INPUTS/Source/pt"][:][table.columns["entry"]]
    items = np.stack([table.columns[f"particle_flow_{role}"] for role in ROLES], 1)
    chosen = np.take_along_axis(pt, np.maximum(items, 0), 1)
    assert ((chosen > 15) | (items < 0)).all()
    few = (pt > 15).sum(1) < 6
    assert few.any()
    assert (items[few] < 0).sum(1).min() >= 3
    assert (items[few].reshape(-1, 2, 3) < 0).all(2).any(1).all()  # whole particles are left out


def test_such_a_model_is_not_exported(tops):
    _, _, run = tops
    for model in ("particle_flow", "chi_squared"):
        with pytest.raises(ExportError, match="the scores of an assignment are those of"):
            run.export("onnx", model=model)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"targets.tops.assign.t1.q1": "t1_b"}, DataError, "is both 't1_b' and 't1_q1'"),
        ({"targets.tops.assign.t1.q1": "t1_q1 + 20"}, DataError, "items of 'jet', counted from 0"),
        ({"targets.tops.assign.t1.q1": "t1_q1 + 0.5"}, DataError, "must be the index of an item"),
        ({"targets.tops.on": "lepton"}, StudyError, "'lepton' is neither event, edge nor 'jet'"),
        ({"targets.tops.on": "event"}, StudyError, "'assign' needs the group of its items as 'on'"),
        ({"targets.tops.symmetries": [["t1", "t3"]]}, StudyError, "no particle or product 't3'"),
        (
            {"targets.tops.assign.t2": {"b": "t2_b"}, "targets.tops.symmetries": [["t1", "t2"]]},
            StudyError,
            "their products differ",
        ),
        ({"models.particle_flow.model": {"name": "energy_flow_network"}}, StudyError, "no output"),
        (
            {"loss": "cross_entropy"},
            StudyError,
            "has an assignment; use 'assign",
        ),
        ({"calibration": "temperature"}, StudyError, "is for classes and values"),
        ({"models.particle_flow.posterior": "mc_dropout"}, StudyError, "is for targets of events"),
        ({"evaluation": "classification"}, StudyError, "needs a target with classes"),
        ({"export": "onnx"}, ExportError, "the scores of an assignment are those of"),
        (
            {"models.particle_flow.representation": {"name": "table", "features": ["t1_b"]}},
            StudyError,
            "has no points",
        ),
    ],
)
def test_mistakes_end_in_a_sentence_before_a_training(tops, changes, error, message):
    folder, file, _ = tops

    def attempt():
        study = load("ttbar_assignment", **SMALL, **{"source.files": str(file)}, **changes)
        bunchtrain.run(study, runs=folder / "none", jobs=1)

    with pytest.raises(error, match=message) as caught:
        attempt()
    assert len(str(caught.value)) <= 400
    assert "\n" not in str(caught.value)


def test_a_model_of_masses_needs_an_assignment():
    study = {
        "source": {"name": "files", "files": "jets.parquet"},
        "targets": {"top": {"classes": {"no": "is_top == 0", "yes": "is_top == 1"}}},
        "representation": {"name": "point_cloud", "group": "jet"},
        "model": "mass_chi_squared",
    }
    with pytest.raises(StudyError, match="'mass_chi_squared' needs one target with an assignment"):
        check_models(validate(study))


def test_features_that_are_no_tags_are_found_by_the_check(tops):
    _, file, _ = tops
    wrong = {"name": "point_cloud", "group": "jet", "features": ["btag"]}  # standardised
    changes = {"models.particle_flow": None, "models.particle_transformer": None}
    changes |= {"source.files": str(file)}
    assert bunchtrain.check(load("ttbar_assignment", **changes)).problems == []
    study = load("ttbar_assignment", **changes, **{"models.chi_squared.representation": wrong})
    (problem,) = bunchtrain.check(study).problems
    assert problem.startswith(
        "models.chi_squared: model 'mass_chi_squared' takes features that are"
    )
    assert "normalise: none" in problem
