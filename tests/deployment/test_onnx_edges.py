"""ONNX Runtime gives PyTorch's numbers at the edges: small scores, no points, ties, one event."""

import json
import subprocess
import sys
from functools import cache

import awkward as ak
import numpy as np
import pytest
import torch
from trained_models import CLOUD, TABLE, events, trained_model

pytest.importorskip("onnxruntime")

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.deployment.capability import build_untrained
from bunchtrain.deployment.examples import example_inputs
from bunchtrain.deployment.export import UNVERIFIED, export, make_target
from bunchtrain.deployment.onnx_graph import _accurate_functions, trace
from bunchtrain.deployment.scoring import ScoredNetwork
from bunchtrain.deployment.targets.onnx import open_session, scores_of
from bunchtrain.errors import StudyError, VerificationError
from bunchtrain.heads._head import Head
from bunchtrain.targets import Quantity, Target
from bunchtrain.uncertainty.calibrations.conformal import Conformal

pytestmark = pytest.mark.filterwarnings("ignore")
CLASSES, VALUE = Target("jet", ("qcd", "top")), Target("jet", values=("mass",))
FRACTIONS = Target("shower", values=("first", "second"), axis="point")
LOSSES = [
    name
    for name in sorted(parts.locate("loss"))
    if issubclass(parts.find("loss", name), Head)
    # assignments are not exported, and quantiles of a flow are no classes with small scores
    and name not in ("assignment_cross_entropy", "normalizing_flow")
]
OPTIONS = {
    "planed_cross_entropy": {"against": "mass"},
    "reweighting_adversary": {"against": ["mass"]},
}
QUICK = ("particle_net_light", "lorentz_net")


class Function(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def run_onnx(function, x):
    table = _accurate_functions()
    program = torch.onnx.export(
        Function(function), (x,), dynamo=True, verbose=False, custom_translation_table=table
    )
    session = open_session(program.model_proto.SerializeToString())
    return session.run(None, {program.model.graph.inputs[0].name: x.numpy()})[0]


def head_of(name):
    for target in (CLASSES, VALUE, FRACTIONS):
        try:
            return parts.build("loss", name, OPTIONS.get(name, {}), target)
        except StudyError:
            continue
    raise AssertionError(name)


@pytest.mark.parametrize("name", LOSSES)
def test_scores_of_each_head_have_full_relative_precision(name):
    head = head_of(name)
    steps = torch.linspace(-25.5, 25.5, 2001)[:, None]
    outputs = steps * torch.tensor([1.0, 0.5, -0.3, 0.2, 0.1])[: head.outputs]
    function = lambda x: torch.stack(list(head.predictions(x).values()), 1)  # noqa: E731
    expected, found = function(outputs).numpy(), run_onnx(function, outputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=0)
    falls = np.diff(found, axis=0) < -1e-5 * np.abs(found[:-1])
    assert not (falls & (np.diff(expected, axis=0) >= 0)).any()


@pytest.mark.parametrize(
    "function", [torch.sigmoid, torch.nn.functional.logsigmoid, torch.log1p, torch.expm1]
)
def test_functions_of_small_numbers_have_full_relative_precision(function):
    small = torch.logspace(-30, 1, 500)
    x = torch.cat([-small, small, torch.tensor([0.0, 80, -80, np.inf, -np.inf, np.nan])])
    np.testing.assert_allclose(run_onnx(function, x), function(x).numpy(), rtol=1e-6)


@cache
def traced(name):
    """The untrained model and its ONNX session."""
    made = build_untrained(name)
    return made, open_session(trace(made).model_proto.SerializeToString())


def check_sizes(name):
    made, session = traced(name)
    scored = ScoredNetwork(made)
    for lengths in ((0,), (1,), (0, 0, 0), (1, 0), (1, 1, 1), (2,), (5, 0, 1, 40)):
        inputs = example_inputs(made.representation.sizes, made.network.input_names, lengths)
        with torch.inference_mode():
            expected = scored.eval()(inputs)["jet"].numpy()
        (found,) = scores_of(session, {key: x.numpy() for key, x in inputs.items()})
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=str(lengths))


@pytest.mark.parametrize("name", QUICK)
def test_batches_without_points_have_scores(name):
    check_sizes(name)


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(set(parts.locate("model")) - set(QUICK)))
def test_batches_without_points_have_scores_for_every_model(name):
    network = build_untrained(name).network
    if not network.trains_by_gradient or "lengths" not in network.input_names:
        pytest.skip("has no points")
    check_sizes(name)


def test_towers_at_equal_distance_have_one_score_alone_together_and_in_onnx():
    made, session = traced("particle_net_light")
    lengths = (36, 20, 50)
    inputs = example_inputs(made.representation.sizes, made.network.input_names, lengths, 0.5)
    scored = ScoredNetwork(made).eval()
    (found,) = scores_of(session, {key: x.numpy() for key, x in inputs.items()})
    with torch.inference_mode():
        together = scored(inputs)["jet"]
        single = [
            Batch({n: x.numpy() for n, x in inputs.items()}).take(np.array([k])).tensors().inputs
            for k in range(len(lengths))
        ]
        alone = torch.cat([scored(one)["jet"] for one in single])
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)
    np.testing.assert_allclose(found, together.numpy(), atol=1e-6)


def test_a_failed_export_leaves_the_verified_one_and_is_kept_apart(tmp_path, monkeypatch):
    made = trained_model("dense_network", {"widths": (8,)}, TABLE)
    export(made, make_target("onnx"), "onnx", events(), tmp_path)
    before = (tmp_path / "model.onnx").read_bytes()
    predict = type(made).predict
    monkeypatch.setattr(
        type(made),
        "predict",
        lambda self, given: {k: v + 0.1 for k, v in predict(self, given).items()},
    )
    with pytest.raises(
        VerificationError, match=f"do not deploy it: its files are in .*{UNVERIFIED}"
    ):
        export(made, make_target("onnx"), "onnx", events(), tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == before
    assert json.loads((tmp_path / "verification.json").read_text())["holds"]
    assert not json.loads((tmp_path / UNVERIFIED / "verification.json").read_text())["holds"]


def test_the_example_runs_and_the_verification_covers_edge_events(tmp_path):
    made = trained_model("particle_flow_network", {"phi": (8,), "f": (8,)}, CLOUD)
    verification = export(made, make_target("onnx"), "onnx", ak.Array(events()), tmp_path)
    assert {"example.py", "example.cpp", "example.npz", "example.bin"} <= set(verification.files)
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "jet: 60 rows" in done.stdout
    assert float(done.stdout.split()[-1]) < 1e-5
    kinds = [one.what.partition("the trained model")[2] for one in verification.agreements]
    assert kinds == [
        "",
        ", one event at a time",
        ", events without points",
        ", events without points, one event at a time",
        ", events of one point",
        ", events of one point, one event at a time",
    ]


def test_sets_of_tied_scores_are_those_of_the_trained_model(tmp_path):
    made, given = trained_model("random_forest", {"trees": 3}, TABLE), events(400, 3)
    predicted = {Quantity(k): torch.from_numpy(v) for k, v in made.predict(given).items()}
    conformal = Conformal(CLASSES, levels=(0.5, 0.68, 0.95))
    conformal.fit(predicted, torch.arange(400) % 2, torch.ones(400))
    made.calibrations["jet"] = [conformal]
    assert export(made, make_target("onnx"), "onnx", events(5000, 4), tmp_path).holds
