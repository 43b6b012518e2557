import re
import shutil
import subprocess

import pytest

from bunchtrain.plots import plot_roc
from bunchtrain.report import Member, Plot, Report, Table, render
from bunchtrain.report.key_table import published
from bunchtrain.statistics.classification import measure_classification, signal_roc

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def report(jets):
    scores, truth = jets
    source = published("arXiv:1902.09914, Table 1", auc=0.982, rejection={0.3: (888.0, 17.0)})
    metrics = measure_classification(scores, truth, None, ["qcd", "top"])
    member = Member("pfn", "Particle Flow Network", metrics, "1810.05165", published=source)
    roc = plot_roc({"pfn": signal_roc(scores, truth, None, 1)})
    return Report(
        "Top tagging <b>",
        [member],
        note="Pythia stand-ins (doi:10.5281/zenodo.2603256).",
        plots=[
            Plot("The ROC.", roc),
            Plot("Drawn elsewhere.", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ],
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


def test_the_report_holds_figures_published_values_and_the_note(report):
    html = render(report)
    auc = report.members[0].metrics["auc"]["value"]
    for text in (f"{auc:.3f}", "888 ± 17", "Table 1", "Pythia stand-ins", "1/ε<sub>B</sub>"):
        assert text in html
    assert '<a href="https://doi.org/10.5281/zenodo.2603256">' in html
    assert "Top tagging &lt;b&gt;" in html
    assert "name: &lt;top&gt;" in html


def test_the_report_loads_nothing(report):
    loaded = re.findall(r"""(?:src=|<link[^>]*href=|url\()["']?([^"')\s>]+)""", render(report))
    assert len(loaded) >= 3
    assert all(address.startswith("data:") for address in loaded)


def test_a_report_of_networks_alone_is_short(report):
    html = render(Report("Bare", [Member("a", "b", {})]))
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
    page, complaints = open_in_chromium(good)
    assert complaints == []
    assert "Figures on the test set" in page
    # The policy in the page turns any request into a console error; see that it does.
    assert "Content Security Policy" in open_in_chromium(bad)[1][0]
