"""The shipped study of a trigger with a rate budget, with a small table in place of its jets."""

import numpy as np
import pytest

import bunchtrain
from bunchtrain.study import load, validate

pytest.importorskip("gymnasium", reason="pip install 'bunchtrain[environments]'")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rates")
    random = np.random.default_rng(1)
    label = random.integers(2, size=3000)
    x = random.normal(size=3000) + 2 * label
    table = np.stack([x, random.normal(size=3000), label], 1)
    np.savetxt(folder / "jets.csv", table, delimiter=",", header="x,y,is_tau", comments="")
    fills = np.stack([np.repeat([1, 2], 30), np.tile(np.linspace(1, 0.5, 30), 2)], 1)
    np.savetxt(folder / "fills.csv", fills, delimiter=",", header="fill,lumi", comments="")
    place = "stages.menu.rollout"
    study = load(
        "rate_control",
        f"source={{name: files, files: {folder / 'jets.csv'}}}",
        "split={name: fraction, train: 0.5, validation: 0.1, test: 0.4}",
        "representation={name: table, features: [x, y]}",
        "models.boosted_trees.model={name: boosted_trees, trees: 5}",
        f"{place}.environment.profile={folder / 'fills.csv'}",
        f"{place}.environment.profile_luminosity=lumi",
        f"{place}.environment.profile_fill=fill",
        f"{place}.environment.blocks=25",
        f"{place}.environment.budget=10.0",
        f"{place}.episodes=2",
    )
    return bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_the_policies_are_compared(run):
    found = run.metrics
    assert {"boosted_trees", "fixed", "adaptive", "limit"} <= set(found)
    assert found["limit"]["rate_spread"]["value"] <= found["fixed"]["rate_spread"]["value"]
    assert found["adaptive"]["stream_efficiency"]["error"] > 0
    assert (run.folder / "stages/menu/table.parquet").is_file()
    assert "Rate control" in (run.folder / "report.html").read_text(encoding="utf-8")


def test_a_study_of_stages_alone_has_metrics_and_a_report(run):
    table = {"name": "files", "files": run.study.source.options["files"]}
    stream = {"name": "event_stream", "table": "source", "scores": ["x"], "signal": "is_tau == 1",
              "budget": 10.0, "blocks": 5}  # fmt: skip
    menu = {"rollout": {"environment": stream, "policy": "fixed", "episodes": 2}}
    study = {
        "name": "stages_alone",
        "source": table,
        "stages": {"menu": menu},
        "evaluation": [{"name": "rate_control", "rollout": "menu"}],
    }
    made = bunchtrain.run(validate(study), runs=run.folder.parents[1])
    first = made.metrics
    assert first["fixed"]["stream_efficiency"]["value"] > 0
    again = bunchtrain.run(validate(study), runs=run.folder.parents[1])
    assert again.metrics == first
    (again.folder / "metrics.json").unlink()
    assert bunchtrain.resume(again.folder).metrics == first
    assert "Rate control" in str(again.report().path.read_text(encoding="utf-8"))
    assert "fixed" in again._repr_html_()
