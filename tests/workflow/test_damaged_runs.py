"""A file of a run that is cut, edited or of another run ends in one sentence that names it."""

import json
import os
import pickle
import shutil

import pyarrow.parquet as pq
import pytest
import yaml
from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import BunchtrainError, InterruptedRun, RunError
from bunchtrain.methods.tensor_files import read_tensors, write_tensors
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.manifest import inside
from bunchtrain.workflow.write_report import make_report

FILES = ["study.yaml", "environment.json", "data.json", "metrics.json", "predictions.parquet"]
FILES += ["status.json", "manifest.json", "evaluations/classification/results.json"]
FILES += [f"models/flow/{name}" for name in ("network.json", "weights.safetensors")]
FILES += [f"models/flow/{name}" for name in ("training.json", "prediction.json", "history.csv")]


class Code:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (self.file,)


CONTENTS = {
    "emptied": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "text": lambda data: b"hello world\n",
    "bytes": lambda data: bytes(range(256)),
    "list": lambda data: b"[1, 2]",
    "deep": lambda data: b"[" * 100_000,
    "pickle": lambda data: pickle.dumps(Code("executed")),
    "flipped": lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:],
}


@pytest.fixture
def copy(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished.folder, tmp_path / "run")
    return tmp_path / "run"


def use(folder):
    run = bunchtrain.open_run(folder)
    make_report(run.files)
    run.table  # noqa: B018
    run.predictions  # noqa: B018
    run.predict(str(SAMPLE), folder.parent / "scores.parquet")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", CONTENTS)
def test_a_changed_file_is_one_sentence(copy, file, content):
    if content == "flipped" and file in ("status.json", "manifest.json"):
        pytest.skip("it has no hash")
    path = copy / file
    path.write_bytes(CONTENTS[content](path.read_bytes()))
    with pytest.raises(BunchtrainError, match=path.name) as caught:
        use(copy)
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) <= 400
    assert not (copy.parent / "executed").exists()


@pytest.mark.parametrize("file", [f for f in FILES if f != "manifest.json"])
@pytest.mark.parametrize("content", ["emptied", "cut", "list", "pickle"])
def test_damage_is_noticed_without_hashes_as_in_release_0_1(copy, file, content):
    (copy / "manifest.json").unlink()
    path = copy / file
    path.write_bytes(CONTENTS[content](path.read_bytes()))
    try:
        use(copy)
    except BunchtrainError as problem:
        if problem.exit_code != 2 or path.name not in str(problem):
            raise
    else:  # a table of the report may be empty
        assert file.endswith("history.csv")
    assert not (copy.parent / "executed").exists()


def test_weights_of_another_model_and_of_nan_are_one_sentence(copy):
    (copy / "manifest.json").unlink()
    flow = copy / "models" / "flow"
    shutil.copy(copy / "models" / "trees" / "weights.safetensors", flow)
    with pytest.raises(RunError, match=r"flow/weights.safetensors was changed after the training"):
        use(copy)
    content = json.loads((flow / "network.json").read_text())
    del content["sha256"]
    (flow / "network.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"flow/weights.safetensors belongs to another model"):
        use(copy)


def test_nan_weights_are_one_sentence(copy):
    (copy / "manifest.json").unlink()
    flow = copy / "models" / "flow"
    weights = read_tensors(flow / "weights.safetensors")
    name = next(name for name in weights if name.startswith("model."))
    weights[name].fill_(float("nan"))
    write_tensors(flow / "weights.safetensors", weights)
    content = json.loads((flow / "network.json").read_text())
    del content["sha256"]
    (flow / "network.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=rf"weights.safetensors: '{name}' contains NaN"):
        use(copy)


def test_another_class_in_the_study_is_noticed(copy):
    study = yaml.safe_load((copy / "study.yaml").read_text())
    classes = study["targets"]["jet"]["classes"]
    classes["bottom"] = classes.pop("top")
    (copy / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(RunError, match=r"study.yaml was edited"):
        use(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"predictions.parquet .*another target 'jet'"):
        use(copy)


def test_nothing_outside_the_folder_is_followed(copy, tmp_path):
    (tmp_path / "secret.svg").write_text("<svg>secret</svg>")
    results = copy / "evaluations" / "classification" / "results.json"
    kept = results.read_text()
    content = json.loads(kept)
    content["plots"][0]["file"] = "../../../secret.svg"
    results.write_text(json.dumps(content))
    (copy / "manifest.json").rename(tmp_path / "manifest.json")
    with pytest.raises(RunError, match=r"results.json .*another folder"):
        use(copy)
    results.write_text(kept)
    plot = results.parent / "plot_0.svg"
    plot.unlink()
    plot.symlink_to(tmp_path / "secret.svg")
    with pytest.raises(RunError, match=r"plot_0.svg is a link out of the run"):
        use(copy)
    plot.unlink()
    for name in ("../secret.svg", str(tmp_path / "secret.svg"), "a\0b", "."):
        (copy / "manifest.json").write_text(json.dumps({"sha256": {name: ["0" * 64]}}))
        with pytest.raises(RunError, match="names a file outside its folder"):
            bunchtrain.open_run(copy)
        with pytest.raises(RunError, match="names a file outside its folder"):
            inside(copy, name)


def test_a_source_replaced_before_a_resumed_run_is_noticed(tmp_path, study_file, monkeypatch):
    data = tmp_path / "data.parquet"
    shutil.copy(SAMPLE, data)
    study = yaml.safe_load(study_file.read_text())
    study["source"]["files"], study["models"] = str(data), {"flow": study["models"]["flow"]}
    study_file.write_text(yaml.safe_dump(study))

    def stop(module):
        if module.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bunchtrain.training.module.Module.on_train_epoch_start", stop)
        with pytest.raises(InterruptedRun) as caught:
            bunchtrain.run(study_file, runs=tmp_path / "runs")
    folder = RunFolder.open(str(caught.value).rsplit(" ", 1)[-1])
    pq.write_table(pq.read_table(SAMPLE).slice(0, 3000), data)
    with pytest.raises(RunError, match=r"events of '.*data.parquet' are not those that") as caught:
        bunchtrain.resume(folder.path)
    assert caught.value.exit_code == 2
    assert folder.state == "interrupted"
    shutil.copy(SAMPLE, data)  # the same events, at another time
    assert bunchtrain.resume(folder.path).metrics["flow"]["auc"]["value"] > 0.5
    pq.write_table(pq.read_table(SAMPLE).slice(0, 3000), data)
    with pytest.raises(RunError, match="are not those that"):
        bunchtrain.resume(folder.path)
    assert folder.state == "finished"


def test_a_damaged_checkpoint_is_one_sentence(tmp_path, study_file, monkeypatch):
    def stop(module):
        if module.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bunchtrain.training.module.Module.on_train_epoch_start", stop)
        with pytest.raises(InterruptedRun) as caught:
            bunchtrain.run(study_file, runs=tmp_path / "runs", only=["flow"])
    folder = RunFolder.open(str(caught.value).rsplit(" ", 1)[-1])
    checkpoint = folder.path / "models" / "flow" / "checkpoint.safetensors"
    kept = checkpoint.read_bytes()
    for content in CONTENTS.values():
        checkpoint.write_bytes(content(kept))
        with pytest.raises(RunError, match=r"flow': .*checkpoint.safetensors"):
            bunchtrain.resume(folder.path)
    checkpoint.write_bytes(kept)
    state = read_tensors(checkpoint)
    state["module"] = {"other": state["module"].popitem()[1]}
    write_tensors(checkpoint, state)
    with pytest.raises(RunError, match=r"checkpoint.safetensors belongs to another model"):
        bunchtrain.resume(folder.path)
    write_tensors(checkpoint, {"rows": []})
    with pytest.raises(RunError, match=r"checkpoint.safetensors is damaged"):
        bunchtrain.resume(folder.path)


def test_a_run_that_was_killed_at_once_has_its_environment(tmp_path, study_file, monkeypatch):
    def stop(*arguments):
        raise SystemExit

    monkeypatch.setattr("bunchtrain.workflow.graph.default_graph.prepare_events", stop)
    with pytest.raises(SystemExit):
        bunchtrain.run(study_file, runs=tmp_path / "runs")
    (folder,) = tmp_path.glob("runs/*/*")
    assert json.loads((folder / "environment.json").read_text())["torch"]


def test_a_run_is_run_by_one_process_at_a_time(finished, tmp_path):
    folder = RunFolder(shutil.copytree(finished.folder, tmp_path / "run"))
    with (
        folder.locked(),
        pytest.raises(RunError, match="run is run by another process; wait for its end"),
    ):
        bunchtrain.resume(folder.path)
    assert bunchtrain.resume(folder.path).metrics == finished.metrics
