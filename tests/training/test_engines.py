import os
import signal
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from bunchtrain.errors import DataError, MachineError, MissingDependency, StudyError
from bunchtrain.training.engines.processes import Processes
from bunchtrain.training.engines.ray import Ray
from bunchtrain.training.train import train
from bunchtrain.training.workers import (
    WorkerInfo,
    raise_failure,
    record_failure,
    worker_environment,
)

EXACT = {"model": ("dense_network", {"widths": [16, 16]})}
CURVES = ["train_loss", "validation_loss"]


def curves(task) -> pd.DataFrame:
    return pd.read_csv(Path(task.folder) / "history.csv")[CURVES]


def assert_same_curve(make_task, engine: dict[str, object]) -> None:
    """The loss of Σ wℓ / Σ w does not know how many workers summed it."""
    alone = make_task("alone", **EXACT)
    several = make_task("several", {"engine": engine}, **EXACT)
    train(alone)
    train(several)
    pd.testing.assert_frame_equal(curves(several), curves(alone), rtol=1e-5)


def test_two_processes_give_the_same_loss_curve_as_one(make_task) -> None:
    assert_same_curve(make_task, {"name": "processes", "workers": 2})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray leaves sockets open when it stops
def test_two_ray_workers_give_the_same_loss_curve_as_one(make_task) -> None:
    assert_same_curve(make_task, {"name": "ray", "workers": 2})


def test_a_killed_worker_ends_in_one_sentence(make_task) -> None:
    def kill_one() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for child in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
                for process in child.read_text().split():
                    words = Path(f"/proc/{process}/cmdline").read_text().split("\0")
                    if "bunchtrain.training.fit" in words:
                        os.kill(int(process), signal.SIGKILL)
                        return
            time.sleep(0.02)

    if not sys.platform.startswith("linux"):
        pytest.skip("finds its children in /proc")
    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(MachineError, match=r"worker 1 of 2 was killed by signal 9.*resume"):
        train(make_task(settings={"engine": {"name": "processes", "workers": 2}}))
    killer.join()


def test_what_a_worker_recorded_is_raised_again(tmp_path) -> None:
    record_failure(str(tmp_path), DataError("the file is empty"))
    with pytest.raises(DataError, match="the file is empty"):
        raise_failure(str(tmp_path))
    raise_failure(str(tmp_path))  # told once


def test_places_are_read_from_torchrun_and_slurm(monkeypatch) -> None:
    for name in [n for n in os.environ if n.startswith(("SLURM_", "TORCHELASTIC_"))]:
        monkeypatch.delenv(name)
    assert WorkerInfo.from_environment() == WorkerInfo()
    slurm = {"SLURM_NTASKS": "6", "SLURM_PROCID": "4", "SLURM_NNODES": "2"}
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    assert WorkerInfo.from_environment() == WorkerInfo(4, 6, 3, "slurm")
    assert WorkerInfo.from_environment().nodes == 2
    for name, value in worker_environment(1, 2, "localhost", 1234).items():
        monkeypatch.setenv(name, value)
    assert WorkerInfo.from_environment() == WorkerInfo(1, 2, 2, "torchrun")


@pytest.mark.parametrize("engine", [Processes, Ray])
def test_an_engine_needs_a_worker(engine) -> None:
    with pytest.raises(StudyError, match="workers must be at least 1"):
        engine(workers=0)


@pytest.mark.parametrize("engine", [Processes, Ray])
def test_watching_needs_the_local_engine(engine, make_task) -> None:
    with pytest.raises(StudyError, match="'local'"):
        engine().run(make_task(), resume=False, on_epoch=lambda *_: True)


def test_ray_that_is_not_installed_is_told(make_task, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=r"bunchtrain\[ray\]"):
        train(make_task(settings={"engine": {"name": "ray"}}))


def test_trees_on_two_processes_are_those_of_one(make_task, source) -> None:
    """A fit in one call takes the events of all workers, not the share of the first."""
    trees = {"model": ("boosted_trees", {"trees": 20})}
    alone = train(make_task("alone", **trees))
    engine = {"engine": {"name": "processes", "workers": 2}}
    several = train(make_task("several", engine, **trees))
    for name, values in alone.predict(source.events).items():
        assert (several.predict(source.events)[name] == values).all()
