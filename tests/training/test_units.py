"""A change of a value's unit, of the order of rows or of all weights changes no prediction."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head
from bunchtrain.heads.huber import Huber
from bunchtrain.methods.task import Task
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.table import Table
from bunchtrain.targets import Target
from bunchtrain.training.train import train

NETWORK = ("dense_network", {"widths": [16]})
LOSSES = (
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "log_cosh",
    "gaussian_nll",
    "evidential",
    "quantile",
)
FITTED = [
    ("boosted_trees", "mean_squared_error"),
    ("boosted_trees", "mean_absolute_error"),
    ("boosted_trees", "quantile"),
    ("histogram_trees", "mean_squared_error"),
    ("histogram_trees", "mean_absolute_error"),
    ("random_forest", "mean_squared_error"),
    ("binned_correction", "mean_squared_error"),
    ("linear_regression", "mean_squared_error"),
]
OPTIONS: dict[str, dict[str, Any]] = {
    "boosted_trees": {"trees": 30},
    "histogram_trees": {"trees": 30},
    "random_forest": {"trees": 20},
    "binned_correction": {"bins": 3},
    "linear_regression": {},
}
#: Options that a loss needs, and spectators that these name.
OPTIONS_OF_LOSSES: dict[str, dict[str, Any]] = {
    "planed_cross_entropy": {"against": "z"},
    "reweighting_adversary": {"against": ["z"]},
}
POSTERIORS = ("bayes_by_backprop", "mc_dropout", "deep_ensemble", "last_layer_laplace")


class Values(Table):
    """A value as a function of three numbers, in some unit; and another one that is not."""

    def __init__(
        self, unit: float = 1.0, weight: float = 1.0, events: int = 400, length: float = 1.0
    ) -> None:
        random = np.random.default_rng(3)
        x, y, z = random.normal(size=(3, events)).astype(np.float32)
        value = x - 0.5 * y * y + 0.2 * random.normal(size=events) + 3
        other = x + z + 0.1 * random.normal(size=events)
        own = weight * random.uniform(0.5, 1.5, events)
        self.key = f"values-{unit}-{weight}-{events}-{length}"
        inputs = {"x": length * x, "y": y + 7 * (length - 1), "z": z}
        kind = (value > 3).astype(int)
        columns = {**inputs, "value": unit * value, "other": other, "kind": kind, "w": own}
        self.events = ak.zip(columns)

    def fingerprint(self) -> str:
        return self.key

    def fields(self) -> dict[str, str]:
        return {name: str(self.events[name].type.content) for name in self.events.fields}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        yield self.events[list(columns)]


def target_of(values: tuple[str, ...], classes: bool) -> Target:
    if classes:
        return Target("t", ("low", "high"), expressions=("kind == 0", "kind == 1"))
    return Target("t", values=values, expressions=values)


@pytest.fixture
def fit(make_task, tmp_path):
    """Return a function that trains on `Values` and returns the predictions."""

    def run(
        source: Values, values: tuple[str, ...] = ("value",), classes: bool = False, **changes: Any
    ):
        target = target_of(values, classes)
        recipe = Recipe(
            source,
            targets=[target],
            weights={"event": "w", "negative": "raise"},
            split={"name": "fraction"},
            columns=["x", "y", "z"],
        )
        cache = EventCache.build(recipe, tmp_path / f"{source.key}{len(values)}{classes}")
        given = {"terms": [("mean_squared_error", {}, "t", 1.0)], "model": NETWORK} | changes
        targets = {"t": Target("t", target.classes, values=target.values)}
        task: Task = make_task(f"run-{source.key}", {"epochs": 1}, targets=targets, **given)
        made = train(Task(**{**vars(task), "cache": str(cache.folder)}))
        return made.predict(source.events)

    return run


def relative(found: dict[str, np.ndarray], unit: float) -> dict[str, np.ndarray]:
    return {name: values.astype(float) / unit for name, values in found.items()}


def assert_same(found, expected, tolerance: float = 2e-3) -> None:
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_network_does_not_depend_on_the_unit(fit, loss) -> None:
    terms = [(loss, {}, "t", 1.0)]
    expected = fit(Values(), terms=terms)
    for unit in (1e-6, 1e6):
        assert_same(relative(fit(Values(unit), terms=terms), unit), expected)


@pytest.mark.parametrize(("model", "loss"), FITTED)
def test_a_fitted_model_does_not_depend_on_the_unit(fit, model, loss) -> None:
    """To rounding of the values, which may move a cut; so most events, not all of them."""
    options = {"levels": [0.5]} if loss == "quantile" else {}
    given = {"terms": [(loss, options, "t", 1.0)], "model": (model, OPTIONS[model])}
    expected, truth = fit(Values(), **given), Values().events["value"].to_numpy()
    spread = np.var(truth - expected["value"]) / np.var(truth)
    assert spread < (1 if model == "binned_correction" else 0.5)
    for unit in (1e-6, 1e6):
        found = relative(fit(Values(unit), **given), unit)
        assert np.var(truth - found["value"]) / np.var(truth) == pytest.approx(spread, abs=0.03)
        assert np.median(np.abs(found["value"] - expected["value"])) < 0.1


@pytest.mark.parametrize("loss", ["mean_squared_error", "gaussian_nll"])
@pytest.mark.parametrize("posterior", POSTERIORS)
def test_a_posterior_does_not_depend_on_the_unit(fit, posterior, loss) -> None:
    options = {"size": 2} if posterior == "deep_ensemble" else {"draws": 4}
    model = ("dense_network", {"widths": [16], "dropout": 0.1})
    given = {"terms": [(loss, {}, "t", 1.0)], "posterior": (posterior, options), "model": model}
    expected = fit(Values(), **given)
    found = fit(Values(1e-3), **given)
    assert_same(relative(found, 1e-3), expected, 5e-3)


@pytest.mark.parametrize("model", [NETWORK, ("boosted_trees", OPTIONS["boosted_trees"])])
def test_the_unit_of_one_value_does_not_change_another(fit, model) -> None:
    both = ("value", "other")
    expected = fit(Values(), both, model=model)["other"]
    found = fit(Values(1e-6), both, model=model)["other"]
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("model", [NETWORK, ("boosted_trees", OPTIONS["boosted_trees"])])
def test_a_factor_on_all_weights_changes_nothing(fit, model) -> None:
    expected = fit(Values(), model=model)
    assert_same(fit(Values(weight=1e-6), model=model), expected)


#: Losses of assignments, of points, and of capsules alone.
OTHER_SHAPES = {"assignment_cross_entropy", "energy_fractions", "margin", "object_condensation"}


def every_head() -> Iterator[str]:
    """Yield the losses of events that any network can have."""
    for name in sorted(parts.locate("loss")):
        if issubclass(parts.find("loss", name), Head) and name not in OTHER_SHAPES:
            yield name


QUICK = ("cross_entropy", "normalizing_flow")


@pytest.mark.parametrize(
    "loss",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.nightly) for one in every_head()],
)
def test_units_of_inputs_and_a_factor_on_weights_change_nothing_for_any_loss(fit, loss) -> None:
    classes = True
    try:
        parts.build("loss", loss, OPTIONS_OF_LOSSES.get(loss, {}), target_of((), True))
    except StudyError:
        classes = False
    terms = [(loss, OPTIONS_OF_LOSSES.get(loss, {}), "t", 1.0)]
    given = {"terms": terms, "classes": classes}
    expected = fit(Values(), **given)
    # Powers of two do not change the rounding, to which the first steps of a game are sensitive.
    assert_same(fit(Values(weight=2.0**-10), **given), expected, 5e-3)
    found = fit(Values(length=1024.0), **given)
    assert_same(found, expected, 2e-2)


def test_delta_of_huber_is_in_the_unit_of_the_value(fit) -> None:
    def residuals(unit: float, delta: float):
        found = fit(Values(unit), terms=[("huber", {"delta": delta}, "t", 1.0)])
        return relative(found, unit)

    expected = residuals(1.0, 0.3)
    assert_same(residuals(1e4, 3e3), expected)
    assert np.abs(residuals(1.0, 3.0)["value"] - expected["value"]).max() > 1e-3


@pytest.mark.property
@settings(max_examples=examples(50), deadline=None)
@given(unit=st.floats(1e-12, 1e12), delta=st.floats(1e-3, 1e3), residual=st.floats(-10, 10))
def test_huber_of_standardised_values_is_that_of_the_values(unit, delta, residual) -> None:
    import torch

    plain = Huber(Target("t", values=("v",)), delta=delta)
    scaled = Huber(Target("t", values=("v",)), delta=delta * unit)
    plain.set_units(np.array([1.0]))
    scaled.set_units(np.array([unit]))
    given = torch.tensor([[residual]])
    torch.testing.assert_close(
        scaled.residual_loss(given), plain.residual_loss(given), rtol=1e-4, atol=1e-6
    )
