import contextlib
import copy
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml

import bunchtrain
from bunchtrain.cli.main import main
from bunchtrain.workflow.executors._executor import Ending, Executor
from bunchtrain.workflow.wide import spread

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "boosted_jets.parquet"

STUDY = {
    "name": "tiny",
    "title": "Tops in the shipped sample",
    "source": {"name": "files", "files": str(SAMPLE)},
    "define": {"multiplicity": "count(constituent_px)"},
    "select": "abs(jet_eta) < 1",
    "targets": {"jet": {"classes": {"qcd": "is_top == 0", "top": "is_top == 1"}}},
    "split": {"name": "fraction", "train": 0.6, "validation": 0.2, "test": 0.2, "key": "event_id"},
    "spectators": ["jet_pt", "jet_mass"],
    "representation": {"name": "point_cloud", "group": "constituent", "max_points": 12},
    "training": {"epochs": 3, "batch_size": 64},
    "models": {
        "trees": {
            "representation": {"name": "table", "features": ["jet_mass", "log(multiplicity)"]},
            "model": {"name": "boosted_trees", "trees": 20},
        },
        "flow": {"model": {"name": "particle_flow_network", "phi": [16], "f": [16]}},
    },
    "evaluation": ["classification", {"name": "efficiency_profile", "against": ["jet_pt"]}],
    "note": "Pythia stand-ins.",
}


class InThisProcess(Executor):
    """Runs the jobs here, the last one first; a job that is in `dies` dies once."""

    def __init__(self, workers, dies=()):
        self.workers, self.dies = workers, [*dies]

    def endings(self, jobs, hooks):
        for job in reversed(jobs):
            hooks.wait()
            if job.name in self.dies:
                self.dies.remove(job.name)
                yield job, Ending.of_process(-9)
            else:
                yield job, Ending(spread.main(*job.command[4:]))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def tiny_study():
    return copy.deepcopy(STUDY)


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    before = os.environ.get("BUNCHTRAIN_CACHE")
    os.environ["BUNCHTRAIN_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")
    run = bunchtrain.run(path, runs=folder / "runs")
    if before is None:
        del os.environ["BUNCHTRAIN_CACHE"]
    else:
        os.environ["BUNCHTRAIN_CACHE"] = before
    return run


def command(*arguments, cwd):
    """Run the command in this process, and return its exit code and what it printed."""
    words, out, err = [*map(str, arguments)], io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.chdir(cwd)
        patch.setenv("COLUMNS", "200")
        patch.setenv("BUNCHTRAIN_TRUST_CODE", "")  # the command may set it
        patch.delenv("BUNCHTRAIN_TRUST_CODE")
        patch.setattr(sys, "argv", ["bunchtrain", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(words, ended.value.code, out.getvalue(), err.getvalue())
