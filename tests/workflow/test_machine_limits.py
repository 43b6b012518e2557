"""Threads and memory that the machine does not have are refused before a run starts."""

import pytest

from bunchtrain.child_processes import cores
from bunchtrain.errors import StudyError
from bunchtrain.methods.memory_limit import machine_memory
from bunchtrain.study.loading import validate
from bunchtrain.workflow.launch import check_machine
from bunchtrain.workflow.run_study import run

STUDY = {
    "name": "limits",
    "source": {"name": "files", "files": "absent.root"},
    "targets": {"jet": {"classes": {"qcd": "top == 0", "top": "top == 1"}}},
    "representation": {"name": "table", "features": ["pt"]},
    "model": "dense_network",
}


def test_more_threads_than_cores_are_refused(tmp_path):
    study = validate({**STUDY, "training": {"threads": cores() + 1}})
    message = rf"training.threads is {cores() + 1} for 'dense_network' .* {cores()} cores"
    with pytest.raises(StudyError, match=message):
        check_machine(study)
    check_machine(validate({**STUDY, "training": {"threads": cores()}}))
    elsewhere = {"name": "slurm", "cpus": cores() + 1}
    check_machine(validate({**study.model_dump(), "executor": elsewhere}))


def test_no_thread_is_refused():
    with pytest.raises(StudyError, match=r"training\.threads.*at least 1"):
        validate({**STUDY, "training": {"threads": 0}})


def test_more_memory_than_the_machine_has_is_refused():
    study = validate({**STUDY, "storage": {"memory": machine_memory() + 10**9}})
    with pytest.raises(StudyError, match=r"storage\.memory is .* this machine has .* at most"):
        check_machine(study)


def test_a_run_is_refused_before_its_folder_is_made(tmp_path):
    with pytest.raises(StudyError, match=r"training\.threads"):
        run(validate({**STUDY, "training": {"threads": 4096}}), runs=tmp_path)
    assert not list(tmp_path.iterdir())
