"""Capabilities: a supported model is exported, an unsupported one is rejected by name."""

import awkward as ak
import numpy as np
import pytest
from cpp_runtime import scores_of_both
from trained_models import events, grow
from typer.testing import CliRunner

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.cli.main import app
from bunchtrain.deployment import capability_cache
from bunchtrain.deployment.capability import build_untrained, capabilities
from bunchtrain.deployment.examples import example_inputs
from bunchtrain.deployment.export import export, make_target
from bunchtrain.errors import ExportError
from bunchtrain.targets import Target

MODELS = sorted(parts.locate("model"))
CLASSES = {"jet": Target("jet", ("qcd", "top"))}


@pytest.mark.parametrize("model", MODELS)
def test_cpp_supports_the_models_of_the_table(model, runtime, tmp_path):
    (capability,) = capabilities([model], ["cpp"])
    if capability.reason:
        assert len(capability.reason) > 20
        with pytest.raises(ExportError, match=f"'{model}' cannot be exported to 'cpp'"):
            export(build_untrained(model), make_target("cpp"), "cpp", ak.Array([]), tmp_path)
        return
    made = build_untrained(model)
    inputs = example_inputs(made.representation.sizes, made.network.input_names, (3, 0, 5, 2) * 3)
    if not made.network.trains_by_gradient:
        inputs["table"].abs_()  # counts, which some models require
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        grow(made, Batch(arrays), None, made.task.targets)
    found, wanted = scores_of_both(runtime, made, inputs, tmp_path)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_onnx_supports_trees_before_they_are_grown(tmp_path):
    pytest.importorskip("onnxruntime")
    (capability,) = capabilities(["random_forest"], ["onnx"])
    assert not capability.reason
    made, given = build_untrained("random_forest"), events()
    made.task.columns.extend(["mass", "width", "count"])
    grow(made, made.represent(given)[0], None, CLASSES)
    assert export(made, make_target("onnx"), "onnx", given, tmp_path).holds


@pytest.fixture
def checked(monkeypatch, tmp_path):
    """The models that were checked."""
    found = []
    reasons = {"onnx": "", "cpp": "no layer like 'odd' (Odd)"}
    monkeypatch.setattr(
        capability_cache, "check_model", lambda model, _: found.append(model) or reasons
    )
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path))
    return found


def test_the_command_prints_the_table(monkeypatch, checked):
    known = {"export": {"onnx": "", "cpp": ""}, "model": {"dense_network": "bunchtrain.errors:"}}
    monkeypatch.setattr(parts, "locate", known.get)
    shown = CliRunner().invoke(app, ["parts", "--targets"]).output
    assert "dense_network" in shown
    assert "yes" in shown
    assert "no: no layer like 'odd' (Odd)" in " ".join(shown.split())


def test_models_are_checked_again_only_if_something_changed(monkeypatch, checked):
    def reasons():
        return dict(capability_cache.cached_reasons(["dense_network"], ["onnx", "cpp"]))

    assert (
        reasons()
        == reasons()
        == {"dense_network": {"onnx": "", "cpp": "no layer like 'odd' (Odd)"}}
    )
    assert checked == ["dense_network"]
    monkeypatch.setattr(capability_cache, "_environment_digest", lambda: b"another version")
    reasons()
    assert checked == ["dense_network"] * 2
