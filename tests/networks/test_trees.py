"""Tree models: losses, states and predictions as for networks, and error messages."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.special import expit

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, RunError, StudyError
from bunchtrain.heads._arrays import softmax
from bunchtrain.heads.binary_cross_entropy import BinaryCrossEntropy
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.heads.focal import Focal
from bunchtrain.heads.mean_absolute_error import MeanAbsoluteError
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.heads.quantile import Quantile
from bunchtrain.methods.fitted_module import FittedModule
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.model_inputs import input_names
from bunchtrain.methods.tensor_files import read_arrays, write_arrays
from bunchtrain.networks.fitted.boosted_trees import BoostedTrees
from bunchtrain.networks.fitted.histogram_trees import HistogramTrees
from bunchtrain.networks.fitted.random_forest import RandomForest
from bunchtrain.networks.layers.trees import BoostingOptions, DecisionTrees, Tree, round_down
from bunchtrain.progress_events import read_events, report_stage
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.targets import Target

LABEL = Target("label", classes=("qcd", "top"))
FLAVOUR = Target("label", classes=("light", "c", "b"))
MASS = Target("mass", values=("mass",))
PAIR = Target("mass", values=("mass", "pt"))

KINDS = [BoostedTrees, HistogramTrees, RandomForest]
BOOSTED = KINDS[:2]
FEATURES = 4


class Batches:
    """Batches that can be iterated over repeatedly, as the cache gives them."""

    def __init__(self, target, events=600, seed=0, size=128, missing=True):
        x = np.random.default_rng(seed).standard_normal((events, FEATURES), np.float32)
        signal = x[:, 0] - x[:, 1] ** 2
        self.weight = 0.5 + expit(x[:, 3])
        if target.classes:
            edges = np.array([-1.0, 0.3][3 - len(target.classes) :])
            self.target = np.digitize(signal, edges)
        else:
            self.target = np.stack([signal, x[:, 0]], 1)[:, : len(target.values)] + 3
        if missing:
            x[::5, 2] = np.nan
            x[::7, 1] = np.nan
        self.name, self.x, self.size = target.name, x, size

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.x), self.size):
            rows = slice(start, start + self.size)
            yield Batch({"table": self.x[rows]}, {self.name: self.target[rows]}, self.weight[rows])

    def whole(self) -> Batch:
        return Batch({"table": self.x}, {self.name: self.target}, self.weight)


def build(kind, outputs, **options):
    names = {BoostedTrees: "boosted_trees", HistogramTrees: "histogram_trees"}
    return parts.build("model", names.get(kind, "random_forest"), options, FEATURES, outputs)


def fitted(kind, objective, trees=12, seed=1, **options):
    model = build(kind, objective.outputs, trees=trees, **options)
    training, validation = Batches(objective.target), Batches(objective.target, 300, seed=1)
    history = model.fit(training, validation, objective, seed=seed, threads=1)
    return model, history


def loss_of(model, objective, batch):
    losses = objective.array_losses(model(batch.inputs["table"]), batch)
    return float(np.average(losses, weights=batch.weight))


CASES = [
    (kind, objective)
    for kind in KINDS
    for objective in [
        CrossEntropy(LABEL),
        CrossEntropy(FLAVOUR),
        BinaryCrossEntropy(LABEL),
        MeanSquaredError(MASS),
    ]
]
CASES += [(kind, MeanAbsoluteError(MASS)) for kind in BOOSTED]
CASES += [(kind, Quantile(MASS, levels=(0.9,))) for kind in BOOSTED]
CASES += [(BoostedTrees, Quantile(MASS)), (BoostedTrees, MeanSquaredError(PAIR))]
CASES += [(BoostedTrees, MeanAbsoluteError(PAIR)), (RandomForest, MeanSquaredError(PAIR))]


def label(value):
    return value.__name__ if isinstance(value, type) else f"{value.name}-{value.outputs}"


@pytest.mark.parametrize(("kind", "objective"), CASES, ids=label)
def test_the_history_has_the_values_of_the_loss(kind, objective):
    """The trees as arrays and the history of the library agree with the loss."""
    model, history = (
        fitted(kind, objective, trees=10, patience=None)
        if kind in BOOSTED
        else (fitted(kind, objective, trees=10))
    )
    training, validation = Batches(objective.target), Batches(objective.target, 300, seed=1)
    assert model(training.x).shape == (600, objective.outputs)
    last = history[-1]
    assert loss_of(model, objective, training.whole()) == pytest.approx(
        last["training_loss"], rel=1e-4
    )
    measured = loss_of(model, objective, validation.whole())
    assert measured == pytest.approx(last["validation_loss"], rel=1e-4)
    constant = type(model)(FEATURES, objective.outputs)
    constant.trees.set_trees([LEAF(objective.outputs)], np.zeros(objective.outputs))
    assert measured < loss_of(constant, objective, validation.whole())


def LEAF(outputs):  # noqa: N802
    none = np.array([-1])
    return Tree(
        none, none, np.array([0]), np.array([0.0]), np.array([False]), np.ones((1, outputs))
    )


@pytest.mark.parametrize(("kind", "objective"), CASES, ids=label)
def test_a_saved_state_gives_the_same_outputs(tmp_path, kind, objective):
    model, _ = fitted(kind, objective, trees=5)
    write_arrays(tmp_path / "model.safetensors", model.state())
    again = kind(FEATURES, objective.outputs)
    again.load_state(read_arrays(tmp_path / "model.safetensors"))
    x = Batches(objective.target).x
    assert np.array_equal(again(x), model(x))
    assert np.array_equal(again.feature_importance(), model.feature_importance())


@pytest.mark.parametrize(("kind", "objective"), CASES, ids=label)
def test_the_module_for_exports_gives_the_same_outputs(kind, objective):
    model, _ = fitted(kind, objective, trees=5)
    x = Batches(objective.target).x
    found = FittedModule(model)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, model(x), rtol=1e-5, atol=1e-6)
    output = model(x)
    by_arrays = objective.predictions(output)
    by_tensors = objective.predictions(torch.from_numpy(output))
    assert list(by_arrays) == list(by_tensors)
    for quantity, values in by_arrays.items():
        np.testing.assert_allclose(values, by_tensors[quantity].numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "objective", [one for kind, one in CASES if kind is BoostedTrees], ids=label
)
def test_losses_of_arrays_are_those_of_tensors_and_constants_the_best(objective):
    batch, random = Batches(objective.target).whole(), np.random.default_rng(1)
    output = random.standard_normal((len(batch), objective.outputs), np.float32)
    losses = objective.array_losses(output, batch)
    name, tensors = objective.target.name, batch.tensors()
    np.testing.assert_allclose(
        losses, objective({name: torch.from_numpy(output)}, tensors).numpy(), rtol=1e-5, atol=1e-6
    )
    best = objective.constant_output(batch)

    def mean(constant):
        given = np.tile(constant, (len(batch), 1))
        return np.average(objective.array_losses(given, batch), weights=batch.weight)

    for step in random.normal(0, 0.1, (20, objective.outputs)):
        assert mean(best) <= mean(best + step) + 1e-6


@pytest.mark.parametrize("objective", [CrossEntropy(LABEL), CrossEntropy(FLAVOUR), Quantile(MASS)])
def test_the_arrays_of_a_booster_give_what_xgboost_gives(objective):
    model, _ = fitted(BoostedTrees, objective)
    x = Batches(objective.target).x
    cut = np.array([t for t in model.trees.threshold[:20] if t != 0], np.float32)[:, None]
    cuts = [np.tile(c, (1, FEATURES)) for c in (cut, np.nextafter(cut, cut + 1))]
    x = np.concatenate([x, *cuts])
    np.testing.assert_allclose(model.trees(x), model(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_trees_are_part_of_a_network_as_any_model(kind):
    model, _ = fitted(kind, CrossEntropy(LABEL))
    network = FittedNetwork(Normalisation({"table": FEATURES}), model, {"label": 2})
    assert input_names(kind) == ("table",)
    assert parts.positional(kind) == ("table", "outputs")
    assert not network.trains_by_gradient
    x = Batches(LABEL).x
    assert np.array_equal(network({"table": x, "weight": x})["label"], model(x), equal_nan=True)
    assert model(x[:0]).shape == (0, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_do_not_depend_on_the_other_events(kind):
    model, _ = fitted(kind, CrossEntropy(FLAVOUR))
    x = Batches(FLAVOUR).x
    assert np.array_equal(model(x)[5:9], model(x[5:9]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_trees(kind):
    options = {"feature_fraction": 0.5}
    one, two, other = (
        fitted(kind, CrossEntropy(LABEL), seed=seed, **options)[0] for seed in [3, 3, 4]
    )
    x = Batches(LABEL).x
    assert np.array_equal(one(x), two(x))
    assert not np.array_equal(one(x), other(x))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_count_as_so_many_events(kind):
    """An event of weight 0 has no influence."""

    class Half(Batches):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.weight = np.ones(len(self.x), np.float32)
            self.target[300:] = 1 - self.target[300:]
            self.weight[300:] = 0

    objective = CrossEntropy(LABEL)
    model = build(kind, 2, trees=30)
    model.fit(Half(LABEL), Batches(LABEL, 300, 1), objective, seed=1, threads=1)
    right = Batches(LABEL, 1000, seed=2)
    assert (model(right.x).argmax(1) == right.target).mean() > 0.75


@pytest.mark.parametrize("kind", KINDS)
def test_class_weights_move_the_decision(kind):
    plain, _ = fitted(kind, CrossEntropy(LABEL), trees=5)
    heavy, _ = fitted(kind, CrossEntropy(LABEL, class_weights={"top": 10.0}), trees=5)
    x = Batches(LABEL, seed=2).x
    assert softmax(heavy(x))[:, 1].mean() > softmax(plain(x))[:, 1].mean() + 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_importance_is_shared_among_the_features_that_matter(kind):
    model, _ = fitted(kind, CrossEntropy(LABEL), trees=40)
    share = model.feature_importance()
    assert share.sum() == pytest.approx(1, abs=1e-5)
    assert share[:2].sum() > 0.6


@pytest.mark.parametrize("kind", BOOSTED)
def test_early_stopping_keeps_the_best_round(kind):
    objective = CrossEntropy(LABEL)
    model = build(kind, 2, trees=400, learning_rate=0.5, patience=5)
    history = model.fit(Batches(LABEL), Batches(LABEL, 300, 1), objective, seed=1, threads=1)
    losses = [row["validation_loss"] for row in history]
    assert len(losses) < 100
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 5
    assert len(model.trees.roots) == best + 1
    whole = Batches(LABEL, 300, 1).whole()
    assert loss_of(model, objective, whole) == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_progress_is_reported(kind, tmp_path):
    model = build(kind, 2, trees=35)
    with report_stage(tmp_path, "train.trees"):
        history = model.fit(Batches(LABEL), [], CrossEntropy(LABEL), seed=1, threads=1)
    first = next(one for one in read_events(tmp_path) if one.event == "progress")
    assert first.steps == 35
    assert first.text == f"round {first.step}/35"
    assert first.loss == history[0]["training_loss"]
    assert set(history[-1]) == {"training_loss"}


def test_boosted_trees_do_not_depend_on_the_size_of_the_batches():
    models = []
    for size in [50, 600]:
        model = BoostedTrees(FEATURES, 2, boosting=BoostingOptions(trees=10))
        model.fit(Batches(LABEL, size=size), [], CrossEntropy(LABEL), seed=1, threads=1)
        models.append(model)
    x = Batches(LABEL).x
    np.testing.assert_allclose(models[0](x), models[1](x), rtol=1e-5, atol=1e-6)


def test_thresholds_are_rounded_down():
    exact = np.random.default_rng(1).normal(size=1000)
    rounded = round_down(exact)
    assert (rounded.astype(float) <= exact).all()
    assert (np.nextafter(rounded, np.float32(np.inf)).astype(float) > exact).all()
    assert round_down(np.array([np.inf, 0.5])).tolist() == [np.inf, 0.5]


def test_a_tree_by_hand():
    """x_1 ≤ 2 → 10, x_1 > 2 → (x_0 ≤ 0 → 20, else 30); missing x_1 goes right, missing x_0 left."""
    tree = Tree(
        left=np.array([1, -1, 3, -1, -1]),
        right=np.array([2, -1, 4, -1, -1]),
        feature=np.array([1, -2, 0, -2, -2]),
        threshold=np.array([2.0, -2, 0, -2, -2]),
        missing_left=np.array([False, False, True, False, False]),
        value=np.array([[0.0], [10], [0], [20], [30]]),
    )
    trees = DecisionTrees(1)
    trees.set_trees([tree, LEAF(1)], np.array([0.5]))
    nan = np.nan
    table = np.array([[9.0, 2], [-1, 3], [0, nan], [0.1, nan], [nan, nan], [nan, -1]], np.float32)
    assert trees.depth == 2
    assert (trees(table)[:, 0] - 1.5).tolist() == [10, 20, 20, 30, 20, 10]


def message(error, kind, objective, batches=None, outputs=None, **options):
    model = kind(FEATURES, outputs or objective.outputs, **options)
    training = Batches(objective.target) if batches is None else batches
    with pytest.raises(error) as caught:
        model.fit(training, [], objective, seed=1, threads=1)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_unsupported_input_raises_one_sentence(kind):
    name = {BoostedTrees: "boosted_trees", HistogramTrees: "histogram_trees"}.get(
        kind, "random_forest"
    )
    text = message(StudyError, kind, Focal(LABEL))
    assert text.startswith(f"model '{name}' cannot fit loss 'focal'; it fits binary_cross")
    text = message(StudyError, kind, CrossEntropy(LABEL, label_smoothing=0.1))
    assert text.endswith("with 'label_smoothing'; set it to 0")
    text = message(StudyError, kind, CrossEntropy(LABEL), outputs=3)
    assert f"'{name}' fits one target only, and its 3 outputs are not the 2" in text
    text = message(DataError, kind, CrossEntropy(LABEL), batches=[])
    assert text.startswith("the training set has no events")
    with pytest.raises(RunError, match="is not fitted yet; call its 'fit' first"):
        kind(FEATURES, 2)(np.zeros((1, FEATURES), np.float32))

    negative = Batches(LABEL)
    negative.weight[7] = -1
    text = message(StudyError, kind, CrossEntropy(LABEL), batches=negative)
    assert "set 'weights.negative' to 'absolute' or 'drop'" in text
    one_class = Batches(LABEL)
    one_class.target[:] = 0
    text = message(DataError, kind, CrossEntropy(LABEL), batches=one_class)
    assert text.startswith("the training set has no event of class 'top' of target 'label'")


def test_unsupported_numbers_of_outputs_raise():
    assert "quantiles of one value" in message(StudyError, BoostedTrees, Quantile(PAIR))
    assert "use 'boosted_trees'" in message(StudyError, HistogramTrees, MeanSquaredError(PAIR))
    assert "cannot fit loss 'quantile'" in message(StudyError, RandomForest, Quantile(MASS))
