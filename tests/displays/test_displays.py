"""Displays of an event: what is drawn, what is left out, and what the page contains."""

import base64
import hashlib
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from bunchtrain.cli.main import app
from bunchtrain.displays import make_display, page, read_event
from bunchtrain.displays.colours import Colouring, match_objects
from bunchtrain.displays.content import Limits
from bunchtrain.displays.decay_tree import layout, particle_name
from bunchtrain.errors import DataError, UserError
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.geometry import Geometry

LAYERS = {"layer": [0, 1], "z": [100.0, 200.0], "width": [80.0, 80.0]}
HITS = {
    "hit_x": [[1.0, 2.0, 3.0, 40.0], [], [1.0]],
    "hit_y": [[0.5, 1.0, 1.5, -3.0], [], [1.0]],
    "hit_z": [[100.0, 200.0, 300.0, 150.0], [], [1.0]],
    "hit_layer": [[0, 1, 2, 1], [], [0]],
    "hit_particle": [[0, 0, 0, -1], [], [0]],
    "weight": [1.0, 2.0, 3.0],
}


def numbers(column):
    return np.frombuffer(base64.b64decode(column["data"]), "<f4")


def shown(data, event=0, **options):
    return make_display(read_event(Arrays(data), event), "An event", **options)


def test_hits_are_shown_in_space_and_in_planes():
    display = shown(HITS)
    assert [one["title"] for one in display.payload["panels"]] == [
        "hits in space", "r–φ", "r–z", "Layers",
    ]  # fmt: skip
    (group,) = display.payload["groups"]
    assert numbers(group["columns"]["z"]).tolist() == HITS["hit_z"][0]
    assert numbers(group["columns"]["ev_r"])[3] == pytest.approx(-np.hypot(40, 3), rel=1e-6)
    assert group["colourings"]["particle"]["kind"] == "id"
    assert numbers(group["columns"]["colour particle"]).tolist() == [0, 0, 0, -1]
    assert ("weight", "1") in display.facts


def test_truth_stands_beside_the_prediction():
    truth, predicted = np.array([0.0, 0, 0, -1]), np.array([7.0, 7, 7, 8])
    matched = match_objects(predicted, truth)
    assert matched.tolist() == [0, 0, 0, -2]
    made = shown(
        HITS,
        colourings=[
            Colouring("truth", "hit", "id", truth, role="truth"),
            Colouring("tracks", "hit", "id", matched, role="prediction"),
        ],
    )
    views = [one for one in made.payload["panels"] if one["kind"] == "space"]
    assert [one["colouring"] for one in views] == ["truth", "tracks"]
    assert made.payload["groups"][0]["colourings"]["tracks"]["fake"] == "of no particle"


def test_a_predicted_object_needs_seven_tenths_of_one_true_object():
    truth = np.array([0.0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    assert set(match_objects(np.zeros(10), truth)) == {0}
    truth[6] = 1
    assert set(match_objects(np.zeros(10), truth)) == {-2}
    assert match_objects(np.array([-1.0, 3]), np.array([2.0, 2])).tolist() == [-1, 2]


def test_jets_are_shown_in_eta_and_phi():
    jet = {
        "constituent_pt": [[30.0, 1.0]],
        "constituent_eta": [[0.1, 0.2]],
        "constituent_phi": [[1.0, 1.1]],
        "constituent_charge": [[1, 0]],
    }
    display = shown(jet)
    assert [one["kind"] for one in display.payload["panels"]] == ["plane", "space"]
    charge = display.payload["groups"][0]["colourings"]["charge"]
    assert charge["labels"] == [None, "neutral", "positive"]


def test_momenta_from_px_py_pz():
    display = shown({"p_px": [[3.0]], "p_py": [[4.0]], "p_pz": [[5.0]], "p_energy": [[8.0]]})
    columns = display.payload["groups"][0]["columns"]
    assert numbers(columns["ev_pt"])[0] == 5
    assert numbers(columns["ev_eta"])[0] == pytest.approx(np.arcsinh(1))


def test_a_decay_tree_from_the_index_of_the_mother():
    depth, place, mother = layout(np.array([-1, 0, 0, 2, 2, 9]))
    assert depth.tolist() == [0, 1, 1, 2, 2, 0]
    assert place.tolist() == [0.75, 0, 1.5, 1, 2, 3]
    assert mother.tolist() == [-1, 0, 0, 2, 2, -1]
    tree = {"g_pdg": [[521, -421, 211]], "g_mother": [[-1, 0, 0]], "g_pt": [[5.0, 3, 2]]}
    tree |= {"g_eta": [[0.0, 0, 0]], "g_phi": [[0.0, 0, 0]]}
    (panel,) = shown(tree).payload["panels"]
    assert panel["kind"] == "tree"
    assert panel["names"] == ["B⁺", "D̄⁰", "π⁺"]
    assert [particle_name(one) for one in (-13, 11, -321, 999)] == ["μ⁺", "e⁻", "K⁻", "999"]


def test_particles_that_are_their_own_ancestors_begin_a_tree():
    depth, _, mother = layout(np.array([1, 0, 2]))
    assert depth.tolist() == [0, 0, 0]
    assert (mother == -1).all()


def test_images_and_wires():
    image = np.zeros((1, 3, 40, 30))
    image[0, 1, 5, 7] = 2.5
    (_first, second, _third) = shown({"images": image}).payload["panels"]
    assert second["shape"] == [40, 30]
    assert numbers({"data": second["at"]}).tolist() == [5 * 30 + 7]
    assert numbers({"data": second["values"]}).tolist() == [2.5]
    limited = shown(
        {"images": image, **{n: v[:1] for n, v in HITS.items()}}, limits=Limits(pixels=100)
    )
    assert "'images' is not shown: 1,200 pixels exceed 100." in limited.payload["notes"]
    voxels = {n.replace("hit", "voxel"): v for n, v in HITS.items()}
    titles = [one["title"] for one in shown(voxels).payload["panels"]]
    assert titles[-3:] == ["Wires U", "Wires V", "Wires W"]


def test_the_geometry_is_drawn():
    class WithGeometry(Arrays):
        @property
        def conditions(self):
            return {"geometry": Geometry(LAYERS, "layer")}

    display = make_display(read_event(WithGeometry(HITS), 0), "An event")
    space, plane, along, _ = display.payload["panels"]
    assert [len(one["outlines"]) for one in (space, plane, along)] == [2, 1, 2]
    assert numbers({"data": along["outlines"][1]})[0] == 200


def test_points_beyond_the_limit_and_without_a_place_are_left_out_and_said_so():
    many = {f"hit_{n}": [np.arange(50.0)] for n in "xyz"} | {"hit_energy": [np.arange(50.0)]}
    many["hit_x"][0][3] = np.nan
    display = shown(many, limits=Limits(points=10))
    group = display.payload["groups"][0]
    assert numbers(group["columns"]["energy"]).tolist() == list(range(40, 50))
    assert numbers({"data": group["index"]}).tolist() == list(range(40, 50))
    assert display.payload["notes"] == [
        "1 of 50 in 'hit' have no place: NaN or infinity.",
        "10 of 50 in 'hit' are shown, those of largest energy.",
    ]


@pytest.mark.parametrize(
    ("data", "options", "text"),
    [
        ({"x": [1.0]}, {}, "nothing in the event can be drawn"),
        (
            HITS,
            {"groups": ("hits",)},
            "no group 'hits' with positions or momenta",
        ),
        (HITS, {"event": 3}, "there is no event 3 in the table: its 3 events are 0 to 2"),
        (HITS, {"event": -1}, "there is no event -1"),
        (HITS, {"event": 1}, "the event has no entries in hit; choose another event"),
        (HITS, {"event": 1, "groups": ("hit",)}, "the event has no entries in 'hit'"),
    ],
)
def test_what_cannot_be_shown_ends_in_a_sentence(data, options, text):
    with pytest.raises(DataError, match=re.escape(text)):
        shown(data, **options)


def test_the_page_allows_its_own_script_and_no_request():
    text = page(shown(HITS))
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "http://" not in text
    assert "https://" not in text
    content = re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(content)["groups"][0]["name"] == "hit"


def test_a_title_cannot_end_the_script_or_the_page():
    event = read_event(Arrays({n.replace("hit", "</script>"): v for n, v in HITS.items()}), 0)
    text = page(make_display(event, "</title><b>"))
    assert text.count("</script>") == 2
    assert "<b>" not in text


def test_the_command_shows_an_event_of_a_file(tmp_path):
    file = tmp_path / "hits.parquet"
    pq.write_table(pa.table(HITS), file)
    out = tmp_path / "event.html"
    done = CliRunner().invoke(app, ["display", str(file), "--event", "2", "-o", str(out)])
    assert done.exit_code == 0
    assert "hits.parquet, event 2" in out.read_text(encoding="utf-8")
    for arguments, text in (
        (["--event", "9"], "there is no event 9 in"),
        (["-o", "event.png"], "a display is an HTML file"),
        (["-o", str(tmp_path / "no" / "a.html")], "there is no folder"),
        (["--model", "trees"], "is not the folder of a run"),
    ):
        done = CliRunner().invoke(app, ["display", str(file), *arguments])
        assert isinstance(done.exception, UserError)
        assert text in str(done.exception)
