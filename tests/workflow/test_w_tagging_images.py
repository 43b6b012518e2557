"""The study of jet images from start to finish, on jets of the shipped sample."""

from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load

TINY = {
    "source": {"name": "files", "files": str(SAMPLE)},
    "select": "event_id < 500",
    "targets": {"jet": {"classes": {"qcd": "is_top == 0", "w": "is_top == 1"}}},
    "representation.pixels": 12,
    "models.image_cnn.model.filters": [[4], [4]],
    "training.epochs": 2,
    "training.threads": 1,
    "models.high_level": None,
}


def test_the_report_shows_the_difference_image_and_what_the_network_learned(tmp_path):
    run = bunchtrain.run(load("w_tagging_images", **TINY), runs=tmp_path, jobs=1)
    assert run.metrics["mass_and_tau21"]["auc"]["value"] > 0.6
    page = run.files.report_file.read_text(encoding="utf-8")
    assert "Mean images of both classes and their difference, image_cnn." in page
    assert "Correlation of each pixel with the probability of w" in page
