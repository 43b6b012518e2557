"""Neutral and jet response with known answers, rivals on the same events, and what is refused."""

import awkward as ak
import numpy as np
import pytest
from synthetic_runs import SyntheticRun

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Contents, PredictedColumn, Predictions
from bunchtrain.targets import Quantity, Target

VALUES = ("charged", "neutral")
TARGET = Target("origin", values=VALUES, axis="point", expressions=("hit_a", "hit_b"))
SPECTATORS = [
    *("track_momentum", "charged_momentum", "neutral_energy", "distance"),
    *("hit_x", "hit_y", "particle_x", "particle_y"),
]
OPTIONS = {"axes": "particle", "against": {"distance": [0, 10, 40]}}
#: Mean calorimeter energy of a charged particle over its momentum, and its relative spread.
RESPONSE, SPREAD = 0.8, 0.25
HITS = 10


def study(**changes):
    given = {
        "name": "synthetic",
        "source": {"name": "files", "files": "hits.parquet"},
        "targets": {"origin": {"on": "hit", "values": {"charged": "hit_a", "neutral": "hit_b"}}},
        "spectators": SPECTATORS,
        "representation": {"name": "point_cloud", "group": "hit", "features": ["x"],
                           "coordinates": ["x", "y"]},
        "model": "grav_net",
        "loss": "energy_fractions",
    }  # fmt: skip
    return Study.model_validate(given | changes)


def events(count=2000, seed=1):
    """Return a charged particle at x = 0 and a neutral one at x = distance, ten hits each."""
    random = np.random.default_rng(seed)
    momentum, energy = random.uniform(4, 20, (2, count))
    charged = RESPONSE * momentum * (1 + SPREAD * random.normal(size=count)).clip(0.05)
    distance = np.where(np.arange(count) % 2, 5.0, 30.0)
    own = np.tile(np.repeat([0, 1], HITS), (count, 1))
    x = distance[:, None] * own + random.normal(0, 3.0, own.shape)
    share = np.where(own == 0, charged[:, None], energy[:, None]) / HITS
    lists = {"hit_x": x, "hit_y": 0 * x, "origin_0": share * (own == 0), "origin_1": share * own}
    found = {name: ak.from_regular(ak.Array(values)) for name, values in lists.items()}
    axis_x = np.stack([0 * distance, distance], 1)
    found |= {"particle_x": ak.Array(axis_x), "particle_y": ak.Array(0 * axis_x)}
    return found | {
        "track_momentum": momentum, "charged_momentum": momentum, "neutral_energy": energy,
        "distance": distance,
    }  # fmt: skip


class Run(SyntheticRun):
    """A run with training events."""

    def events(self, rows, columns=None, split="test"):
        assert split == "train"
        made = events(seed=2)
        both = ak.concatenate([made[f"origin_{k}"][:, :, None] for k in range(2)], axis=2)
        yield ak.zip({**made, "target_origin": both}, depth_limit=1)[list(columns)]


def run_of(fraction, **changes):
    """Return a run whose model predicts this neutral fraction, of the columns of events."""
    made = events()
    count = len(made["distance"])
    columns = {
        "grav_net_neutral": fraction(made), "grav_net_charged": 1 - fraction(made),
        "weight": np.ones(count), "entry": np.arange(count), **made,
    }  # fmt: skip
    content = {
        f"grav_net_{one}": PredictedColumn("grav_net", "origin", Quantity(one)) for one in VALUES
    }
    contents = Contents({"origin": TARGET}, {"grav_net": ["grav_net"]}, [], content)
    return Run(study(**changes), Predictions(contents, columns))


def truth(made):
    return (made["origin_1"] > 0) * 1.0


def build(**options):
    return parts.build("evaluation", "particle_flow_response", options)


def test_true_fractions_have_a_response_of_one_and_no_tail():
    run, evaluation = run_of(truth), build(**OPTIONS)
    evaluation.check(run.study)
    found = evaluation.metrics(run)["grav_net"]
    assert found["neutral_mean"]["value"] == found["jet_mean"]["value"] == pytest.approx(1)
    assert found["neutral_width"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["neutral_tail"]["value"] == found["neutral_tail_ratio"]["value"] == 0


def test_a_share_of_the_neutral_energy_is_the_response():
    for share, tail in ((0.7, 0), (0.4, 1)):
        run = run_of(lambda made, share=share: share * truth(made))
        found = build().metrics(run)["grav_net"]
        assert found["neutral_mean"]["value"] == pytest.approx(share)
        assert found["neutral_tail"]["value"] == tail
        made = events()
        energy, track = made["neutral_energy"], made["track_momentum"]
        wanted = np.mean((share * energy + track) / (energy + track))
        assert found["jet_mean"]["value"] == pytest.approx(wanted)


def rows_of(results, table=0):
    return {row[0]: row[1:] for row in results.tables[table].rows}


def number(text):
    return float(text.split(" ")[0].split("+")[0])


def test_the_subtraction_leaves_the_fluctuation_of_the_charged_shower():
    """Its tail is that of E_n + E_c − R p, with the known response R and spread of E_c."""
    made = events()
    charged = ak.to_numpy(ak.sum(made["origin_0"], axis=1))
    energy = made["neutral_energy"]
    left = np.maximum(0, energy + charged - RESPONSE * made["track_momentum"]) / energy
    rows = rows_of(build(**OPTIONS).evaluate(run_of(truth)))
    assert set(rows) == {"grav_net", "track_subtraction", "nearest_axis"}
    assert number(rows["track_subtraction"][0]) == pytest.approx(left.mean(), abs=0.03)
    assert number(rows["track_subtraction"][2]) == pytest.approx(
        np.mean(np.abs(left - 1) > 0.5), abs=0.02
    )
    assert number(rows["track_subtraction"][3]) == 1


def test_the_nearest_axis_fails_where_the_showers_overlap():
    results = build(**OPTIONS).evaluate(run_of(truth))
    assert results.tables[1].columns[1:3] == ["width at 0 to 10", "tail at 0 to 10"]
    near, far = (number(cell) for cell in rows_of(results, 1)["nearest_axis"][1::2])
    assert far < 0.005 < 0.02 < near
    assert "Tail of the neutral response against distance." in {p.caption for p in results.plots}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neutral": "neutrals"}, "did you mean 'neutral'.*give it as 'neutral'"),
        ({"track": "track_moment"}, "did you mean 'track_momentum'"),
        ({"target": "origins"}, "did you mean 'origin'"),
        ({"axes": "particles"}, "did you mean 'particle_x'"),
        ({"against": {"distances": [0, 1]}}, "did you mean 'distance'"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(StudyError, match=message):
        build(**options).check(study())


def test_events_without_neutral_energy_end_in_a_sentence():
    run = run_of(truth)
    run.predictions.columns["origin_1"] = 0 * run.predictions.columns["origin_1"]
    with pytest.raises(DataError, match="no event has neutral energy"):
        build().metrics(run)
