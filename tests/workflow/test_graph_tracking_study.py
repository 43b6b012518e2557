"""The study of tracks in a full detector, with few events, where ACTS is."""

from importlib.util import find_spec

import awkward as ak
import pytest

import bunchtrain
from bunchtrain.report.results import Results
from bunchtrain.study import load

pytestmark = pytest.mark.skipif(
    find_spec("acts") is None or find_spec("pythia8mc") is None,
    reason="needs pip install 'bunchtrain[acts]'",
)


def test_graph_tracking(tmp_path, monkeypatch):
    """Two pile-ups of training and three of tests, here of 0 to 2 collisions."""
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    given = {"training.epochs": 1, "training.threads": 1}
    for place, pile_up in (
        *(("source.tables.0", 0), ("source.tables.1", 1), ("stages.quiet.source", 0)),
        *(("stages.busy.source", 1), ("stages.crowded.source", 2)),
    ):
        given |= {f"{place}.events": 20, f"{place}.part": 20, f"{place}.pool": 5}
        given |= {f"{place}.pile_up": pile_up, f"{place}.processes": 1}
    run = bunchtrain.run(load("graph_tracking", **given), runs=tmp_path / "runs", jobs=1)
    for name in ("on_quiet", "on_busy", "on_crowded"):
        metrics = run.metrics[f"{name}.graph_network"]
        assert 0 <= metrics["track_efficiency"]["value"] <= 1
        place = run.files.path / "evaluations" / f"{name}.tracking_efficiency"
        rows = {row[0] for row in Results.load(place).tables[0].rows}
        assert rows == {"graph_network", "Kalman filter", "Kalman filter, wide seeds"}
        table = ak.from_parquet(run.files.path / "stages" / name / "table.parquet")
        assert len(table) == 18  # of 20 one is for training and one for validation
        assert ak.num(table.graph_network_tracks).to_list() == ak.num(table.hit_x).to_list()
        assert (
            ak.num(table.graph_network_same).to_list()
            == ak.num(table.graph_network_edge_first).to_list()
        )
