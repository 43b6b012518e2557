import re
import shutil
import subprocess

import pytest

from bunchtrain.plots import plot_roc
from bunchtrain.report import ModelSummary, Plot, Report, Section, Table, render
from bunchtrain.report.key_table import Published
from bunchtrain.report.results import Results
from bunchtrain.statistics.classification import measure_classification, signal_roc
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.targets import Target

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def report(jets):
    scores, truth = jets
    values = {"auc": Measurement(0.982), "rejection_30": Measurement(888.0, 17.0)}
    source = Published("arXiv:1902.09914, Table 1", values)
    metrics = measure_classification(scores, truth, None, Target("jet", ("qcd", "top")))
    model = ModelSummary("pfn", "Particle Flow Network", metrics, "1810.05165", published=source)
    roc = plot_roc({"pfn": signal_roc(scores, truth, None, 1)})
    return Report(
        "Top tagging <b>",
        [model],
        note="Pythia stand-ins (doi:10.5281/zenodo.2603256).",
        plots=[
            Plot("The ROC.", roc),
            Plot("From a file.", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ],
        sections=[Section("Weights", [], [Table("Closure.", ["Weights", "AUC"], [["pfn", 0.51]])])],
        data=[Table("Events.", ["Class", "Test"], [["top", 3000]])],
        study_yaml="name: <top>",
        environment={"torch": "2.13.0"},
    )


def open_in_chromium(path):
    flags = (
        "headless=new no-sandbox disable-gpu disable-dev-shm-usage enable-logging=stderr dump-dom"
    )
    command = [CHROMIUM, *(f"--{flag}" for flag in flags.split()), path.as_uri()]
    command.insert(1, f"--user-data-dir={path.parent / 'profile'}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def test_report_contains_metrics_published_values_sections_and_the_note(report):
    html = render(report)
    auc = report.models[0].metrics["auc"]["value"]
    for text in (f"{auc:.3f}", "888 ± 17", "Table 1", "Pythia stand-ins", "1/ε<sub>B</sub>"):
        assert text in html
    assert '<a href="https://doi.org/10.5281/zenodo.2603256">' in html
    assert '<a href="#section-1">Weights</a>' in html
    assert "<caption><span>Closure.</span></caption>" in html
    assert "Top tagging &lt;b&gt;" in html
    assert "name: &lt;top&gt;" in html


def test_the_report_loads_nothing(report):
    loaded = re.findall(r"""(?:src=|<link[^>]*href=|url\()["']?([^"')\s>]+)""", render(report))
    assert len(loaded) >= 3
    assert all(address.startswith("data:") for address in loaded)


def test_a_report_of_models_alone_is_short(report):
    html = render(Report("Bare", [ModelSummary("a", "b", {})]))
    assert len(html) < 20_000
    assert 'id="plots"' not in html


def test_the_same_report_is_the_same_file(report):
    assert render(report) == render(report)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")
def test_a_browser_opens_it_without_requests_or_errors(report, tmp_path):
    good, bad = tmp_path / "good.html", tmp_path / "bad.html"
    good.write_text(render(report))
    bad.write_text(
        render(report).replace("<header>", '<header><img src="https://x.invalid/a.png">')
    )
    page, errors = open_in_chromium(good)
    assert errors == []
    assert "Metrics on the test set" in page
    # The policy in the page turns any request into a console error; see that it does.
    assert "Content Security Policy" in open_in_chromium(bad)[1][0]


def test_a_large_svg_is_saved_as_png(jets, tmp_path, monkeypatch):
    monkeypatch.setattr("bunchtrain.plots.pictures.MAX_SVG_BYTES", 1000)
    scores, truth = jets
    roc = plot_roc({"pfn": signal_roc(scores, truth, None, 1)})
    metrics = {"pfn": {"auc": {"value": 0.9, "error": 0.1}}}
    plots = [Plot("ROC.", roc, model="pfn"), Plot("SVG.", "<svg/>")]
    table = Table("Closure.", ["Weights", "AUC"], [["pfn", 0.51]])
    Results(metrics, plots, [table], {"x": 1}, "Title").save(tmp_path)
    found = Results.load(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "results.json",
        "plot_0.png",
        "plot_1.svg",
    }
    assert found.plots[0].figure.startswith("data:image/png;base64,")
    assert found.plots[0].figure in render(Report("R", [], plots=found.plots))
    assert (found.plots[0].model, found.plots[1].figure) == ("pfn", "<svg/>")
    assert (found.metrics, found.details, found.title) == (metrics, {"x": 1}, "Title")
    assert found.tables == [table]
    Results().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
