"""Whole runs with edges of the data, and with tracks made of predicted edges."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from test_other_shapes import hit_study, write_hits  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._tracking_tables import track_metrics
from bunchtrain.physics.track_matching import MatchedTracks, TrackList, TrueParticles
from bunchtrain.study.loading import validate
from bunchtrain.workflow.displays import display_of

GRAPH = {
    **{"name": "layered_graph", "group": "hit", "layer": "z", "coordinates": ["u", "v"]},
    **{"window": 0.1, "span": 1, "features": ["x", "y", "z", "u", "v"]},
    "edge_features": ["second_u - first_u", "second_v - first_v"],
}
TRACKING = {
    "targets": {"pair": {"on": "edge", "same": "particle"}},
    "truth": {"particle": {"on": "hit", "ids": "hit_track"}},
    "representation": GRAPH,
    "model": {"name": "graph_network", "width": 16, "rounds": 2},
    "transforms": {"tracks": {"name": "connected_components", "one_to_one": True}},
    "spectators": ["hit_x", "hit_y", "hit_z"],
    "training": {"epochs": 5, "batch_size": 16, "learning_rate": 0.005},
    "evaluation": [
        "classification",
        {"name": "tracking_efficiency", "matching": "double_majority",
         "baseline": {"name": "triplet_search", "layer": "z", "scatter": 0.05}},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks")
    events = write_hits(folder / "hits.parquet", 400)
    study = hit_study(folder / "hits.parquet", **TRACKING)
    return folder, events, study, bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)


def test_tracks_are_a_table_and_an_index_of_each_hit(tracks):
    _, events, _, run = tracks
    found = run.metrics["graph_network"]
    assert found["track_efficiency"]["value"] > 0.85
    assert found["fake_rate"]["value"] < 0.15
    assert found["track_efficiency"]["error"] > 0
    table = ak.from_parquet(run.folder / "tracks_graph_network.parquet")
    index = run.predictions.columns["graph_network_tracks"]
    entry = run.predictions.columns["entry"]
    assert ak.all(ak.num(index) == ak.num(events.hit_x[entry]))
    assert ak.sum(table["size"]) == ak.sum(index >= 0)
    assert ak.min(table["size"]) >= 3
    first = table[0]
    own = events.hit_track[first.entry][first.points]
    assert first.majority == ak.sum(own == first.true_object)
    assert "triplet_search" in run.report().path.read_text(encoding="utf-8")


def test_predictions_of_a_file_have_the_track_of_each_hit(tracks):
    folder, _, _, run = tracks
    run.predict(str(folder / "hits.parquet"), folder / "scores.parquet")
    found = ak.from_parquet(folder / "scores.parquet").graph_network_tracks
    entry = run.predictions.columns["entry"]
    assert found[entry].to_list() == run.predictions.columns["graph_network_tracks"].to_list()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transforms": {"tracks": "triplet_search"}}, "reads no predictions; use it as the"),
        ({"transforms": {}}, "needs a transform"),
        ({"truth": {}, "targets": {"pair": {"on": "edge", "same": "hit_track"}}}, "with 'ids'"),
        (
            {"transforms": {"tracks": {"name": "connected_components", "target": "pears"}}},
            "did you mean 'pair'",
        ),
        ({"evaluation": [{"name": "tracking_efficiency", "against": ["hit_x"]}]}, "no column of p"),
        (
            {"evaluation": [{"name": "tracking_efficiency", "baseline": "connected_components"}]},
            "reads predictions; list it in 'transforms'",
        ),
        (
            {"evaluation": [{"name": "tracking_efficiency", "baseline": "condensation"}]},
            "'condensation' reads predictions; list it in 'transforms'",
        ),
    ],
)
def test_what_does_not_fit_is_rejected_before_work(tracks, changes, message):
    folder, _, study, _ = tracks
    with pytest.raises(StudyError, match=message):
        bunchtrain.run(validate(study | changes), runs=folder / "none", jobs=1)


def write_particles_and_tracks(path, events):
    """Particles by index, and tracks of their hits: all of the first, none of the second."""
    random = np.random.default_rng(3)
    counts = ak.max(events.hit_track, axis=1) + 1
    for name in ("pt", "eta", "phi", "z"):
        values = random.uniform(0.1, 1, int(ak.sum(counts)))
        events = ak.with_field(events, ak.unflatten(values, counts), f"particle_{name}")
    index = ak.local_index(events.hit_track)
    one = index[events.hit_track == 0]
    fake = index[(events.hit_track >= 0) & (events.hit_z == 1)]  # one hit of each
    lists = ak.concatenate([one[:, None], one[:, None], fake[:, None]], axis=1)
    events = ak.with_field(events, lists, "track_hits")
    pq.write_table(ak.to_arrow_table(events, extensionarray=False), path)
    return events


RIVALS = {
    **{"name": "tracking_efficiency", "particles": "particle", "select": "particle_pt < 2"},
    "categories": {"soft": "particle_pt < 0.4", "first": "particle_z > 2"},
    "against": {"particle_pt * particle_eta": [0, 0.1, 0.3, 1]},
    **{"density": 0.3, "score": {"z": "hit_z", "origin": "particle_z", "pt": "particle_pt"}},
    "baseline": [
        {"name": "triplet_search", "layer": "z", "scatter": 0.05},
        {"hits": "track_hits", "label": "made"},
    ],
}


def test_tracks_in_the_columns_are_compared_with_those_of_a_model(tmp_path):
    """Of particles with k tracks: the first is found twice, and one of three tracks is a fake."""
    events = write_hits(tmp_path / "plain.parquet", 300)
    events = write_particles_and_tracks(tmp_path / "hits.parquet", events)
    columns = ["particle_pt", "particle_eta", "particle_phi", "particle_z", "track_hits"]
    changes = TRACKING | {"evaluation": [RIVALS]}
    changes["spectators"] = [*TRACKING["spectators"], *columns]
    study = hit_study(tmp_path / "hits.parquet", **changes)
    run = bunchtrain.run(validate(study), runs=tmp_path / "runs", jobs=1)
    found = run.metrics["graph_network"]
    assert found["track_efficiency_soft"]["value"] > 0.7
    assert 0.2 < found["trackml_score"]["value"] <= 1
    assert "track_efficiency_first" not in found  # no particle
    made, particles = TrackList.of_lists, TrueParticles.of(events.hit_track)
    tracks = MatchedTracks.of(made(events.track_hits, particles.counts, ""), particles)
    metrics = track_metrics(tracks, "lhcb", particles.size > 2, np.ones(len(events)), None)
    expected = 1 / ak.mean(ak.num(events.particle_pt))
    assert metrics["track_efficiency"].value == pytest.approx(expected)
    assert metrics["fake_rate"].value == pytest.approx(1 / 3)
    assert metrics["clone_rate"].value == pytest.approx(1 / 2)
    page = run.report().path.read_text(encoding="utf-8")
    for text in ("made", "triplet_search", "particle_pt * particle_eta", "density of particles"):
        assert text in page
    shown = display_of(str(run.folder), 0, ["hit"]).payload["groups"][0]["colourings"]
    assert {"graph_network: tracks, found or missed", "track, found or missed"} <= set(shown)


def test_a_display_of_a_file_says_what_was_missed_and_what_was_made_up(tmp_path):
    """Of two particles the first is found; a third of the hits make a track of no particle."""
    events = write_particles_and_tracks(tmp_path / "hits.parquet", write_hits(tmp_path / "a", 10))
    events = ak.with_field(events, events.hit_track, "hit_particle")
    pq.write_table(ak.to_arrow_table(events, extensionarray=False), tmp_path / "hits.parquet")
    shown = display_of(str(tmp_path / "hits.parquet"), 0, []).payload["groups"]
    hits = next(one for one in shown if one["name"] == "hit")
    assert hits["colourings"]["track, found or missed"]["labels"] == [
        "found", "missed", "made up", None
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": [{"hits": "track_hit"}]}, "'track_hit' is not listed in 'spectators'"),
        ({"baseline": [{"hits": "hit_x", "scatter": 1}]}, "'scatter' does not go with 'hits'"),
        ({"baseline": [{"hits": "hit_x", "label": "graph_network"}]}, "is the name of a model and"),
        ({"baseline": ["triplet_search", "triplet_search"]}, "two baselines have the label"),
        ({"score": {"z": "hit_z", "origin": "hit_x", "pT": "hit_x"}}, "'pT' is unknown; did you"),
        ({"score": {"z": "hit_z", "origin": "hit_x", "pt": "hit_x"}}, "'hit_x' is no column of p"),
        ({"score": "hit_weight"}, "score 'hit_weight' is not listed in 'spectators'"),
        ({"categories": {"soft": "hit_x < 1"}}, "'hit_x' is no column of particles"),
        ({"density": 0.1}, "density needs the prefix of the columns"),
        ({"density": 3}, "density: must be at most 0.5"),
        ({"against": {"hit_x": [1, 0]}}, "edges must increase"),
    ],
)
def test_unknown_columns_of_tracks_are_rejected_before_work(tracks, changes, message):
    folder, _, study, _ = tracks
    one = {"name": "tracking_efficiency"} | changes
    with pytest.raises(StudyError, match=message):
        bunchtrain.run(validate(study | {"evaluation": [one]}), runs=folder / "none", jobs=1)


def with_edges(events, wrong=False):
    """Return events with edges from each hit to the next, and whether they are of one track."""
    counts = ak.to_numpy(ak.num(events.hit_x)) - 1
    first = ak.local_index(ak.unflatten(np.zeros(counts.sum()), counts))
    second = first + 1
    same = (events.hit_track[first] == events.hit_track[second]) & (events.hit_track[first] >= 0)
    events = ak.with_field(events, first, "edge_first")
    events = ak.with_field(events, second + 50 * wrong, "edge_second")
    return ak.with_field(events, ak.values_astype(same, np.int64), "edge_true")


def edge_study(path):
    return hit_study(
        path,
        targets={
            "link": {"on": "edge", "classes": {"no": "edge_true == 0", "yes": "edge_true == 1"}},
            "step": {"on": "edge", "values": {"z": "abs(edge_second - edge_first) * 1.0"}},
            "radius": {"on": "hit", "values": {"u": "hit_u"}},
        },
        representation={
            **{"name": "edge_list", "group": "hit", "coordinates": ["u", "v"]},
            **{"features": ["x", "y", "z", "u", "v"], "max_points": 12, "order": "-z"},
            "edge_features": ["second_u - first_u", "second_v - first_v"],
        },
        training={"epochs": 3, "batch_size": 16, "learning_rate": 0.005},
    )


@pytest.fixture(scope="module")
def edges_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edges")
    events = with_edges(write_hits(folder / "plain.parquet", 300))
    path = folder / "edges.parquet"
    pq.write_table(ak.to_arrow_table(events, extensionarray=False), path)
    run = bunchtrain.run(validate(edge_study(path)), runs=folder / "runs", jobs=1)
    return path, events, run


def test_edges_of_the_data_are_predicted_in_their_places(edges_run):
    _, events, run = edges_run
    metrics = run.metrics["particle_flow_network"]
    assert metrics["link:auc"]["value"] > 0.85
    assert metrics["radius:resolution"]["error"] > 0
    entry = run.predictions.columns["entry"]
    found = run.predictions.columns["particle_flow_network_link_yes"]
    assert ak.all(ak.num(found) == ak.num(events.edge_first[entry]))
    first = run.predictions.columns["particle_flow_network_link_edge_first"]
    assert ak.array_equal(first, events.edge_first[entry])
    rows = run.predictions.rows("link")
    kept = ak.to_numpy(ak.flatten(~np.isnan(found)))
    truth = ak.to_numpy(ak.flatten(events.edge_true[entry]))
    assert np.array_equal(rows.columns["link"], truth[kept])


def test_edges_of_hits_that_do_not_exist_end_in_a_sentence(tmp_path):
    events = with_edges(write_hits(tmp_path / "plain.parquet", 100), wrong=True)
    path = tmp_path / "edges.parquet"
    pq.write_table(ak.to_arrow_table(events, extensionarray=False), path)
    with pytest.raises(DataError, match=r"entry \d+: an edge names point 51 in 'edge_second'"):
        bunchtrain.run(validate(edge_study(path)), runs=tmp_path / "runs", jobs=1)


def predicted_of_selected(run, keep, files, output):
    """Return the predictions of a run as if its study had another `select`."""
    made = bunchtrain.open_run(run.folder)
    vars(made)["study"] = made.study.model_copy(update={"select": keep})
    made.predict(str(files), output)
    table = bunchtrain.parts.build("source", "files", {"files": str(output)})
    return next(iter(table.blocks(list(table.fields()), 1000)))


@pytest.mark.parametrize("suffix", ["parquet", "root"])
@pytest.mark.parametrize("keep", ["busy == 0", "busy > 5"])
def test_lists_of_events_that_are_not_selected_are_nan(tmp_path, edges_run, suffix, keep):
    path, events, run = edges_run
    found = predicted_of_selected(run, keep, path, tmp_path / f"scores.{suffix}")
    selected = ak.to_numpy(events.busy) == (0 if "0" in keep else 9)
    assert ak.to_numpy(found.selected).astype(bool).tolist() == selected.tolist()
    name = "particle_flow_network_"
    for column, items in (
        ("radius_u", "hit_x"),
        ("link_yes", "edge_true"),
        ("step_z", "edge_true"),
    ):
        values = found[name + column]
        assert ak.num(values).to_list() == ak.num(events[items]).to_list()
        assert ak.all(np.isnan(values[~selected]))
        assert not selected.any() or ak.any(~np.isnan(values[selected]))
    assert found[name + "link_edge_second"].to_list() == events.edge_second.to_list()


@pytest.mark.parametrize("suffix", ["parquet", "root"])
def test_edges_that_are_made_are_not_known_where_an_event_is_not_selected(tmp_path, tracks, suffix):
    folder, events, _, run = tracks
    found = predicted_of_selected(
        run, "busy == 0", folder / "hits.parquet", tmp_path / f"scores.{suffix}"
    )
    selected = ak.to_numpy(events.busy) == 0
    assert ak.num(found.graph_network_tracks).to_list() == ak.num(events.hit_x).to_list()
    assert ak.all(found.graph_network_tracks[~selected] == -1)
    assert ak.any(found.graph_network_tracks[selected] >= 0)
    for column in ("different", "same", "edge_first", "edge_second"):
        counts = ak.to_numpy(ak.num(found[f"graph_network_{column}"]))
        assert not counts[~selected].any()
        assert counts[selected].all()


def test_a_stage_of_predictions_has_the_tracks_of_a_module_map(tmp_path):
    """The map is fitted to the training events; other events are read by it without truth."""
    write_hits(tmp_path / "hits.parquet", 300)
    write_hits(tmp_path / "others.parquet", 60)
    changes = {key: TRACKING[key] for key in ("targets", "truth", "model", "spectators")}
    changes["representation"] = {
        **{"name": "module_map", "group": "hit", "module": "z", "particle": "track", "path": "z"},
        **{"overlap": 0.01, "features": ["u", "v", "z"], "margin": 3.0},
        "edge_features": ["second_u - first_u", "second_v - first_v", "inside", "outside"],
    }
    changes["transforms"] = {"tracks": {"name": "walk_through", "min_points": 3}}
    changes["training"] = {"epochs": 4, "batch_size": 8, "learning_rate": 0.005}
    changes["stages"] = {
        "others": {"source": {"name": "files", "files": str(tmp_path / "others.parquet")}},
        "prepared": {"prepare": {"of": "others"}},
        "predicted": {"predict": {"of": "train", "on": "prepared"}},
    }
    changes["evaluation"] = [{"name": "tracking_efficiency", "of": "predicted"}]
    study = hit_study(tmp_path / "hits.parquet", **changes)
    run = bunchtrain.run(validate(study), runs=tmp_path / "runs", jobs=1)
    found = run.metrics["graph_network"]
    assert found["track_efficiency"]["value"] > 0.8
    assert found["fake_rate"]["value"] < 0.2
    table = ak.from_parquet(run.folder / "stages/predicted/table.parquet")
    assert ak.all(ak.num(table.graph_network_tracks) == ak.num(table.hit_x))
    bare = ak.from_parquet(tmp_path / "others.parquet")[["hit_x", "hit_y", "hit_z"]]
    pq.write_table(ak.to_arrow_table(bare, extensionarray=False), tmp_path / "bare.parquet")
    run.predict(str(tmp_path / "bare.parquet"), tmp_path / "scores.parquet")
    again = ak.from_parquet(tmp_path / "scores.parquet").graph_network_tracks
    assert again[table.entry].to_list() == table.graph_network_tracks.to_list()
