"""A study on a real Slurm cluster of two nodes and on Ray: the files of a run in one process."""

import importlib.util
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from slurm_cluster import cluster, why_not

import bunchtrain
from bunchtrain.errors import UserError
from bunchtrain.study import validate
from bunchtrain.tables.sources.files import Files
from bunchtrain.tables.writing import write_table
from bunchtrain.workflow.executors import slurm
from bunchtrain.workflow.executors._executor import Job
from bunchtrain.workflow.executors.ray import Ray
from bunchtrain.workflow.executors.slurm import Slurm

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "boosted_jets.parquet"
TABLE = {"name": "table", "features": ["jet_mass", "jet_pt", "jet_eta"]}
STUDY = {
    "name": "small",
    "targets": {"jet": {"classes": {"qcd": "is_top == 0", "top": "is_top == 1"}}},
    "representation": TABLE,
    "training": {"epochs": 3, "batch_size": 64, "threads": 1},
    "storage": {"memory": "100 KB"},  # several pieces
    "models": {
        "dense": {"model": {"name": "dense_network", "widths": [8]}, "seeds": 2},
        "trees": {"model": {"name": "boosted_trees", "trees": 10}},
    },
    "stages": {
        "density": {"train": {"method": {"name": "gaussian_mixture", "components": 2}}},
        "samples": {"generate": {"of": "density", "rows": 70_000, "seed": 3}},  # two blocks
    },
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "jets.h5"
    sample = Files(files=str(SAMPLE))
    columns = [name for name in sample.fields() if name != "file_number"]
    write_table(path, sample.blocks(columns, 500), "events")
    return {"name": "files", "files": str(path)}


def run(source, folder, executor):
    """Run the study with a cache of its own; return the files that the executor must not change."""
    study = validate({**STUDY, "source": source, "executor": executor})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
        done = bunchtrain.run(study, runs=folder / "runs")
    patterns = ("models/**/weights.safetensors", "models/**/*.parquet", "predictions.parquet")
    patterns += ("stages/*/table.parquet", "stages/**/weights.safetensors")
    found = {
        path.relative_to(done.folder).as_posix(): path.read_bytes()
        for pattern in patterns
        for path in done.folder.glob(pattern)
    }
    cached = (folder / "cache" / "events").glob("*/*")
    found |= {f"{path.parent.name}/{path.name}": path.read_bytes() for path in cached}
    assert len(found) > 9
    assert "stages/samples/table.parquet" in found
    assert done.files.state == "finished"
    assert not list(done.folder.glob(".slurm*"))
    return found


@pytest.fixture(scope="module")
def sequential(source, tmp_path_factory):
    return run(source, tmp_path_factory.mktemp("sequential"), "sequential")


@pytest.mark.ray_cluster
def test_two_processes_give_the_files_of_one(source, sequential, tmp_path):
    assert run(source, tmp_path, {"name": "processes", "workers": 2}) == sequential


@pytest.fixture(scope="module")
def nodes():
    if reason := why_not():
        pytest.skip(reason)
    with cluster() as made, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        patch.setattr(slurm, "QUEUE_PERIOD", 1.0)
        patch.setattr(slurm, "PATIENCE", 2.0)
        yield made


def kill_one(pattern, folder, killed):
    """Kill the first process whose command has these words; `killed` gets its number."""
    deadline = time.monotonic() + 120
    while not killed and time.monotonic() < deadline:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if pattern in words and str(folder) in words and "child_processes" in words:
                killed.append(int(path.parent.name))
                os.kill(killed[0], signal.SIGKILL)
                return
        time.sleep(0.05)


@pytest.mark.slurm
def test_slurm_gives_the_files_of_one_process(nodes, source, sequential, tmp_path):
    assert run(source, tmp_path, {"name": "slurm", "workers": 2}) == sequential
    assert nodes.ask("squeue", "--noheader") == ""


@pytest.mark.slurm
@pytest.mark.parametrize("pattern", ["wide.spread", "stage_process"])
def test_a_worker_of_slurm_that_is_killed_is_run_again(
    nodes, source, sequential, tmp_path, pattern
):
    killed = []
    killer = threading.Thread(target=kill_one, args=(pattern, tmp_path, killed), daemon=True)
    killer.start()
    assert run(source, tmp_path, {"name": "slurm", "workers": 2}) == sequential
    assert killed


@pytest.mark.slurm
def test_a_queue_that_refuses_loses_nothing(nodes, source, sequential, tmp_path):
    executor = {"name": "slurm", "partition": "absent"}
    with pytest.raises(
        UserError, match=r"Slurm refuses the jobs: .*partition.*; change 'executor'"
    ):
        run(source, tmp_path, executor)


@pytest.mark.slurm
def test_the_scheduler_may_be_restarted(nodes, tmp_path):
    jobs = [
        Job(f"j{i}", ["sh", "-c", f"sleep 8; echo $SLURMD_NODENAME > {tmp_path}/n{i}"],
            tmp_path / str(i) / "job.log")
        for i in range(2)
    ]  # fmt: skip
    began, restarts = time.monotonic(), []

    def restart():
        if not restarts and time.monotonic() > began + 4:
            restarts.append(1)
            nodes.stop("slurmctld")
        elif restarts == [1] and time.monotonic() > began + 12:
            restarts.append(2)
            nodes.start_scheduler()

    assert Slurm(workers=2).run(jobs, on_wait=restart) == {}
    assert {(tmp_path / f"n{i}").read_text().strip() for i in range(2)} == {"one", "two"}
    if restarts == [1]:
        nodes.start_scheduler()


@pytest.mark.slurm
def test_ctrl_c_cancels_the_array(nodes, tmp_path):
    jobs = [Job(f"j{i}", ["sleep", "60"], tmp_path / str(i) / "job.log") for i in range(3)]
    began = time.monotonic()

    def interrupt():
        if time.monotonic() > began + 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Slurm(workers=2).run(jobs, on_wait=interrupt)
    assert nodes.ask("squeue", "--noheader") == ""
    assert not list(tmp_path.glob(".slurm*"))


@pytest.mark.slurm
def test_a_cancelled_task_is_named_and_not_run_again(nodes, tmp_path):
    job = Job("long", ["sh", "-c", "echo epoch 1; sleep 60"], tmp_path / "long" / "job.log")
    began, done = time.monotonic(), []

    def cancel():
        if not done and time.monotonic() > began + 4:
            done.append(nodes.ask("scancel", "--user=root"))

    found = Slurm().run([job], on_wait=cancel)
    assert "was cancelled in the queue" in str(found["long"])
    assert "it ended with: epoch 1" in str(found["long"])


needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs ray: pip install 'bunchtrain[ray]'"
)


@pytest.mark.ray_cluster
@needs_ray
@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_files_of_one_process(source, sequential, tmp_path):
    killed = []
    killer = threading.Thread(target=kill_one, args=("wide.spread", tmp_path, killed), daemon=True)
    killer.start()
    assert run(source, tmp_path, {"name": "ray", "workers": 2}) == sequential
    assert killed


@pytest.mark.ray_cluster
@needs_ray
@pytest.mark.filterwarnings("ignore")
def test_a_ray_worker_that_is_killed_and_ctrl_c(tmp_path):
    script = f"mkdir {tmp_path}/first || exit 0; kill -9 $PPID; sleep 60"
    jobs = [
        Job("killed", ["sh", "-c", script], tmp_path / "killed" / "job.log"),
        Job("other", ["sh", "-c", "echo done"], tmp_path / "other" / "job.log"),
    ]
    order = []
    assert Ray(workers=2).run(jobs, lambda job, problem: order.append(job.name)) == {}
    assert order == ["other", "killed"]
    began = time.monotonic()

    def interrupt():
        if (tmp_path / "up").exists() or time.monotonic() > began + 60:
            raise KeyboardInterrupt

    trap = f"trap 'touch {tmp_path}/told; exit 0' INT"
    script = f"{trap}; touch {tmp_path}/up; while :; do sleep 0.1; done"
    with pytest.raises(KeyboardInterrupt):
        Ray(workers=1).run(
            [Job("long", ["sh", "-c", script], tmp_path / "long" / "job.log")], on_wait=interrupt
        )
    assert (tmp_path / "told").is_file()
