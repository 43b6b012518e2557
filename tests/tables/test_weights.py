import awkward as ak
import numpy as np
import pytest
from arrays_source import Arrays, jets
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.errors import DataError, StudyError
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.weights import Spectra, event_weights
from bunchtrain.targets import Target
from tests.property_settings import examples

LABEL = Target("label", ("qcd", "top"), expressions=("label == 0", "label == 1"))
MOMENTUM = Target("t", values=("pt",), expressions=("pt",))
REWEIGHT = {
    "variables": {"pt": [20.0, 40.0, 60.0, 100.0], "eta": [-1.0, 0.0, 1.0]},
    "reference": "qcd",
    "limit": 100.0,
}


def train(folder, weights, events=None, **changes):
    """Return the training events of a cache that is made with these weights."""
    events = jets(3000) if events is None else events
    plain = {"source": Arrays(events), "targets": [LABEL], "columns": ["pt", "eta"]}
    cache = EventCache.build(Recipe(weights=weights, **(plain | changes)), folder)
    return ak.concatenate(list(cache.of("train").blocks(None, 1000)))


def by_class(events, weights):
    return [float(ak.sum(weights[events.target_label == number])) for number in (0, 1)]


def spectrum(events, number):
    chosen = ak.to_dataframe(events[events.target_label == number])
    edges = [[-np.inf, *values, np.inf] for values in REWEIGHT["variables"].values()]
    found = np.histogram2d(chosen.pt, chosen.eta, edges, weights=chosen.weight.to_numpy(float))[0]
    return found / found.sum()


def test_weights_are_one_where_the_study_gives_none(tmp_path):
    events = train(tmp_path, {})
    assert set(events.weight) == {1.0}
    assert set(events.event_weight) == {1.0}


def test_classes_balance(tmp_path):
    events = train(tmp_path, {"event": "weight_mc", "balance": True})
    zero, one = by_class(events, events.weight)
    assert zero == pytest.approx(one, rel=1e-5)
    assert np.mean(events.weight) == pytest.approx(1, rel=1e-5)
    ratio = events.weight[events.target_label == 0] / events.event_weight[events.target_label == 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)


@pytest.mark.parametrize("balance", [False, True])
def test_reweighted_spectra_are_those_of_the_reference(tmp_path, balance):
    weights = {"event": "weight_mc", "reweight": REWEIGHT, "balance": balance}
    events = train(tmp_path, weights)
    np.testing.assert_allclose(spectrum(events, 1), spectrum(events, 0), rtol=1e-5)
    zero, one = by_class(events, events.weight)
    before = by_class(events, events.event_weight)
    assert zero / one == pytest.approx(1 if balance else before[0] / before[1], rel=1e-5)


def test_factors_by_value():
    # Shapes of a and b are (1/2, 1/2) and (9/10, 1/10): the ratios are 5/9 and 5. With the limit 2,
    # the 2 events of the second bin count 4, and the 18 of the first one the other 16.
    # Where b has none, it would get the limit, where a has, or 0.
    reweight = {"variables": {"pt": [0, 1]}, "reference": "a", "limit": 2.0}
    spectra = Spectra(["a", "b"], reweight, balance=False)
    for number, counts in enumerate([(10, 10), (18, 2)]):
        bins = np.repeat(np.arange(2, dtype=np.int32), counts)
        spectra.fill(np.full(20, number), bins, np.ones(20))
    np.testing.assert_allclose(spectra.factors(), [[1, 1, 0], [16 / 18, 2, 0]])
    assert spectra.capped() == {"b": 2}


@pytest.mark.property
@given(seed=st.integers(0, 2**32), limit=st.floats(1.05, 30))
@settings(max_examples=examples(200), deadline=None)
def test_no_factor_is_above_the_limit_and_sums_are_kept(seed, limit):
    random = np.random.default_rng(seed)
    spectra = Spectra(["qcd", "top"], REWEIGHT | {"limit": limit}, balance=False)
    classes = np.arange(300) % 2
    bins = (random.beta(0.3, 0.3, 300) * 19.99).astype(np.int32)  # few events in some bins
    weights = random.exponential(1, 300)
    spectra.fill(classes, bins, weights)
    found = spectra.factors()
    factors = found / found[0, bins[0]]  # that of the reference is 1
    used = factors[1][bins[classes == 1]]
    before = weights[classes == 1]
    assert used.max() <= limit * (1 + 1e-9)
    kept = (used * before).sum() == pytest.approx(before.sum())
    assert kept or np.allclose(used[used > 0], limit)
    assert spectra.capped().get("top", 0) == (used >= limit * (1 - 1e-9)).sum()


@given(seed=st.integers(0, 2**32), scale=st.floats(1e-6, 1e6))
@settings(max_examples=20, deadline=None)
def test_factors_do_not_depend_on_the_unit_or_the_order_of_filling(seed, scale):
    random = np.random.default_rng(seed)
    classes = random.permutation(np.arange(500) % 2)
    bins = random.integers(0, 20, 500).astype(np.int32)
    weights = random.uniform(0.1, 2, 500)
    shuffled = random.permutation(500)
    one, two = (Spectra(["qcd", "top"], REWEIGHT, balance=True) for _ in range(2))
    one.fill(classes, bins, weights)
    for rows in np.array_split(shuffled, 3):
        two.fill(classes[rows], bins[rows], weights[rows] * scale)
    np.testing.assert_allclose(one.factors(), two.factors() * scale, rtol=1e-9)
    used = one.factors()[classes, bins] * weights
    assert used.mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("keep", [1, -2, 3]), ("absolute", [1, 2, 3]), ("drop", [1, np.nan, 3])],
)
def test_policies_for_negative_weights(policy, expected):
    events = ak.Array({"w": [1.0, -2.0, 3.0]})
    np.testing.assert_array_equal(event_weights(events, np.arange(3), "w", policy), expected)


def test_events_of_negative_weight_are_dropped_and_counted(tmp_path):
    weights = {"event": "eta", "negative": "drop"}
    assert min(train(tmp_path, weights).event_weight) >= 0


def test_only_the_training_set_decides_the_factors(tmp_path):
    events = jets(400)
    # Even numbers train; the weights of all others are changed.
    split = {"name": "modulo", "key": "number", "modulo": 2, "validation": [1], "test": []}
    other = ak.with_field(
        events, ak.where(events.number % 2 == 1, 100 * events.weight_mc, events.weight_mc), "w"
    )
    events = ak.with_field(events, events.weight_mc, "w")
    plain = {"event": "w", "balance": True, "reweight": REWEIGHT}
    one, two = (
        train(tmp_path / name, plain, sample, split=split)
        for name, sample in (("one", events), ("two", other))
    )
    np.testing.assert_array_equal(one.weight, two.weight)


@pytest.mark.parametrize(
    ("weights", "changes", "error", "message"),
    [
        ({"event": "eta"}, {}, DataError, r"weights\.event: 'eta' is -\S+ at entry \d+; set"),
        ({"event": "log(eta)", "negative": "keep"}, {}, DataError, r"'log\(eta\)' is nan at entry"),
        ({"event": "0 * pt"}, {}, DataError, "training events sum to 0; check weights.event"),
        (
            {"reweight": {"variables": {"nan": [0, 1]}, "reference": "qcd"}},
            {"define": {"nan": "log(eta)"}},
            DataError,
            "column 'nan' is nan at entry",
        ),
        (
            {"reweight": {"variables": {"pt": [0, 1]}, "reference": "qdc"}},
            {},
            StudyError,
            "no class 'qdc'; did you mean 'qcd'",
        ),
        (
            {"reweight": {"variables": {"pt": [1, 0]}, "reference": "qcd"}},
            {},
            StudyError,
            r"variables\.pt: give at least two increasing bin edges",
        ),
        ({"balance": True}, {"targets": [MOMENTUM]}, StudyError, "with classes"),
        ({}, {"select": "label == 1"}, DataError, "events of class 'top' only"),
    ],
    ids=lambda value: "",
)
def test_mistakes_in_weights_raise(tmp_path, weights, changes, error, message):
    with pytest.raises(error, match=message):
        train(tmp_path, weights, **changes)


def test_a_class_without_overlap_with_the_reference_raises():
    spectra = Spectra(["a", "b"], REWEIGHT | {"reference": "a"}, balance=False)
    for number in (0, 1):
        spectra.fill(np.full(9, number), np.full(9, number, dtype=np.int32), np.ones(9))
    with pytest.raises(DataError, match="training weights of class 'b' sum to 0"):
        spectra.factors()


def test_a_reference_without_events_raises():
    spectra = Spectra(["a", "b", "c"], REWEIGHT | {"reference": "a"}, balance=False)
    spectra.fill(np.array([1, 2]), np.array([0, 0], dtype=np.int32), np.ones(2))
    with pytest.raises(DataError, match="no event of the reference class 'a'"):
        spectra.factors()
