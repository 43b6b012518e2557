"""The first hour: `init`, then `run`, on every file of the shared samples of the field."""

import os
from pathlib import Path

import pytest

import bunchtrain
from bunchtrain.errors import BunchtrainError
from bunchtrain.tables.inspect.drafting import sketch

FOLDERS = ("root", "jets", "higgs", "cms", "trigger")
DATA = Path(os.environ.get("BUNCHTRAIN_DATA", "/nowhere"))
FILES = sorted(path for name in FOLDERS for path in DATA.glob(f"{name}/**/*") if path.is_file())
#: Files of other content than events, for which one sentence is the right answer.
NO_EVENTS = (".coe.gz", ".rpt", ".h.gz", ".log", "axol1tl_v4.npz", "axol1tl_v5.npz")
NO_EVENTS += ("cicada_v2p2p0.npz",)


def first_run(file, folder):
    """Return the run of the study that `init` writes, with short trainings; or the sentence."""
    try:
        study = folder / "study.yaml"
        study.write_text(sketch([str(file)]).text)
        small = "training.epochs=1" if "\nmodels:" in study.read_text() else "model.trees=10"
        return bunchtrain.run(study, small, "training.events=2000", runs=folder / "runs")
    except BunchtrainError as problem:
        return str(problem)


@pytest.mark.nightly
# Some files have ten events, of which matplotlib draws two.
@pytest.mark.filterwarnings("ignore:Attempting to set identical:UserWarning")
@pytest.mark.filterwarnings("ignore:constrained_layout not applied:UserWarning")
@pytest.mark.skipif(not FILES, reason="needs BUNCHTRAIN_DATA")
@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(DATA)))
def test_init_then_run_works_without_an_edit(file, tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    found = first_run(file, tmp_path)
    if isinstance(found, str):
        print(f"{file.relative_to(DATA)}: {found}")
        assert file.name.endswith(NO_EVENTS), found
        assert len(found) <= 400
        assert found.count("\n") == 0
    else:
        print(f"{file.relative_to(DATA)}: {found.metrics}")
        assert found.models
        assert all(found.metrics[name] for name in found.models)
