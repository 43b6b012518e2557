"""The study of networks in few bits from start to finish, on jets of the shipped sample."""

from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load
from bunchtrain.trained_files import load as load_trained_model

TINY = {
    "select": "jet_pt > 600",
    "source": {"name": "files", "files": str(SAMPLE)},
    "targets": {"jet": {"classes": {"q": "is_top == 0", "t": "is_top == 1"}}},
    "training.epochs": 2,
    "models.learned.training.epochs": 3,
    "models.small": None,
    "models.boosted_trees": None,
    "models.pruned": None,
    "models.float": None,
    "models.binary": None,
    "models.ternary": None,
}


def test_trigger_jets_runs_from_end_to_end(tmp_path):
    run = bunchtrain.run(load("trigger_jets", size="demo", **TINY), runs=tmp_path / "runs", jobs=1)
    assert all(figures["auc"]["value"] > 0.6 for figures in run.metrics.values())
    for name in ("fixed_6", "post_training_8", "learned"):
        network = load_trained_model(run.files.model(name)).network
        assert float(network.model.bit_operations().detach()) > 0, name
