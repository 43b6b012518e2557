"""The table of models and targets tells the truth: a yes is exported, a no is refused by name."""

import json
import subprocess

import awkward as ak
import numpy as np
import pytest
import torch
from trained_models import events, grow
from typer.testing import CliRunner

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.cli.main import app
from bunchtrain.deployment import remembered
from bunchtrain.deployment.capability import capabilities, untrained
from bunchtrain.deployment.cpp import compiling
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.examples import example_inputs
from bunchtrain.deployment.exporting import export, make_target
from bunchtrain.deployment.scoring import ScoredNetwork
from bunchtrain.errors import ExportError

MODELS = sorted(parts.locate("model"))
CLASSES = {"jet": {"classes": ["qcd", "top"]}}


@pytest.mark.parametrize("model", MODELS)
def test_cpp_can_what_the_table_says(model, runtime, tmp_path):
    (told,) = capabilities([model], ["cpp"])
    if not told.can:
        assert len(told.reason) > 20
        with pytest.raises(ExportError, match=f"'{model}' cannot be exported to 'cpp'"):
            export(untrained(model), make_target("cpp"), "cpp", ak.Array([]), tmp_path)
        return
    made = untrained(model)
    inputs = example_inputs(made.representation.sizes, made.network.needs, (3, 0, 5, 2) * 3)
    if made.network.is_fitted:
        inputs["table"].abs_()  # counts, which some models ask for
        grow(made, Batch(inputs), None, CLASSES)
    (tmp_path / "network.json").write_text(json.dumps(convert(made).json()))
    compiling.write_tensors({k: v.numpy() for k, v in inputs.items()}, tmp_path / "events.bin")
    words = [runtime / "evaluate.run", "network.json", "events.bin", "scores.bin"]
    subprocess.run(words, cwd=tmp_path, check=True)
    with torch.inference_mode():
        wanted = ScoredNetwork(made).eval()(inputs)["jet"].numpy()
    found = np.fromfile(tmp_path / "scores.bin", np.float32).reshape(wanted.shape)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_onnx_can_what_the_table_says_of_trees_before_they_are_grown(tmp_path):
    pytest.importorskip("onnxruntime")
    (told,) = capabilities(["random_forest"], ["onnx"])
    assert told.can
    made, given = untrained("random_forest"), events()
    made.task.columns.extend(["mass", "width", "count"])
    grow(made, made.represent(given)[0], None, CLASSES)
    assert export(made, make_target("onnx"), "onnx", given, tmp_path).holds


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The models about which a made-up target was asked."""
    found = []
    reasons = {"onnx": "", "cpp": "no layer like 'odd' (Odd)"}
    monkeypatch.setattr(remembered, "ask", lambda model, _: found.append(model) or reasons)
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path))
    return found


def test_the_command_prints_the_table(monkeypatch, asked):
    known = {"export": {"onnx": "", "cpp": ""}, "model": {"dense_network": "bunchtrain.errors:"}}
    monkeypatch.setattr(parts, "locate", known.get)
    shown = CliRunner().invoke(app, ["parts", "--targets"]).output
    assert "dense_network" in shown
    assert "yes" in shown
    assert "no: no layer like 'odd' (Odd)" in " ".join(shown.split())


def test_targets_are_asked_again_only_if_something_changed(monkeypatch, asked):
    def answer():
        return dict(remembered.answers(["dense_network"], ["onnx", "cpp"]))

    assert (
        answer() == answer() == {"dense_network": {"onnx": "", "cpp": "no layer like 'odd' (Odd)"}}
    )
    assert asked == ["dense_network"]
    monkeypatch.setattr(remembered, "_surroundings", lambda: b"another version")
    answer()
    assert asked == ["dense_network"] * 2
