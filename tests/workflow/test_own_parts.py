"""A study with parts in a user's own file: run, used from its folder, moved, exported."""

import json
import shutil

import pytest
import yaml
from conftest import SAMPLE, STUDY, command  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import StudyError

OWN = '''"""My parts."""

from torch import nn

from bunchtrain.evaluations._evaluation import Evaluation
from bunchtrain.report.results import Results


class MyNetwork(nn.Module):
    """A linear model of a table."""

    def __init__(self, table, outputs, *, k: int = 2):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(table, k), nn.Linear(k, outputs))

    def forward(self, table):
        return self.layers(table)


class EventCount(Evaluation):
    """Number of events in the test set."""

    def evaluate(self, run):
        count = {"events": {"value": len(run.predictions.weights), "error": None}}
        return Results(metrics={name: count for name in run.predictions.models})
'''
CHANGES = {
    "models": {
        "own": {"model": {"name": "./own.py:MyNetwork", "k": 3}},
        "other": {"model": "dense_network", "training": {"epochs": 1}},
    },
    "representation": {"name": "table", "features": ["jet_mass", "log(multiplicity)"]},
    "training": {"epochs": 1, "batch_size": 256, "threads": 1},
    "evaluation": ["classification", "./own.py:EventCount"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("own")
    (place / "own.py").write_text(OWN)
    (place / "study.yaml").write_text(yaml.safe_dump(STUDY | CHANGES, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        run = bunchtrain.run(place / "study.yaml", runs=place / "runs", jobs=2)  # two processes
    (place / "own.py").unlink()
    return run.folder


def test_the_run_has_a_copy_of_the_file_and_its_hash(folder):
    assert (folder / "parts" / "own.py").read_text() == OWN
    assert list(json.loads((folder / "parts" / "hashes.json").read_text())) == ["own.py"]
    names = yaml.safe_load((folder / "study.yaml").read_text())
    assert names["models"]["own"]["model"]["name"] == "./parts/own.py:MyNetwork"
    task = json.loads((folder / "models" / "own" / "task.json").read_text())
    assert task["model"][0] == "../../parts/own.py:MyNetwork"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["own"]["events"]["value"] == metrics["other"]["events"]["value"] > 0
    assert (folder / "evaluations" / "event_count").is_dir()


def test_a_moved_run_is_resumed_used_and_exported(folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    bunchtrain.resume(moved)
    run = bunchtrain.open_run(moved)
    assert run.predict(str(SAMPLE), tmp_path / "scores.parquet") == 4000
    assert run.export("onnx", model="own").folders["own"] == moved / "exports" / "own" / "onnx"


def test_a_run_of_another_user_is_opened_with_trust_only(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    refused = command("report", folder, cwd=tmp_path)
    assert refused.returncode == 2
    assert "bunchtrain --trust-code" in refused.stderr
    assert "Traceback" not in refused.stderr
    done = command("--trust-code", "report", folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


WRONG = {
    "raise KeyError('nothing')": "line 8: KeyError: 'nothing'",
    "return None": "it is NoneType, not Results",
    "return {'metrics': 1}": "it is dict, not Results",
    "return Results(metrics={'other': {'x': {'value': 'high'}}})": "metrics.other.x.value",
    "return Results(metrics={'other': {'x': 1.0}})": "metrics.other.x",
    "return Results(plots=[1])": "'plots' contains int, not Plot",
    "return Results(tables=['a'])": "'tables' contains str, not Table",
    "return Results(title=3)": "title",
    "return Results(details=[1])": "details",
}


@pytest.mark.parametrize("body", WRONG)
@pytest.mark.parametrize("method", ["evaluate", "check"])
def test_an_error_in_an_own_evaluation_is_one_sentence(folder, tmp_path, body, method):
    if method == "check" and not body.startswith("raise"):
        pytest.skip("a check returns nothing")
    text = OWN.split("class MyNetwork")[0].rstrip() + "\nclass Wrong(Evaluation):\n"
    text = text.replace('"""My parts."""\n\n', "").replace("\n\n", "\n")
    lines = [*text.splitlines(), f"    def {method}(self, run):", f"        {body}"]
    wrong = tmp_path / "wrong.py"
    if method == "check":
        lines += ["    def evaluate(self, run):", "        return Results()"]
    wrong.write_text("\n".join(lines) + "\n")
    line = next(k + 1 for k, one in enumerate(lines) if one.strip() == body)
    message = WRONG[body].replace("line 8", f"line {line}")
    with pytest.raises(StudyError) as caught:
        bunchtrain.evaluate(bunchtrain.open_run(folder), f"{wrong}:Wrong")
    assert message in str(caught.value)
    assert "wrong.py, line " in str(caught.value)
    assert not (folder / "evaluations" / "wrong").exists()


def test_numbers_of_numpy_are_numbers_in_results(folder, tmp_path):
    text = OWN.replace("len(run.predictions.weights)", "np.float32(0.5)")
    (tmp_path / "numbers.py").write_text("import numpy as np\n" + text)
    bunchtrain.evaluate(bunchtrain.open_run(folder), f"{tmp_path}/numbers.py:EventCount")
    assert json.loads((folder / "metrics.json").read_text())["own"]["events"]["value"] == 0.5
