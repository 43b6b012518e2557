"""The graph of a run's stages in its report."""

import re
from xml.etree import ElementTree

import pytest

from bunchtrain.report import ModelSummary, Report, render
from bunchtrain.report.stage_graph import GAP, HEIGHT, NARROWEST, PAGE, StageBox, stage_graph
from bunchtrain.workflow.graph.record import StageRecord, write_record
from bunchtrain.workflow.write_report import stage_boxes


def box(name, *inputs, kind="train", state="ran", time="12 s", **more):
    return StageBox(name, kind, inputs, state, time, **more)


def many(count):
    """Return the stages of a study with this many models."""
    trains = [box(f"train.{k}", "prepare") for k in range(count)]
    predicts = [box(f"predict.{k}", f"train.{k}") for k in range(count)]
    names = [one.name for one in predicts]
    evaluates = [box(f"evaluate.{k}", "all", *(t.name for t in trains)) for k in range(10)]
    return [box("source"), box("prepare", "source"), *trains, *predicts, box("all", *names),
            *evaluates]  # fmt: skip


def rectangles(graph):
    found = ElementTree.fromstring(graph).iter("rect")
    return [tuple(float(one.get(key)) for key in ("x", "y", "width", "height"))
            for one in found if one.get("class") == "box"]  # fmt: skip


@pytest.mark.parametrize("stages", [[box("a")], many(1), many(3), many(19)])
def test_boxes_are_in_the_drawing_and_do_not_overlap(stages):
    graph = stage_graph(stages)
    width, height = (float(ElementTree.fromstring(graph).get(key)) for key in ("width", "height"))
    boxes = rectangles(graph)
    assert len(boxes) == len(stages)
    assert width <= PAGE
    for index, (x, y, w, h) in enumerate(boxes):
        assert 0 < x < width - w
        assert 0 < y < height - h
        assert (w >= NARROWEST, h) == (True, HEIGHT)
        for other_x, other_y, _, _ in boxes[:index]:
            assert abs(x - other_x) >= w + GAP or abs(y - other_y) > h


def test_arrows_lead_right_and_none_is_implied_by_others():
    stages = [box("a"), box("b", "a"), box("c", "a", "b", "missing"), box("d", "a", "b", "c")]
    paths = re.findall(r'class="arrow" d="M(\S+) \S+C\S+ \S+ \S+ \S+ (\S+) ', stage_graph(stages))
    assert len(paths) == 3
    assert all(float(start) < float(end) for start, end in paths)


def test_a_repeated_stage_is_a_pile():
    assert len(rectangles(stage_graph([box("toys", kind="repeat")]))) == 3


def test_names_are_escaped_and_shortened_to_the_box():
    graph = stage_graph([box("train.<b>" + 40 * "x", details="why & where")])
    texts = [one.text for one in ElementTree.fromstring(graph).iter("text")]
    assert re.fullmatch("<b>x+…", texts[0])
    assert len(texts[0]) < 20
    assert texts[1] == "train · 12 s"
    assert "why &amp; where" in graph


def test_the_record_of_a_run_is_shown(tmp_path):
    assert stage_boxes(tmp_path) == []
    key = {"key": "0" * 64}
    for name, record in {
        "prepare": StageRecord(
            **key, kind="prepare", state="finished", seconds=3.21, memory_mb=99.6
        ),
        "train.a": StageRecord(
            **key, kind="train", inputs=["prepare"], state="finished", reused_from="runs/s/first"
        ),
        "train.b": StageRecord(
            **key, kind="train", inputs=["prepare"], state="failed", seconds=150, why="no memory"
        ),
    }.items():
        write_record(tmp_path, name, record)
    found = stage_boxes(tmp_path)
    assert [(one.name, one.state, one.time, one.memory, one.details) for one in found] == [
        ("prepare", "ran", "3.2 s", "100 MB", ""),
        ("train.a", "reused", "reused", "–", "from first"),
        ("train.b", "failed", "2.5 min", "–", "no memory"),
    ]
    page = render(Report("A run", [ModelSummary("a", "pfn", {})], stages=found))
    for text in ('<section id="stages">', "train.b: failed, 2.5 min, no memory", "100 MB",
                 '<span class="reused">reused from another run</span>'):  # fmt: skip
        assert text in page


def test_a_run_without_a_record_has_no_section():
    page = render(Report("A run", [ModelSummary("a", "pfn", {})]))
    assert "stages" not in page.partition("<body")[2]
