"""Evaluations of a run: checked before work, made by a command, of another package, of folds."""

import copy
import json
import shutil
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import STUDY, command  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain import parts
from bunchtrain.errors import RunError, StudyError
from bunchtrain.evaluations._evaluation import Evaluation
from bunchtrain.report import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.workflow.evaluate import evaluation_parts
from bunchtrain.workflow.run import FoldedRun, Run

TWICE = [
    {"name": "efficiency_profile", "against": ["jet_pt"]},
    {"name": "efficiency_profile", "against": ["jet_mass"]},
]


class CountEvents(Evaluation):
    """Counts the events of the test set."""

    def __init__(self, *, unit: str = "jets") -> None:
        self.unit = unit

    def evaluate(self, run):
        """Return the count."""
        figure = "<svg xmlns='http://www.w3.org/2000/svg'/>"
        return Results(
            {name: {"count": {"value": len(run.predictions)}} for name in run.models},
            [Plot("A drawing of all events.", figure), Plot("Of the flow.", figure, model="flow")],
            [Table("Number of events.", ["Unit", "Count"], [[self.unit, len(run.predictions)]])],
            title="Events of the test set",
        )


@pytest.fixture
def old_run(finished, tmp_path):
    """A copy of the run as release 0.1 wrote it: `members/`, no evaluations, schema or manifest."""
    folder = tmp_path / "old"
    ignore = shutil.ignore_patterns("evaluations", "manifest.json")
    shutil.copytree(finished.folder, folder, ignore=ignore)
    (folder / "models").rename(folder / "members")
    table = pq.read_table(folder / "predictions.parquet")
    pq.write_table(table.replace_schema_metadata(None), folder / "predictions.parquet")
    return bunchtrain.open_run(folder)


@pytest.fixture
def third_party(monkeypatch):
    """`count_events`, an evaluation that another package adds by an entry point."""
    group = "bunchtrain.evaluation"
    entry = EntryPoint("count_events", f"{__name__}:CountEvents", group)
    monkeypatch.setattr(parts.registry, "_entry_points", lambda: EntryPoints([entry]))
    parts.locate.cache_clear()
    yield
    monkeypatch.undo()
    parts.locate.cache_clear()


def write(folder, **changes):
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**copy.deepcopy(STUDY), **changes}))
    return path


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ([TWICE[0], TWICE[0]], "'efficiency_profile' is listed twice with the same options"),
        (
            [{**TWICE[0], "against": ["jet_mas"]}],
            "'jet_mas' is not listed.*did you mean 'jet_mass'",
        ),
        (["regression"], "regression"),
        ([{"name": "classification", "target": "jets"}], "target 'jets'.*did you mean 'jet'"),
        (["clasification"], "no evaluation named 'clasification'; did you mean 'classification'"),
        (["decorrelation"], "'decorrelation' needs the option 'against'"),
    ],
)
def test_an_unsuitable_evaluation_is_one_sentence_before_any_work(tmp_path, evaluation, message):
    with pytest.raises(StudyError, match=message) as caught:
        bunchtrain.run(write(tmp_path, evaluation=evaluation), runs=tmp_path / "runs")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_evaluations_listed_twice_have_their_own_results(tmp_path):
    study = bunchtrain.load(write(tmp_path, evaluation=TWICE))
    assert list(evaluation_parts(study))[:2] == ["efficiency_profile", "efficiency_profile_2"]


def test_a_run_of_release_0_1_is_read_and_its_evaluations_are_made(finished, old_run):
    assert old_run.predictions.contents == finished.predictions.contents
    for name, values in finished.predictions.columns.items():
        np.testing.assert_array_equal(values, old_run.predictions.columns[name])
    assert set(old_run.models) == {"trees", "flow"}
    page = old_run.report().path.read_text(encoding="utf-8")
    assert old_run.metrics == finished.metrics
    for text in ("Background rejection against signal efficiency", "Score on the test set"):
        assert text in page


def test_the_command_evaluates_a_finished_run_and_the_report_contains_it(old_run, tmp_path):
    options = ("against=jet_mass", "edges=[0, 60, 120, 300]")
    done = command("evaluate", "decorrelation", old_run.folder, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1/JSD at ε_S = 0.5" in done.stdout
    assert "of jet_mass" in old_run.files.report_file.read_text(encoding="utf-8")
    assert old_run.metrics["trees"]["inverse_jsd_50"]["value"] > 1
    wrong = command("evaluate", "decorrelation", old_run.folder, "against=jet_mas", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_an_evaluation_of_another_package_is_a_section_of_the_report(
    old_run, third_party, tmp_path
):
    results = bunchtrain.evaluate(old_run, "count_events", unit="tops")
    assert results.tables[0].rows == [["tops", len(old_run.predictions)]]
    page = old_run.files.report_file.read_text(encoding="utf-8")
    for text in ("<h2>Events of the test set</h2>", "A drawing of all events.", "Of the flow."):
        assert text in page
    assert old_run.metrics["flow"]["count"]["value"] == len(old_run.predictions)
    saved = json.loads((old_run.folder / "evaluations/count_events/results.json").read_text())
    assert saved["title"] == "Events of the test set"
    study = bunchtrain.load(write(tmp_path, evaluation=["count_events"]))
    assert evaluation_parts(study)["count_events"] == ("count_events", {})


def test_folds_are_evaluated_as_one_run(old_run, third_party):
    old_run.report()
    halves = [Run(old_run.files), Run(old_run.files)]
    for start, half in enumerate(halves):
        half.predictions = old_run.predictions.take(slice(start, None, 2))
    folded = FoldedRun(halves)
    assert folded.folds == 2
    assert sorted(folded.predictions.columns["entry"]) == sorted(
        old_run.predictions.columns["entry"]
    )
    before = old_run.metrics
    results = bunchtrain.evaluate(halves, "count_events")
    assert results.metrics["flow"]["count"]["value"] == len(old_run.predictions)
    assert old_run.metrics == before
    with pytest.raises(RunError, match="two of the runs test the same events"):
        bunchtrain.evaluate([old_run, old_run], "count_events")
