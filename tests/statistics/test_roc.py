import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics import (
    accuracy,
    auc,
    background_rejection,
    discriminant,
    efficiency,
    macro_auc,
    roc,
    signal_efficiency,
)


def gaussians(count, shift, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat([False, True], count)
    return rng.normal(shift * truth), truth


samples = (
    st.integers(2, 40)
    .flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(-5, 5), min_size=n, max_size=n),
            st.lists(st.booleans(), min_size=n - 2, max_size=n - 2).map(
                lambda t: [True, False, *t]
            ),
            st.lists(st.integers(1, 4), min_size=n, max_size=n),
        )
    )
    .map(lambda columns: tuple(map(np.array, columns)))
)


def test_figures_of_two_gaussians_are_the_closed_forms_within_errors():
    curve = roc(*gaussians(100_000, 2.0))
    mistag = norm.sf(2 + norm.isf(0.3))
    rejection = background_rejection(curve, 0.3)
    signal = signal_efficiency(curve, 0.01)
    assert auc(curve).value == pytest.approx(norm.cdf(np.sqrt(2)), abs=4 * auc(curve).error)
    assert rejection.value == pytest.approx(1 / mistag, abs=4 * rejection.error)
    assert signal.value == pytest.approx(norm.sf(norm.isf(0.01) - 2), abs=4 * signal.error)
    assert curve.threshold_at(0.3) == pytest.approx(2 + norm.isf(0.3), abs=0.02)


@given(samples)
def test_auc_is_that_of_scikit_learn(sample):
    scores, truth, weights = sample
    expected = roc_auc_score(truth, scores, sample_weight=weights)
    assert auc(roc(scores, truth, weights)).value == pytest.approx(expected)


@given(samples)
def test_monotone_maps_of_the_score_change_nothing(sample):
    scores, truth, weights = sample
    before, after = roc(scores, truth, weights), roc(np.exp(scores / 3.0), truth, weights)
    np.testing.assert_array_equal(before.background, after.background)
    assert auc(before) == auc(after)


@given(samples)
def test_swapped_labels_give_one_minus_auc(sample):
    scores, truth, weights = sample
    one, other = auc(roc(scores, truth, weights)), auc(roc(scores, ~truth, weights))
    assert one.value == pytest.approx(1 - other.value)
    assert one.error == pytest.approx(other.error)


@given(samples)
def test_integer_weights_are_repetition(sample):
    scores, truth, weights = sample
    repeated = roc(np.repeat(scores, weights), np.repeat(truth, weights))
    weighted = roc(scores, truth, weights)
    np.testing.assert_allclose(weighted.signal, repeated.signal)
    np.testing.assert_allclose(weighted.background, repeated.background)
    assert auc(weighted).value == pytest.approx(auc(repeated).value)


@given(samples, st.floats(0.1, 10))
def test_a_common_factor_on_weights_changes_nothing(sample, factor):
    scores, truth, weights = sample
    one, other = roc(scores, truth, weights), roc(scores, truth, factor * weights)
    assert auc(one).error == pytest.approx(auc(other).error)
    np.testing.assert_allclose(one.background_at(0.5), other.background_at(0.5), atol=1e-12)


def test_delong_error_is_the_published_estimator():
    scores, truth = gaussians(40, 1.0)
    ordered = (scores[truth][:, None] > scores[~truth]).astype(float)
    expected = ordered.mean(1).var(ddof=1) / 40 + ordered.mean(0).var(ddof=1) / 40
    assert auc(roc(scores, truth)).error == pytest.approx(np.sqrt(expected))


def test_errors_agree_with_the_bootstrap_also_with_weights():
    scores, truth = gaussians(3000, 1.5)
    rng = np.random.default_rng(1)
    weights = rng.exponential(size=len(scores))

    def figures(w):
        curve = roc(scores, truth, w)
        return auc(curve), background_rejection(curve, 0.5), signal_efficiency(curve, 0.1)

    replicas = [
        [figure.value for figure in figures(weights * rng.poisson(1, len(weights)))]
        for _ in range(300)
    ]
    errors = [figure.error for figure in figures(weights)]
    np.testing.assert_allclose(errors, np.std(replicas, axis=0), rtol=0.2)


def test_errors_cover_the_truth_as_often_as_they_say():
    pulls = []
    for seed in range(200):
        mistag, error = roc(*gaussians(2000, 1.5, seed)).background_at(0.5)
        pulls.append((mistag - norm.sf(1.5)) / error)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)
    assert abs(np.mean(pulls)) < 0.3


def test_ties_are_crossed_in_a_straight_line():
    curve = roc(np.zeros(20), np.arange(20) % 2 == 0)
    assert background_rejection(curve, 0.25).value == pytest.approx(4)
    assert auc(curve).value == 0.5


def test_no_background_passing_gives_a_lower_limit():
    scores = np.concatenate([np.zeros(1000), np.ones(1000)])
    figure = background_rejection(roc(scores, scores > 0), 0.3)
    assert figure.limit
    assert figure.value == pytest.approx(1000 / 2.9957, rel=1e-4)


def test_discriminant_keeps_order_where_probabilities_saturate():
    other = np.array([1e-9, 1e-12], np.float32)
    scores = np.stack([other, 1 - other], axis=1)
    assert scores[0, 1] == scores[1, 1]
    assert np.diff(discriminant(scores, 1, [0])) > 0


def test_accuracy_is_binomial():
    scores, truth = np.eye(2)[np.arange(100) % 2], np.zeros(100, int)
    figure = accuracy(scores, truth)
    assert (figure.value, figure.error) == (0.5, pytest.approx(0.05))


def test_perfect_efficiency_is_not_taken_for_exact():
    assert efficiency(np.ones(99, bool)).error == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("scores", "truth", "weights", "message"),
    [
        ([0.1, np.nan], [True, False], None, "the score of event 1 is NaN"),
        ([0.1, 0.2], [True, True], None, "needs background events"),
        ([0.1, 0.2], [True, False], [0.0, 1.0], "needs signal events of positive weight"),
        ([0.1, 0.2], [True, False], [1.0], r"2 events but weights of shape \(1,\)"),
        ([0.1, 0.2], [True, False], [1.0, np.inf], "the weight of event 1 is not finite"),
    ],
)
def test_unusable_input_is_refused_with_its_place(scores, truth, weights, message):
    with pytest.raises(DataError, match=message):
        roc(np.array(scores), np.array(truth), None if weights is None else np.array(weights))


def test_one_surviving_event_has_an_asymmetric_interval():
    scores = np.concatenate([np.full(100, 2.0), [3.0], np.zeros(9999)])
    found = background_rejection(roc(scores, np.arange(10_100) < 100), 0.5)
    assert found.value == pytest.approx(10_000)
    low, high = found.interval
    assert low == pytest.approx(3850, rel=0.02)
    assert high == pytest.approx(25_000, rel=0.1)
    assert re.fullmatch(r"10000 \+1\d000 −6\d00", str(found))


@pytest.mark.parametrize(("negative", "mean"), [(0.2, 3), (0.3, 8), (0.4, 20)])
def test_limits_hold_where_negative_weights_cancel(negative, mean):
    """Of the background that passes, the sum of weights may be negative in a sample."""
    random, events, limits, held = np.random.default_rng(4), 1000, 0, 0
    truth = np.arange(100 + events) < 100
    for _ in range(300):
        weights = np.where(random.random(events) < negative, -1.0, 1.0)
        passed = random.random(events) < mean / events
        curve = roc(
            np.concatenate([np.full(100, 1.0), np.where(passed, 2.0, 0.0)]),
            truth,
            np.concatenate([np.ones(100), weights]),
        )
        found = background_rejection(curve, 0.5)
        if found.limit:
            limits, held = limits + 1, held + (found.value <= events / mean)
    assert limits > 20
    assert held >= 0.95 * limits


def test_the_efficiency_of_a_cut_is_counted_where_scores_are_tied():
    """90 of 100 signal and 20 of 100 background events have the same score."""
    scores = np.concatenate([np.repeat([1.0, 0.0], [90, 10]), np.repeat([1.0, 0.0], [20, 80])])
    curve = roc(scores, np.arange(200) < 100)
    cut = curve.threshold_at(0.5)
    (signal, _), (background, error) = curve.passing(cut)
    assert (cut, signal, background) == (1.0, 0.9, 0.2)
    assert error == pytest.approx(np.sqrt(0.2 * 0.8 / 100))
    assert curve.passing(2.0)[0][0] == 0
    # The cut stays the same if ε_S varies within the tie, so that the error is that of a fixed cut.
    assert curve.background_by_cut(0.5) == (background, error)


def test_the_error_of_a_working_point_includes_that_of_its_cut():
    random, truth = np.random.default_rng(5), np.arange(900) < 200
    found, fixed = [], []
    for _ in range(300):
        curve = roc(random.normal(truth, 1.0), truth, random.uniform(0.5, 1.5, 900))
        found.append(curve.background_by_cut(0.7))
        fixed.append(curve.passing(curve.threshold_at(0.7))[1][1])
    mistags, errors = np.transpose(found)
    assert np.mean(mistags) == pytest.approx(norm.sf(1 + norm.isf(0.7)), rel=0.02)
    assert np.std(mistags) == pytest.approx(np.mean(errors), rel=0.12)
    assert np.mean(errors) > 1.3 * np.mean(fixed)


def test_macro_auc_is_the_mean_and_its_error_that_of_the_bootstrap():
    random = np.random.default_rng(8)
    truth = random.integers(0, 3, 600)
    scores = random.dirichlet([1, 1, 1], 600) + 0.3 * np.eye(3)[truth]
    scores /= scores.sum(1, keepdims=True)
    found = macro_auc(scores, truth)
    assert found.value == pytest.approx(
        roc_auc_score(truth, scores, multi_class="ovr", average="macro"), abs=1e-12
    )
    replicas = []
    for _ in range(300):
        chosen = random.integers(0, 600, 600)
        replicas.append(macro_auc(scores[chosen], truth[chosen]).value)
    assert found.error == pytest.approx(np.std(replicas), rel=0.15)


def test_scores_that_are_no_probabilities_keep_their_order():
    scores = np.array([[-0.6, 1.7], [0.3, 0.2], [-0.1, -0.2], [1.2, -0.5]])
    found = discriminant(scores, 1, [0])
    assert found.argsort().tolist() == (scores[:, 1] - scores[:, 0]).argsort().tolist()
