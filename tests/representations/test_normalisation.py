import io

import numpy as np
import pytest
import torch
from numpy import array

from bunchtrain.errors import DataError
from bunchtrain.methods.normalisation_layer import NormalisationLayer
from bunchtrain.representations.preprocessing.finite import check_finite
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.representations.preprocessing.statistics import Statistics
from bunchtrain.representations.table import Table

NAN, INF = float("nan"), float("inf")


def table(kind="standard", columns=3):
    return Table(features=[f"x{i}" for i in range(columns)], normalise=kind)


def blocks(values, size=7):
    return ({"table": part} for part in np.split(values, range(size, len(values), size)))


@pytest.fixture
def values():
    normal = np.random.default_rng(1).normal(size=(100, 3))
    return (normal * [1, 100, 1e-3] + [5, -1e4, 0]).astype(np.float32)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_standard_values_have_mean_0_and_deviation_1_however_they_come(values, size):
    done = Normalisation.fit(blocks(values, size), table())({"table": values})["table"]
    np.testing.assert_allclose(done.mean(0), 0, atol=2e-4)
    np.testing.assert_allclose(done.std(0), 1, atol=1e-3)


def test_robust_values_have_median_0_and_quartile_range_1(values):
    values[0, 0] = 1e6  # moves neither
    done = Normalisation.fit(blocks(values), table("robust"))({"table": values})["table"]
    low, middle, high = np.quantile(done.astype(float), [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(middle, 0, atol=1e-4)
    np.testing.assert_allclose(high - low, 1, atol=1e-3)


def test_none_changes_nothing(values):
    same = Normalisation.fit(blocks(values), table("none"))({"table": values})["table"]
    assert np.array_equal(same, values)


@pytest.mark.parametrize("kind", ["standard", "robust"])
def test_constant_columns_become_zero(kind):
    values = np.full((50, 3), 0.1, np.float32)
    done = Normalisation.fit(blocks(values), table(kind))({"table": values})["table"]
    assert not done.any()


def test_quantiles_come_from_a_bounded_sample(monkeypatch):
    monkeypatch.setattr("bunchtrain.representations.preprocessing.statistics.SAMPLE", 2000)
    statistics = Statistics((1,))
    for part in np.split(np.linspace(0, 1, 20_000)[:, None], 20):
        statistics.add(part)
    assert len(statistics._sample) == 2000
    assert abs(float(statistics.quantile(0.5)[0]) - 0.5) < 0.05


def test_a_layer_made_from_sizes_restores_the_arrays_and_gives_the_same_values(values):
    fitted = Normalisation.fit(blocks(values), table("robust"), "impute")
    layer = NormalisationLayer(Normalisation(table().sizes))
    layer.load_state_dict(NormalisationLayer(fitted).state_dict())
    values[3, 1] = NAN
    done = layer({"table": torch.tensor(values)})["table"]
    np.testing.assert_array_equal(done, fitted({"table": values})["table"])


def test_unfitted_and_whole_number_tensors_pass_unchanged():
    normalisation = Normalisation({"features": 2, "lengths": (), "edges": 2})
    inputs = {"features": np.ones((5, 2)), "lengths": array([2, 3]), "edges": array([[0], [1]])}
    found = normalisation(inputs)
    assert all(np.array_equal(found[name], inputs[name]) for name in inputs)


def test_clip_puts_the_extremes_of_training_for_infinity_and_0_for_nan():
    fitted = Normalisation.fit(blocks(array([[1.0, 2, 3], [4, NAN, INF]])), table("none"), "clip")
    done = fitted({"table": array([[INF, -INF, NAN], [99, 99, 99.0]])})["table"]
    assert done.tolist() == [[4, 2, 0], [99, 99, 99]]


def test_impute_puts_the_median_of_training():
    train = array([[1.0, 2, 3], [4, NAN, INF], [9, 5, 7]])
    fitted = Normalisation.fit(blocks(train), table("none"), "impute")
    assert fitted({"table": array([[NAN, INF, -INF]])})["table"].tolist() == [[4, 3.5, 5]]


@pytest.mark.parametrize("policy", ["raise", "drop"])
def test_the_other_policies_leave_what_is_not_finite_visible(policy):
    fitted = Normalisation.fit(
        blocks(np.random.default_rng(1).normal(size=(9, 3))), table(), policy
    )
    done = fitted({"table": array([[NAN, INF, -INF]])})["table"]
    assert np.isnan(done[0, 0])
    assert done[0, 1:].tolist() == [INF, -INF]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch about its own code
def test_it_exports_to_onnx(values):
    onnxruntime = pytest.importorskip("onnxruntime")
    fitted = Normalisation.fit(blocks(values), table(), "impute")
    values[0] = array([NAN, INF, -INF])
    program = torch.onnx.export(
        _OneTensor(NormalisationLayer(fitted)).eval(),
        (torch.tensor(values),),
        dynamo=True,
        verbose=False,
        input_names=["x"],
    )
    file = io.BytesIO()
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    (done,) = session.run(None, {"x": values})
    np.testing.assert_allclose(done, fitted({"table": values})["table"], rtol=1e-5, atol=1e-6)


class _OneTensor(torch.nn.Module):
    def __init__(self, normalisation):
        super().__init__()
        self.normalisation = normalisation

    def forward(self, x):
        return self.normalisation({"table": x})["table"]


CLOUD = {
    "features": array([[1.0, 2.0], [3.0, NAN], [5.0, 6.0]]),
    "globals": array([[0.0], [0.0], [INF]]),
    "lengths": array([2, 0, 1]),
}
NAMES = {"features": ["pt", "log(pt)"], "globals": ["rho"]}


def test_refused_values_are_told_with_column_and_entry():
    with pytest.raises(DataError, match=r"'log\(pt\)' of 'features' is NaN in entry 70"):
        check_finite(CLOUD, NAMES, [70, 71, 72], "raise")
    only = {"globals": CLOUD["globals"]}
    with pytest.raises(DataError, match="'rho' of 'globals' is infinite in entry 72"):
        check_finite(only, NAMES, [70, 71, 72], "raise")


def test_dropped_events_are_those_with_such_values():
    assert check_finite(CLOUD, NAMES, [70, 71, 72], "drop").tolist() == [1]


@pytest.mark.parametrize("policy", ["clip", "impute"])
def test_the_other_policies_keep_all_events(policy):
    assert check_finite(CLOUD, NAMES, [70, 71, 72], policy).tolist() == [0, 1, 2]
