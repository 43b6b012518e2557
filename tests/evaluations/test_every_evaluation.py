"""The contract of all parts of kind evaluation, on synthetic runs with known answers."""

import json
import math
import re
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import numpy as np
import pytest
import synthetic_runs
from synthetic_runs import SPECTATORS

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._evaluation import Evaluation
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement


@dataclass(frozen=True)
class Case:
    """How an evaluation is tested: on which targets of a synthetic run, with which options."""

    kinds: tuple[str, ...] = ("classes",)
    options: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)  # options of the synthetic run


EDGES = [0, 50, 70, 90, 120, 300]
EFFECT = {synthetic_runs.EFFECT: 0.02}
CASES = {
    "assignment_efficiency": Case(("assignment",), run={"seeds": 2}),
    "classification": Case(run={"conformal": True, "seeds": 2}),
    "decorrelation": Case(options={"against": "jet_mass", "edges": EDGES}),
    "efficiency_profile": Case(("flavours",), {"against": ["jet_pt", "jet_mass"]}),
    "ensemble_improvement": Case(),
    "model_comparison": Case(),
    "parameter_scan": Case(options={"parameter": "mass_point"}),
    "regression": Case(
        ("values",),
        {"against": ["jet_pt"], "subsets": {"hard": "jet_pt > 100"}, "baseline": "first"},
        {"conformal": True, "seeds": 2},
    ),
    "response_curve": Case(options={"by": EFFECT, "steps": 1}, run={"shift": 0.2}),
    "systematic_shift": Case(options={"by": EFFECT}, run={"shift": 0.2, "events": 1000}),
    "working_points": Case(("flavours",), {"fractions": {"light": 0.9, "c": 0.1}}),
}
#: Evaluations of more than predictions, with the tests of their own files.
ELSEWHERE = {
    "alarm_rates",
    "anomaly_detection",
    "anomaly_scores",
    "capsules",
    "clustering_efficiency",
    "excess",
    "expected_sensitivity",
    "feature_importance",
    "firmware_resources",
    "fixed_point_range",
    "generated_events",
    "input_distributions",
    "mean_images",
    "p_value",
    "particle_flow_response",
    "predicted_covariance",
    "predicted_uncertainty",
    "rate_control",
    "residual_noise",
    "reweighting",
    "scan",
    "shower_fractions",
    "two_sample_test",
    "track_parameters",
    "tracking_efficiency",
    "training_curves",
    "vertex_finding",
}
#: Metrics that are settings and have no uncertainty.
EXACT = ("_cut",)


def build(name, **options):
    return parts.build("evaluation", name, CASES[name].options | options)


def run_of(name, **options):
    case = CASES[name]
    return synthetic_runs.run(*case.kinds, **case.run | options)


@pytest.fixture(scope="module", params=sorted(CASES))
def evaluated(request):
    """Name of an evaluation and its results on its synthetic run."""
    run, evaluation = run_of(request.param), build(request.param)
    evaluation.check(run.study)
    return request.param, evaluation.evaluate(run)


def one_sentence(error):
    text = str(error.value)
    return len(text.splitlines()) == 1 and not text.endswith(".") and len(text) < 250


def test_every_evaluation_has_a_case():
    assert set(parts.locate("evaluation")) == set(CASES) | ELSEWHERE


def test_metrics_are_finite_with_an_error_or_a_limit(evaluated):
    for metrics in evaluated[1].metrics.values():
        for name, entry in metrics.items():
            assert math.isfinite(entry["value"]), name
            has_error = entry["error"] is not None or entry.get("limit") == "lower"
            assert has_error or name.endswith(EXACT), name


def test_captions_are_sentences(evaluated):
    _, results = evaluated
    assert results.metrics or results.plots or results.tables
    for shown in [*results.plots, *results.tables]:
        assert shown.caption.endswith(".")
        assert shown.caption[0].isupper() or shown.caption[0].isdigit()


def test_results_survive_their_files(evaluated, tmp_path):
    _, results = evaluated
    results.save(tmp_path)
    loaded = Results.load(tmp_path)
    assert loaded.metrics == json.loads(json.dumps(results.metrics, allow_nan=False))
    assert [vars(p) | {"figure": ""} for p in loaded.plots] == [
        vars(p) | {"figure": ""} for p in results.plots
    ]
    assert all(re.search(r"<svg|^data:image/png", plot.figure) for plot in loaded.plots)
    assert [list(t.rows) for t in loaded.tables] == json.loads(
        json.dumps([list(t.rows) for t in results.tables])
    )
    assert (loaded.title, loaded.details) == (results.title, results.details)


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_empty_table_ends_in_a_sentence(name):
    run = run_of(name)
    run.predictions = run.predictions.take(np.zeros(len(run.predictions), bool))
    with pytest.raises(DataError) as error:
        build(name).evaluate(run)
    assert one_sentence(error)


@pytest.mark.parametrize("name", sorted(CASES))
def test_events_of_one_class_end_in_a_sentence(name):
    run = run_of(name)
    for target in run.predictions.classifications:
        run.predictions = run.predictions.take(run.predictions.truth(target) == 0)
        with pytest.raises(DataError, match="no events of class") as error:
            build(name).evaluate(run)
        assert one_sentence(error)


def with_misspelt_spectator(value):
    """Return an option with its first spectator misspelt; None if it names none."""
    if isinstance(value, str) and value in SPECTATORS:
        return value[:-1]
    if isinstance(value, list) and value and value[0] in SPECTATORS:
        return [value[0][:-1], *value[1:]]
    return None


@pytest.mark.parametrize("name", sorted(CASES))
def test_misspelt_spectators_are_refused_with_the_nearest(name):
    for option, value in CASES[name].options.items():
        wrong = with_misspelt_spectator(value)
        if wrong is not None:
            with pytest.raises(StudyError, match=r"did you mean '(jet_|mass_)") as error:
                build(name, **{option: wrong}).check(run_of(name).study)
            assert one_sentence(error)
            assert f"evaluation '{name}'" in str(error.value)


@pytest.mark.parametrize("name", sorted(CASES))
def test_unknown_targets_are_refused_with_the_nearest(name):
    if "target" not in parts.options(parts.find("evaluation", name)):
        pytest.skip("it has no option 'target'")
    known = {"classes": "jet", "flavours": "flavour", "values": "energy", "assignment": "tops"}
    known = known[CASES[name].kinds[0]]
    with pytest.raises(StudyError, match=f"did you mean '{known}'") as error:
        build(name, target=known + "s").check(run_of(name).study)
    assert one_sentence(error)


@pytest.mark.parametrize(
    "name",
    sorted(name for name, case in CASES.items() if not {"values", "assignment"} & {*case.kinds}),
)
def test_evaluations_of_classes_refuse_a_regression(name):
    with pytest.raises(StudyError, match=f"evaluation '{name}' needs a target with classes"):
        build(name).check(synthetic_runs.study([synthetic_runs.TARGETS["values"]]))


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("classification", ["auc", "accuracy", "rejection_50", "efficiency_at_1"]),
        ("decorrelation", ["inverse_jsd_50"]),
        ("assignment_efficiency", ["event_efficiency", "particle_efficiency"]),
        ("parameter_scan", ["auc/mass_point=500"]),
        ("working_points", ["working_point_70/light", "working_point_70/c"]),
    ],
)
def test_the_uncertainty_is_the_spread_over_toys(name, metrics):
    evaluation, found = build(name), {metric: [] for metric in metrics}
    evaluation.plots = lambda events: ()
    for seed in range(120):
        run = run_of(name, events=1500, seed=seed)
        entries = evaluation.evaluate(run).metrics["first"]
        for metric, values in found.items():
            values.append((entries[metric]["value"], entries[metric]["error"]))
    for metric, values in found.items():
        value, error = np.array(values).T
        assert np.std(value) == pytest.approx(np.mean(error), rel=0.25), metric


class EventCount(Evaluation):
    """Number of events of the test set, as a package of a third party adds it."""

    def __init__(self, *, minimum: int = 0) -> None:
        self.minimum = minimum

    def evaluate(self, run):
        count = float(max(len(run.predictions), self.minimum))
        entry = Measurement(count, math.sqrt(count)).as_dict()
        return Results({name: {"event_count": entry} for name in run.predictions.models})


def test_a_third_party_adds_an_evaluation(monkeypatch):
    entry = EntryPoint("event_count", f"{__name__}:EventCount", "bunchtrain.evaluation")
    monkeypatch.setattr(parts.registry, "_entry_points", lambda: EntryPoints([entry]))
    parts.locate.cache_clear()
    try:
        made = parts.build("evaluation", "event_count", {"minimum": 10})
        run = synthetic_runs.run("classes", events=100)
        made.check(run.study)
        assert made.evaluate(run).metrics["first"]["event_count"] == {"value": 100, "error": 10}
    finally:
        parts.locate.cache_clear()
