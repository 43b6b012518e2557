"""Studies of networks on the particles of a jet from start to finish, on the shipped sample."""

import pytest
from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load

TINY = {
    "source": {"name": "files", "files": str(SAMPLE)},
    "select": "event_id < 800",
    "training.epochs": 3,
    "training.threads": 1,
    "training.batch_size": 32,
}


@pytest.mark.parametrize("name", ["boosted_events", "interaction_network_jets"])
def test_every_network_of_the_study_learns(name, tmp_path):
    study = load(name, **TINY)
    run = bunchtrain.run(study, runs=tmp_path, jobs=1)
    assert list(run.metrics) == list(study.models)
    for member, figures in run.metrics.items():
        assert figures["auc"]["value"] > 0.6, member
    assert run.files.report_file.is_file()
