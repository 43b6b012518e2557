import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import yaml
from conftest import SAMPLE, STUDY, command  # type: ignore[import-not-found]
from filelock import FileLock

import bunchtrain


def write(folder, **changes):
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump({**STUDY, **changes}))
    return path


BAD = {
    "missing file": ({"source": {"name": "files", "files": "nowhere.root"}}, "nowhere.root"),
    "missing branch": (
        {"spectators": ["jet_pt", "jet_mass", "jet_pd"]},
        "'jet_pd'; did you mean 'jet_pt'",
    ),
    "missing group": (
        {"representation": {"name": "point_cloud", "group": "constituents"}},
        "constituents",
    ),
    "empty selection": ({"select": "jet_pt < 0"}, "jet_pt < 0"),
    "one class only": (
        {"targets": {"jet": {"classes": {"qcd": "is_top > 1", "top": "is_top >= 0"}}}},
        "events of class 'top' only",
    ),
    "all weights zero": ({"weights": {"event": "jet_pt * 0"}}, "weight"),
    "NaN in a weight": ({"weights": {"event": "log(jet_eta - 9)"}}, "log(jet_eta - 9)"),
    "unknown key": ({"modls": {}}, "'modls'; did you mean 'models'"),
    "bad expression": ({"select": "jet_pt >"}, "jet_pt >"),
    "code in an expression": ({"select": "__import__('os').system('true')"}, "__import__"),
    "two classes at once": (
        {"targets": {"jet": {"classes": {"a": "jet_pt > 0", "b": "jet_pt > 1"}}}},
        "exclude each other",
    ),
    "wrong type": ({"select": "constituent_px > 0"}, "constituent_px > 0"),
}


@pytest.mark.parametrize("what", BAD)
def test_each_mistake_ends_in_one_sentence_and_exit_code_2(tmp_path, what):
    changes, message = BAD[what]
    done = command("run", write(tmp_path, **changes), "--only", "flow", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    sentences = [line for line in done.stderr.splitlines() if line.startswith("bunchtrain: ")]
    assert len(sentences) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothing_of_this_name"], "there is no study"),
        (["run", "s.yaml", "training.epocs=1"], "did you mean 'epochs'"),
        (["run", "--resume", "runs/none"], "is not the folder of a run"),
        (["run", "s.yaml", "--resume", "x"], "--resume reads the study from the run"),
        (["parts", "modell"], "did you mean 'model'"),
        (["predict", "runs/none", SAMPLE, "-o", "x.root"], "is not the folder of a run"),
        (["inspect", "none.root"], "none.root"),
        (["fetch", "top_taging"], "top_tagging"),
        (["tune", "s.yaml", "--engine", "local"], "a search tunes one model"),
    ],
)
def test_mistakes_on_the_command_line(tmp_path, arguments, message):
    write(tmp_path)
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_folder_of_a_study_is_not_a_run(tmp_path):
    write(tmp_path).rename(tmp_path / "study.yaml")
    done = command("run", "--resume", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert ". is the folder of a study, not of a run: bunchtrain run ." in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_run_that_resume_continues(tmp_path, number, code):
    path = write(tmp_path, training={"epochs": 400, "batch_size": 32, "threads": 1})
    arguments = [sys.executable, "-m", "bunchtrain", "run", str(path), "--only", "flow"]
    process = subprocess.Popen(
        arguments,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background has Ctrl-C ignored, and its children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.time() + 120
    while not list(tmp_path.glob("runs/*/*/models/flow/checkpoint.safetensors")):
        assert time.time() < deadline
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    (run,) = tmp_path.glob("runs/*/*")
    assert f"bunchtrain run --resume {run.relative_to(tmp_path)}" in said
    content = yaml.safe_load((run / "study.yaml").read_text())
    assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
    assert content["training"]["epochs"] == 400


def test_processes_that_torchrun_started_make_one_run(tmp_path):
    training = {"epochs": 1, "batch_size": 256, "threads": 1}
    path = write(tmp_path, training=training, evaluation=["classification"])
    torchrun = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    torchrun |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "test"}
    torchrun["MASTER_PORT"] = str(free_port())
    arguments = [sys.executable, "-m", "bunchtrain", "run", str(path), "--only", "flow"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (torchrun | {"RANK": "0", "LOCAL_RANK": "0"}).items():
            patch.setenv(name, value)
        refused = command(*arguments[3:], cwd=tmp_path)
    assert refused.returncode == 2
    assert "set training.engine=processes" in refused.stderr
    workers = [
        subprocess.Popen(
            [*arguments, "training.engine=processes"],
            cwd=tmp_path,
            env={**os.environ, **torchrun, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [worker.communicate(timeout=200)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert "Report:" in said[0]
    assert "Report:" not in said[1]
    assert len(list(tmp_path.glob("runs/tiny/*/report.html"))) == 1


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_inspect_init_run_predict_compare(tmp_path):
    shown = command("inspect", SAMPLE, cwd=tmp_path)
    assert "constituent_px" in shown.stdout
    assert command("init", SAMPLE, "-o", "mine.yaml", cwd=tmp_path).returncode == 0
    refused = command("init", SAMPLE, "-o", "mine.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "already exists" in refused.stderr
    done = command("run", "mine.yaml", "training.epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "AUC" in done.stdout
    (run,) = tmp_path.glob("runs/mine/*")
    done = command("predict", run, SAMPLE, "-o", "scores.root", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4,000 events" in done.stdout
    done = command("compare", run, run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "compare.svg").is_file()


def test_parts_studies_and_schema_are_listed(tmp_path):
    assert "1902.08570" in command("parts", "model", cwd=tmp_path).stdout
    assert "dropout" in command("parts", "model", "particle_net", cwd=tmp_path).stdout
    assert "top_tagging" in command("studies", cwd=tmp_path).stdout
    schema = json.loads(command("schema", cwd=tmp_path).stdout)
    assert schema["properties"]["source"]["$ref"] == "#/$defs/source"
    assert "top_tagging" in command("fetch", cwd=tmp_path).stdout


def test_a_search_finds_resumes_and_draws(tmp_path):
    study = bunchtrain.load(
        write(tmp_path, models={}, model={"name": "dense_network", "widths": [8]}),
        "representation={name: table, features: [jet_mass, multiplicity]}",
        "training.epochs=2",
    )
    from bunchtrain.workflow.tune import search

    space = {"training.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}}
    space["model.widths"] = {"choices": [[4], [8, 4]]}
    options = {"engine": "local", "folder": tmp_path / "tune"}
    search(study, space, trials=1, **options)
    found = search(study, space, trials=3, **options)
    complete = [row for row in found.rows if row["state"] == "complete"]
    assert len(found.rows) == 3
    assert complete[0]["auc"] == max(row["auc"] for row in complete)
    assert complete[0]["model.widths"] in ([4], [8, 4])
    assert found.plot.stat().st_size > 1000
    lock = FileLock(tmp_path / "tune" / ".run.lock", is_singleton=False)
    with lock, pytest.raises(bunchtrain.errors.RunError, match="is run by another process"):
        search(study, space, trials=4, **options)
    with pytest.raises(bunchtrain.errors.StudyError, match="did you mean 'learning_rate'"):
        search(study, {"training.learning_rte": {"low": 1, "high": 2}}, **options)
