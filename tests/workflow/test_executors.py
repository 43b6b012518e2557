"""Executors: jobs that end well, fail, die, are interrupted or refused."""

import os
import sys
import time

import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, InterruptedRun, MachineError, StudyError, UserError
from bunchtrain.study import validate
from bunchtrain.workflow.executors import slurm
from bunchtrain.workflow.executors._executor import Job, last_lines
from bunchtrain.workflow.executors._slurm_queue import submit
from bunchtrain.workflow.executors.processes import Processes
from bunchtrain.workflow.executors.sequential import Sequential
from bunchtrain.workflow.executors.slurm import Slurm

KILLS_ITSELF = "kill -9 $$"


def job(folder, name, script):
    return Job(name, ["sh", "-c", script], folder / name / "job.log")


def failing(folder, error="DataError"):
    content = f'{{"kind": "{error}", "message": "no column"}}'
    return f"echo '{content}' > {folder}/failure.json; exit 2"


def test_all_jobs_are_done_and_each_end_is_told(tmp_path):
    told, started, waits = [], [], []
    jobs = [job(tmp_path, f"job{i}", f"echo said {i}") for i in range(4)]
    found = Processes(workers=2).run(
        jobs,
        lambda one, problem: told.append((one.name, problem)),
        on_start=started.append,
        on_wait=lambda: waits.append(1),
    )
    assert found == {}
    assert sorted(told) == [(f"job{i}", None) for i in range(4)]
    assert started == jobs
    assert waits
    assert [last_lines(one.log) for one in jobs] == [f"said {i}" for i in range(4)]


def test_a_job_with_an_error_of_the_user_is_not_run_again_and_the_others_finish(tmp_path):
    script = f"echo once >> {tmp_path}/count; " + failing(tmp_path / "bad")
    jobs = [job(tmp_path, "bad", script), job(tmp_path, "good", f"touch {tmp_path}/good/done")]
    found = Sequential().run(jobs)
    assert list(found) == ["bad"]
    assert type(found["bad"]) is DataError
    assert (tmp_path / "good" / "done").is_file()
    assert (tmp_path / "count").read_text() == "once\n"


def test_a_job_that_was_killed_is_run_again_once_after_the_others(tmp_path):
    script = f"mkdir {tmp_path}/first || exit 0; {KILLS_ITSELF}"
    order = []
    jobs = [job(tmp_path, "killed", script), job(tmp_path, "other", "true")]
    assert Sequential().run(jobs, lambda one, problem: order.append(one.name)) == {}
    assert order == ["other", "killed"]


def test_a_job_that_is_killed_twice_gives_its_last_lines(tmp_path):
    jobs = [
        job(tmp_path, "killed", f"echo epoch 3; {KILLS_ITSELF}"),
        job(tmp_path, "other", "true"),
    ]
    found = Processes(workers=2).run(jobs)
    assert list(found) == ["killed"]
    assert type(found["killed"]) is MachineError
    assert "was killed by signal 9, often for lack of memory" in str(found["killed"])
    assert "it ended with: epoch 3; its output is in" in str(found["killed"])


def test_a_program_with_an_error_of_its_own_is_not_run_again(tmp_path):
    script = f"echo once >> {tmp_path}/count; echo Traceback; exit 7"
    found = Sequential().run([job(tmp_path, "bug", script)])
    assert "its process stopped with code 7; it ended with: Traceback" in str(found["bug"])
    assert (tmp_path / "count").read_text() == "once\n"


def test_an_interrupted_job_ends_the_others(tmp_path):
    jobs = [
        job(tmp_path, "long", f"echo $$ > {tmp_path}/number; sleep 100"),
        job(tmp_path, "stopped", failing(tmp_path / "stopped", "InterruptedRun")),
    ]
    with pytest.raises(InterruptedRun):
        Processes(workers=2).run(jobs)
    number = int((tmp_path / "number").read_text())
    deadline = time.time() + 5
    while time.time() < deadline:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the other job still runs")


def test_the_key_names_an_executor_with_its_options():
    study = {"source": "b_jets", "representation": "jet_features", "method": "autoencoder"}
    with pytest.raises(StudyError, match="there is no executor named 'slrm'; did you mean 'slurm'"):
        validate({**study, "executor": "slrm"})
    with pytest.raises(StudyError, match=r"executor\.workers"):
        validate({**study, "executor": {"name": "processes", "workers": 0}})
    with pytest.raises(StudyError, match=r"executor\.time"):
        validate({**study, "executor": {"name": "slurm", "time": "two hours"}})


def command(folder, name, text):
    """Write a program that stands for one of Slurm."""
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_queue_that_refuses_the_jobs_gives_its_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    command(tmp_path, "sbatch", "echo 'sbatch: error: invalid partition: gpus' >&2; exit 1")
    with pytest.raises(UserError, match="Slurm refuses the jobs: invalid partition: gpus; change"):
        Slurm(partition="gpus").run([job(tmp_path, "one", "true")])
    assert not list(tmp_path.glob(".slurm-*"))


def test_without_slurm_and_with_a_scheduler_that_is_away(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="'sbatch' is not found: run this where Slurm"):
        submit([])
    command(tmp_path, "sbatch", "echo 'error: Unable to contact slurm controller' >&2; exit 1")
    monkeypatch.setattr("bunchtrain.workflow.executors._slurm_queue.SUBMISSION", -1.0)
    with pytest.raises(MachineError, match="does not answer: Unable to contact slurm controller"):
        submit([])


def test_the_flags_of_sbatch_are_the_options():
    made = parts.build("executor", "slurm", {"time": "1-00:00:00", "memory": "4G", "cpus": 2})
    assert made.flags == ["--time=1-00:00:00", "--mem=4G", "--cpus-per-task=2"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("TIMEOUT", "reached its time limit; set 'executor.time' to a longer one on node n1"),
        ("OUT_OF_MEMORY", "ran out of memory; raise 'executor.memory' on node n1"),
        ("NODE_FAIL", "was lost with its node on node n1"),
        ("DEADLINE", "reached its deadline in the queue on node n1"),
        ("CANCELLED", "was cancelled in the queue on node n1"),
    ],
)
def test_a_task_that_leaves_the_queue_without_a_code_is_described(
    tmp_path, monkeypatch, state, message
):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "PERIOD", 0.01)
    monkeypatch.setattr(slurm, "QUEUE_PERIOD", 0.0)
    monkeypatch.setattr(slurm, "PATIENCE", 0.0)
    command(tmp_path, "sbatch", f"echo submitted >> {tmp_path}/count; echo 7")
    command(
        tmp_path, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
    )
    command(tmp_path, "scontrol", f"echo JobState={state} NodeList=n1")
    found = Slurm().run([job(tmp_path, "one", "true")])
    assert message in str(found["one"])
    tries = 1 if state in ("TIMEOUT", "DEADLINE", "CANCELLED") else 2
    assert (tmp_path / "count").read_text() == tries * "submitted\n"


@pytest.mark.parametrize(
    ("state", "error"), [("TIMEOUT", MachineError), ("RUNNING", InterruptedRun)]
)
def test_a_task_that_was_told_to_end_is_described_by_the_queue(tmp_path, monkeypatch, state, error):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "PERIOD", 0.01)
    task = 'for script; do :; done; SLURM_ARRAY_TASK_ID=0 sh "$script" > /dev/null; echo 7'
    command(tmp_path, "sbatch", task)
    command(tmp_path, "squeue", "true")
    command(tmp_path, "scontrol", f"echo JobState={state} NodeList=n1")
    script = failing(tmp_path / "one", "InterruptedRun").replace("exit 2", "exit 130")
    if error is InterruptedRun:
        with pytest.raises(InterruptedRun):
            Slurm().run([job(tmp_path, "one", script)])
    else:
        found = Slurm().run([job(tmp_path, "one", script)])
        assert "reached its time limit" in str(found["one"])


def test_the_array_of_a_killed_run_is_cancelled_before_a_new_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    left = tmp_path / ".slurm-left"
    left.mkdir()
    (left / "array").write_text("41")
    command(tmp_path, "scancel", f"echo $1 > {tmp_path}/cancelled")
    command(tmp_path, "squeue", "true")
    command(tmp_path, "sbatch", "echo 'sbatch: error: no' >&2; exit 1")
    with pytest.raises(UserError, match="refuses the jobs: no"):
        Slurm().run([Job("one", ["true"], tmp_path / "job.log")])
    assert (tmp_path / "cancelled").read_text() == "41\n"
    assert not left.exists()


def test_a_task_of_slurm_runs_its_line_and_writes_its_code(tmp_path, monkeypatch):
    """The script itself, with a program in place of `sbatch` that runs the tasks at once."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "PERIOD", 0.01)
    tasks = 'for i in 0 1 2; do SLURM_ARRAY_TASK_ID=$i sh "$script"; done'
    command(tmp_path, "sbatch", f"for script; do :; done; ({tasks}) >/dev/null; echo 7")
    command(tmp_path, "squeue", "true")
    place = tmp_path / "a folder with 'marks'"
    jobs = [
        job(place, "good", "echo $OMP_NUM_THREADS"),
        job(place, "bad", "exit 3"),
        job(place, "killed", f"mkdir '{tmp_path}/first' || exit 0; {KILLS_ITSELF}"),
    ]
    found = Slurm(cpus=2).run(jobs)
    assert list(found) == ["bad"]
    assert (tmp_path / "first").is_dir()
    assert last_lines(jobs[0].log) == "2"
    assert "stopped with code 3" in str(found["bad"])


def test_ctrl_c_reaches_the_jobs(tmp_path):
    # Not a shell, which may miss a signal while it starts a program.
    program = (
        "import pathlib, signal, sys, time; here = pathlib.Path(sys.argv[1]); "
        "signal.signal(signal.SIGINT, lambda *_: sys.exit((here / 'interrupted').touch())); "
        "(here / 'up').touch(); time.sleep(60)"
    )
    script = f'exec {sys.executable} -c "{program}" {tmp_path}'

    def interrupt():
        if (tmp_path / "up").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Processes(workers=1).run([job(tmp_path, "long", script)], on_wait=interrupt)
    assert (tmp_path / "interrupted").is_file()
