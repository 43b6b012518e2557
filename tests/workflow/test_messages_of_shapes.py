"""Errors of points, edges, assignments, series and methods: one sentence each, by the command."""

import sys
from copy import deepcopy
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import yaml

from bunchtrain.cli.main import main
from bunchtrain.errors import LONGEST
from bunchtrain.tables.writing import write_table

EVENTS = 120


def make_events():
    """Return events with hits, edges between neighbours, items of a particle, and a time."""
    random = np.random.default_rng(1)
    counts = random.integers(4, 9, EVENTS)
    hits, edges = int(counts.sum()), int(counts.sum()) - EVENTS
    first = np.concatenate([np.arange(n - 1) for n in counts])
    items = np.stack([random.permutation(n)[:3] for n in counts])
    lists = {f"hit_{name}": random.normal(size=hits) for name in "xyz"}
    lists["hit_track"] = random.integers(-1, 3, hits)
    found = {name: ak.unflatten(values, counts) for name, values in lists.items()}
    of_edges = {"first": first, "second": first + 1, "true": random.integers(0, 2, edges)}
    of_edges["w"] = random.normal(size=edges)
    found |= {f"edge_{name}": ak.unflatten(v, counts - 1) for name, v in of_edges.items()}
    found |= {f"t_{name}": items[:, i] for i, name in enumerate(("b", "q1", "q2"))}
    found |= {"busy": random.integers(0, 2, EVENTS), "time": np.arange(1.0 * EVENTS)}
    return found | {name: random.normal(size=EVENTS) for name in "xyc"}


TABLE = make_events()
EVENT = {"classes": {"quiet": "busy == 0", "loud": "busy == 1"}}
ORIGIN = {"on": "hit", "classes": {"noise": "hit_track < 0", "track": "hit_track >= 0"}}
LINK = {"on": "edge", "classes": {"wrong": "edge_true == 0", "right": "edge_true == 1"}}
PFN = {"name": "particle_flow_network", "phi": [8], "f": [8]}
POINTS = {"group": "hit", "features": ["x", "y", "z"], "coordinates": ["x", "y"]}
LIST = {"name": "edge_list", **POINTS, "edge_features": ["second_x - first_x", "w"]}
STUDIES = {
    "edges": {
        "targets": {"event": EVENT, "origin": ORIGIN, "link": LINK},
        "representation": LIST,
        "model": "graph_network",
    },
    "graph": {
        "targets": {"origin": ORIGIN, "pair": {"on": "edge", "same": "hit_track"}},
        "representation": {"name": "graph", **POINTS, "k": 3},
        "model": PFN,
    },
    "tops": {
        "targets": {
            "tops": {"on": "hit", "assign": {"t": {"b": "t_b", "q1": "t_q1", "q2": "t_q2"}}}
        },
        "representation": {"name": "point_cloud", **POINTS, "max_points": 8},
        "model": PFN,
    },
    "flat": {
        "targets": {"event": EVENT},
        "representation": {"name": "table", "features": ["x", "y"]},
        "model": {"name": "dense_network", "widths": [8]},
    },
    "method": {
        "truth": {"kind": EVENT},
        "representation": {"name": "table", "features": ["x", "y"]},
        "method": {"name": "flow_matching", "widths": [8], "steps": 2},
    },
    "series": {
        "windows": {"length": 8, "time": "time", "columns": ["x", "y"]},
        "truth": {"kind": EVENT},
        "split": {"name": "time", "column": "time", "validation_from": 60, "test_from": 90},
        "representation": {"name": "window", "features": ["window_x", "window_y"], "length": 8},
        "method": {"name": "autoencoder", "latent": 2, "widths": [8]},
    },
}


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command in a new folder: exit code, last line of errors."""
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["bunchtrain", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        lines = capsys.readouterr().err.splitlines() or [""]
        return ended.value.code, lines

    return run


def write_study(name, changes, form="parquet", table=TABLE):
    """Write the events and a study of them with values at dotted keys changed, None removed."""
    flat = {n: v for n, v in table.items() if form != "csv" or isinstance(v, np.ndarray)}
    write_table(f"events.{form}", [flat], "events")
    study = deepcopy(STUDIES[name]) | {"name": "s", "training": {"epochs": 1, "batch_size": 32}}
    study["source"] = {"name": "files", "files": f"events.{form}"}
    for key, value in changes.items():
        *path, last = key.split(".")
        place = study
        for word in path:
            place = place.setdefault(word, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = deepcopy(value)
    Path("s.yaml").write_text(yaml.safe_dump(study))


def refused(command, words=("run", "s.yaml")):
    """Return the message of a command that must end with one sentence."""
    code, lines = command(*words)
    assert code == 2, lines
    assert lines[-1].startswith("bunchtrain: ")
    assert sum(line.startswith("bunchtrain: ") for line in lines) == 1
    assert len(lines[-1]) <= LONGEST + len("bunchtrain: ")
    return lines[-1].removeprefix("bunchtrain: ").removeprefix("s.yaml: ")


TRACKS = {"transforms": {"t": {"name": "connected_components", "target": "pair"}}}
IDS = {"truth": {"p": {"on": "hit", "ids": "hit_track"}}}
SEARCH = {"name": "triplet_search", "group": "hit", "layer": "z"}
METHOD = {"model": None, "method": {"name": "pca", "components": 1}}
BEFORE_DATA = [
    ("edges", {"targets.origin.on": "track"}, "targets.origin.on: 'track' is neither event, edge"),
    ("edges", {"representation.group": "hits"}, "'hit' is neither event, edge nor 'hits', the gro"),
    ("edges", {"loss": {"name": "cross_entropy", "target": "orign"}}, "did you mean 'origin'"),
    (
        "edges",
        {"loss": {"name": "cross_entropy", "target": "origin"}},
        "targets.event: no model pr",
    ),
    ("edges", {"truth": {"p": {"ids": "busy"}}}, "truth.p: 'ids' belongs to a target of points"),
    ("edges", {"model": PFN, "targets.link": None}, "does not take the tensor 'edge_features', wh"),
    ("edges", {"truth": {"p": {"on": "edge", "ids": "edge_w"}}}, "'ids' belongs to a target of po"),
    ("graph", {**TRACKS, "transforms.t.target": "origin"}, "needs a target of edges with classes"),
    ("graph", {**TRACKS, "transforms.t.target": "pairs"}, "did you mean 'pair'"),
    ("graph", {**TRACKS, "targets.pair": None}, "needs target 'pair' of edges with classes; give"),
    (
        "graph",
        {"transforms": {"t": SEARCH}},
        "transforms.t: transform 'triplet_search' reads no pr",
    ),
    ("graph", {"evaluation": "tracking_efficiency"}, "needs a transform"),
    (
        "graph",
        TRACKS | IDS | {"evaluation": [{"name": "tracking_efficiency", "baseline": SEARCH}]},
        "what the baseline reads must be in 'spectators': transform 'triplet_search' needs",
    ),
    ("tops", {"targets.tops.on": "jet"}, "'jet' is neither event, edge nor 'hit'"),
    ("tops", {"targets.tops.on": "edge"}, "'assign' needs the group of its items as 'on'"),
    ("tops", {"representation.max_points": 2}, "a particle has 3 products, and representation 'po"),
    ("flat", METHOD, "targets.event: no model predicts it; add a term of the loss, or put it into"),
    ("flat", {"method": "pca"}, "give 'model' or 'method', not both"),
    ("flat", {"representation.condition": ["c"]}, "does not take the tensor 'condition', which wo"),
    ("method", {"loss": "cross_entropy"}, "loss: a method has its own loss and does not use this"),
    ("method", {"posterior": "mc_dropout"}, "posterior: a method has its own loss"),
    (
        "method",
        {"models": {"a": {"calibration": ["temperature"]}}},
        "models.a.calibration: a method has its own loss",
    ),
    ("method", {"evaluation": "anomaly_detection"}, "needs a method with an anomaly score"),
    ("method", {"method": None, "model": "dense_network"}, "key 'targets' is missing: a model is"),
    ("series", {"split.test_from": 50}, "validation_from (60) must be below test_from (50)"),
]


@pytest.mark.parametrize(("name", "changes", "message"), BEFORE_DATA)
def test_before_the_data_are_read(command, name, changes, message):
    write_study(name, changes)
    Path("events.parquet").unlink()  # it is not opened
    assert message in refused(command)


OF_DATA = [
    (
        "edges",
        {"targets.origin.classes.noise": "busy == 0"},
        "targets.origin: 'busy == 0' must give",
    ),
    ("edges", {"targets.event.classes.loud": "hit_x > 0"}, "targets.event: 'hit_x > 0' must be tr"),
    ("edges", {"targets.event": {"values": {"v": "hit_x"}}}, "targets.event: 'hit_x' must give o"),
    ("edges", {"truth": {"p": {"on": "hit", "ids": "busy"}}}, "truth.p: 'busy' must give a list"),
    (
        "edges",
        {"truth": {"p": {"on": "hit", "ids": "edge_first"}}},
        "items, and the group 'hit' ha",
    ),
    ("edges", {"truth": {"p": {"on": "hit", "ids": "hit_x"}}}, "truth.p.ids: 'hit_x' must be an i"),
    ("edges", {"targets.origin.classes.track": "hit_track > 0"}, "a point is in no class; each p"),
    ("edges", {"targets.origin.classes.track": "hit_x < 99"}, "in the classes 'noise' and 'track'"),
    (
        "edges",
        {"targets.origin.classes": {"noise": "hit_x > 99", "track": "hit_x <= 99"}},
        "targets.origin: each point of the training set is of class 'track'",
    ),
    (
        "edges",
        {"targets.link.classes": {"wrong": "edge_w > 99", "right": "edge_w <= 99"}},
        "targets.link: each edge of the training set is of class 'right'",
    ),
    (
        "edges",
        {"targets.origin.classes.track": "hit_trak >= 0"},
        "targets.origin: the source has no",
    ),
    ("edges", {"representation.features": ["q"]}, "representation 'edge_list': 'q' in 'q' is neit"),
    ("edges", {"representation.edge_features": ["x"]}, "write 'first_x' or 'second_x' for that of"),
    ("edges", {"representation.edges": "link"}, "the data have no column 'link_first', the indice"),
    ("graph", {"targets.pair.same": "busy"}, "targets.pair: 'busy' must give a list for each even"),
    ("graph", {"targets.pair.same": "hit_trak"}, "targets.pair: the source has no column 'hit_tra"),
    ("flat", {"rows": "Jet"}, "rows: the data have no columns 'Jet_…'"),
    ("tops", {"targets.tops.assign.t.b": "t_q1"}, "is both 't_b' and 't_q1'; an item has one role"),
    ("tops", {"targets.tops.assign.t.b": "hit_x"}, "targets.tops: 'hit_x' must give one number"),
    ("tops", {"targets.tops.assign.t.b": "0 * t_b - 1"}, "no event with all items of a particle"),
    ("series", {"windows.time": "tme"}, "windows: the data have no column 'tme'"),
    ("series", {"windows.time": "hit_x"}, "windows.time: 'hit_x' must give one number per event"),
    ("series", {"windows.columns": ["hit_x"]}, "windows.columns: 'hit_x' is of type 'var * float"),
    ("series", {"windows.length": 500, "representation.length": 500}, "are nowhere 500 rows in a"),
    ("series", {"windows.series": "entry_of", "define": {"entry_of": "1"}}, "windows: the data ha"),
    ("series", {"windows.series": "x"}, "are nowhere 8 rows that share the 'x' of the row before"),
    ("series", {"representation.length": 9}, "'window_x' must give lists of 9 numbers"),
    ("series", {"split": {"name": "fraction"}}, "divides windows at random, and they overlap"),
]


@pytest.mark.parametrize(("name", "changes", "message"), OF_DATA)
def test_columns_that_do_not_fit(command, name, changes, message):
    write_study(name, changes)
    assert message in refused(command)


def replaced(column, value, at=7, to=None):
    """Return the events with one value of a column, or of its lists one after another, replaced."""
    values = TABLE[column]
    flat = values.copy() if isinstance(values, np.ndarray) else ak.to_numpy(ak.flatten(values))
    flat = flat.astype(to or flat.dtype).copy()
    flat[at] = value
    changed = flat if isinstance(values, np.ndarray) else ak.unflatten(flat, ak.num(values))
    return TABLE | {column: changed}


def shortened(column):
    """Return the events, in one of which the last item of a list is missing."""
    values = TABLE[column]
    return TABLE | {column: ak.concatenate([values[:50], values[50:51, :-1], values[51:]])}


EMPTY = {n: v if isinstance(v, np.ndarray) else v[:, :0] for n, v in TABLE.items()}
NO_EDGES = {n: v[:, :0] if n.startswith("edge_") else v for n, v in TABLE.items()}
NAN = float("nan")
DAMAGED = {
    "an index of no hit": ("edges", replaced("edge_second", 99), "entry 1: an edge names point 99"),
    "an index below 0": ("edges", replaced("edge_second", -1), "entry 1: an edge names point -1 i"),
    "indices of reals": ("edges", replaced("edge_second", 2, to=float), "'edge_second' must be in"),
    "indices of NaN": ("edges", replaced("edge_second", NAN, to=float), "'edge_second' must be in"),
    "one end": ("edges", shortened("edge_second"), "entry 50: 'edge_first' and 'edge_second' have"),
    "edge without value": ("edges", shortened("edge_w"), "entry 50: 'edge_w' has"),
    "edge without label": ("edges", shortened("edge_true"), "targets.link: the labels are lists o"),
    "hit without y": ("edges", shortened("hit_y"), "entry 50: column 'hit_y' has"),
    "hit without label": ("edges", shortened("hit_track"), "targets.origin, entry 50: 'hit_track "),
    "no hits": ("graph", EMPTY, "targets.origin: the training set has no point; check the columns"),
    "no edges": ("edges", NO_EDGES, "targets.link: the training set has no edge; check the column"),
    "hit of NaN": ("edges", replaced("hit_x", NAN), "'x' of 'features' is NaN in entry 1"),
    "identifier of NaN": ("graph", replaced("hit_track", NAN, to=float), "'hit_track' is nan at e"),
    "an item twice": ("tops", replaced("t_b", TABLE["t_q1"][7]), "entry 7: item"),
    "an item beyond": ("tops", replaced("t_b", 99), "entry 7: 't_b' is 99, and the event has"),
    "an item of NaN": ("tops", replaced("t_b", NAN, to=float), "'t_b' is nan at entry 7"),
    "half an item": ("tops", replaced("t_b", 0.5, to=float), "entry 7: 't_b' is 0.5 and must be t"),
    "a time that goes back": ("series", replaced("time", 3.0, 50), "entry 50: the time 'time' of "),
    "a time of NaN": ("series", replaced("time", NAN, 50), "entry 50: the time 'time' of 'windows"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["parquet", "root", "h5"])
@pytest.mark.parametrize("what", DAMAGED)
def test_values_that_do_not_fit_name_their_entry(command, what, form):
    name, table, message = DAMAGED[what]
    keep = {"targets.origin.classes": {"left": "hit_x < 0", "right": "hit_x >= 0"}}
    write_study(name, keep if what == "identifier of NaN" else {}, form, table)
    assert message in refused(command)


def test_a_series_of_text_goes_back(command):
    write_study("series", {}, "csv", replaced("time", 3.0, 50))
    assert "events.csv, entry 50: the time 'time' of 'windows' goes back" in refused(command)


def test_a_definition_that_nothing_uses_is_reported(command):
    write_study("flat", {"define": {"used": "x + 1", "other": "x + 2"}, "spectators": ["used"]})
    code, lines = command("run", "s.yaml")
    assert code == 0
    assert [line for line in lines if "nothing uses" in line] == [
        "· define.other: nothing uses this column; remove it, or add it to 'spectators'"
    ]


def run_folder():
    return next(Path("runs/s").iterdir())


def test_what_generates_does_not_predict_and_the_other_way_round(command):
    write_study("method", {})
    assert command("run", "s.yaml")[0] == 0
    run = run_folder()
    found = refused(command, ("predict", run, "events.parquet", "-o", "out.parquet"))
    assert (
        "no model of the run predicts, flow_matching generates events: `bunchtrain gener" in found
    )
    words = ("generate", run, "--rows", 9, "-o", "out.parquet")
    found = refused(command, (*words, "--conditions", "events.parquet"))
    assert "'flow_matching' has no condition, so that 'conditions' would be ignored" in found
    assert "did you mean 'flow_matching'" in refused(command, (*words, "--model", "flow_matchin"))
    assert not Path("out.parquet").exists()


def test_a_model_does_not_generate(command):
    write_study("flat", {})
    assert command("run", "s.yaml")[0] == 0
    found = refused(command, ("generate", run_folder(), "--rows", 9, "-o", "out.parquet"))
    assert "no model of the run generates events, they predict: `bunchtrain predict RUN" in found


def test_conditions_are_given_and_finite(command):
    write_study("method", {"representation.condition": ["c"]})
    assert command("run", "s.yaml")[0] == 0
    words = ("generate", run_folder(), "--rows", 9, "-o", "out.parquet")
    assert "generates events of given c; give a file with these columns" in refused(command, words)
    for name, values, message in (
        ("d", np.ones(9), "has no column 'c'"),
        ("c", np.r_[np.ones(8), NAN], "condition 'c' is nan in row 8 of the conditions"),
        ("c", np.ones(5), "there are 5 conditions for 9 events; give as many"),
    ):
        write_table("given.parquet", [{name: values}], "given")
        assert message in refused(command, (*words, "--conditions", "given.parquet"))


def test_long_windows_may_begin_beyond_the_first_rows(command):
    table = {"x": np.sin(np.arange(1500.0)), "time": np.arange(1500.0)}
    table["busy"] = (np.arange(1500) % 7 == 0).astype(int)
    changes = {"windows.length": 300, "representation.length": 300, "windows.columns": ["x"]}
    changes |= {"representation.features": ["window_x"], "training.epochs": 1}
    changes |= {"split.validation_from": 800, "split.test_from": 1150}
    write_study("series", changes, "parquet", table)
    assert command("run", "s.yaml")[0] == 0
