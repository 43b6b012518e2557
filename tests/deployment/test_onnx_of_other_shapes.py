"""ONNX of methods, points and edges: the numbers of the trained model in ONNX Runtime."""

import subprocess
import sys

import awkward as ak
import numpy as np
import pytest
from trained_models import CLOUD, IMAGE, TABLE, events, trained_method, trained_model

pytest.importorskip("onnxruntime")

from bunchtrain.deployment.export import check_supported, export, make_target
from bunchtrain.deployment.targets.onnx import open_session, scores_of
from bunchtrain.errors import ExportError
from bunchtrain.targets import Assignment, Target

pytestmark = pytest.mark.filterwarnings("ignore")
CONDITIONAL = ("table", {"features": ["mass", "width"], "condition": ["count"]})
FLOW = {"transforms": 2, "hidden": (8,), "bins": 4}
METHODS = [
    ("autoencoder", {"channels": (3, 4)}, IMAGE),
    ("vae", {"latent": 1, "widths": (8,)}, CONDITIONAL),
    ("pca", {"components": 2, "score": "hotelling"}, TABLE),
    ("isolation_forest", {"trees": 5}, TABLE),
    ("normalizing_flow", {**FLOW, "flow": "affine_autoregressive"}, CONDITIONAL),
]
SLOW = [
    ("autoencoder", {"latent": 1, "widths": (8,)}, TABLE),
    ("vae", {"channels": (3, 4), "score": "divergence"}, IMAGE),
    ("pca", {"components": 2}, TABLE),
    ("normalizing_flow", {**FLOW, "flow": "spline_coupling"}, TABLE),
    ("normalizing_flow", {**FLOW, "flow": "spline_autoregressive"}, CONDITIONAL),
]
GRAPH = ("graph", {"group": "part", "k": 3, "edge_features": ["first_pt - second_pt"]})
TARGETS = {
    "jet": Target("jet", ("qcd", "top")),
    "origin": Target("origin", ("noise", "pile_up", "hard"), axis="point"),
    "energy": Target("energy", values=("energy",), axis="point"),
    "pair": Target("pair", ("different", "same"), axis="edge", same="origin"),
}
LOSSES = {"energy": "gaussian_nll"}
TERMS = [(LOSSES.get(name, "cross_entropy"), {}, name, 1.0) for name in TARGETS]
POINTS = ["particle_net_light", "particle_net", "particle_transformer", "interaction_network",
          "gar_net", "graph_network"]  # fmt: skip


def check(made, folder, rows):
    """Export, and compare batches of 1, 7 and all events with the trained model."""
    target, given = make_target("onnx"), events(90, 5)
    check_supported(made, target, "onnx")
    verification = export(made, target, "onnx", given, folder)
    assert verification.holds
    assert {one.what.partition("model")[2] for one in verification.agreements} >= set(rows)
    session = open_session(str(folder / "model.onnx"))
    for count in (1, 7, 90):
        batch, _ = made.represent(given[:count])
        found = scores_of(session, batch.inputs)
        expected = [
            ak.to_numpy(ak.flatten(values) if values.ndim > 1 else values)
            for name, values in made.predict(given[:count]).items()
            if not name.endswith(("_first", "_second"))
        ]
        columns = [column for scores in found for column in scores.T]
        for one, other in zip(columns, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    return session


@pytest.mark.parametrize(
    ("name", "options", "represent"),
    [*METHODS, *(pytest.param(*one, marks=pytest.mark.nightly) for one in SLOW)],
)
def test_the_scores_of_a_method_are_those_of_the_trained_model(name, options, represent, tmp_path):
    made = trained_method(name, options, represent)
    session = check(made, tmp_path, {"", ", one event at a time"})
    assert [one.name for one in session.get_outputs()] == [name]
    assert [one.name for one in session.get_inputs()] == list(made.network.input_names)


def test_outputs_of_events_points_and_edges_are_those_of_the_trained_model(tmp_path):
    made = trained_model("particle_flow_network", {"phi": (8,), "f": (8,)}, GRAPH, TERMS, TARGETS)
    rows = {"", ", points", ", edges", ", one event at a time, edges", ", events without points"}
    session = check(made, tmp_path, rows)
    assert [one.name for one in session.get_outputs()] == list(TARGETS)
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "pair: " in done.stdout


def test_predictions_of_points_with_covariance_by_a_causal_network(tmp_path):
    """A network that follows tracks: means, σ and correlation at each measurement."""
    following = (
        "sequence",
        {"group": "part", "features": ["energy", "px"], "coordinates": ["px", "py"]},
    )
    target = Target("next", values=("energy", "px"), axis="point")
    terms = [("multivariate_gaussian_nll", {}, "next", 1.0)]
    options = {"hidden": 8, "causal": True}
    made = trained_model("recurrent_network", options, following, terms, {"next": target})
    session = check(made, tmp_path, {", points"})
    assert session.get_outputs()[0].shape[1] == 5


@pytest.mark.nightly
@pytest.mark.parametrize("name", POINTS)
def test_outputs_of_points_of_every_model(name, tmp_path):
    check(trained_model(name, {}, GRAPH, TERMS, TARGETS), tmp_path, {", points", ", edges"})


@pytest.mark.nightly
@pytest.mark.parametrize("values", [("mass",), ("mass", "width")])
def test_the_quantiles_of_a_flow_of_values_are_those_of_the_trained_model(values, tmp_path):
    terms = [("normalizing_flow", {"bins": 4}, "jet", 1.0)]
    target = {"jet": Target("jet", values=values)}
    check(trained_model("dense_network", {"widths": (8,)}, TABLE, terms, target), tmp_path, {""})


ASSIGN = [("assignment_cross_entropy", {}, "jet", 1.0)]
TTBAR = {"jet": Target("jet", assignment=Assignment("part", (("t", ("b", "q")),)))}
ORIGIN = {"origin": TARGETS["origin"]}
REFUSED = [
    (lambda: trained_method("wgan"), "onnx", "'wgan' generates events and predicts nothing"),
    (lambda: trained_method("flow_matching"), "onnx", "'flow_matching' generates events and"),
    (lambda: trained_method("gaussian_mixture", {"components": 2}), "onnx", "cannot be traced"),
    (lambda: trained_method("autoencoder"), "cpp", "methods with a loss of their own are exported"),
    (
        lambda: trained_model(
            "particle_flow_network", {}, CLOUD, [("cross_entropy", {}, "origin", 1.0)], ORIGIN
        ),
        "cpp",
        "outputs for points and edges are exported to 'onnx' only",
    ),
    (
        lambda: trained_model("particle_flow_network", {}, CLOUD, ASSIGN, TTBAR),
        "onnx",
        "the scores of an assignment are those of combinations of points",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "target", "reason"), REFUSED)
def test_what_cannot_be_exported_is_an_error_that_names_it(make, target, reason):
    made = make()
    with pytest.raises(ExportError, match=f"model '{made.task.model[0]}' cannot be .*{reason}"):
        check_supported(made, make_target(target), target)
