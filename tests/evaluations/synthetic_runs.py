"""Finished runs of synthetic events with known answers, for the tests of evaluations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from scipy.stats import norm

from bunchtrain.errors import DataError
from bunchtrain.study import Study
from bunchtrain.tables.prediction_contents import Contents, PredictedColumn
from bunchtrain.tables.predictions import Predictions
from bunchtrain.targets import Assignment, Quantity, Target
from bunchtrain.targets.quantity import column_name

#: Distance of the two classes in standard deviations of the score, by model.
SEPARATION = {"first": 1.0, "second": 2.0}
#: Bias and standard deviation of predicted − true energy, by model.
BIAS, SIGMA = {"first": 2.0, "second": 0.0}, {"first": 5.0, "second": 10.0}
#: Two tops of one b jet and two others each, both of which may be exchanged.
TOPS = Assignment(
    "jet",
    (("t1", ("b", "q1", "q2")), ("t2", ("b", "q1", "q2"))),
    (("t1", "t2"), ("t1_q1", "t1_q2")),
)
#: Probability that a top is assigned correctly in easy and in hard events, by model; a tenth of the
#: tops lacks a jet.
RIGHT, LACKING = {"first": (0.9, 0.3), "second": (0.8, 0.6)}, 0.1
TARGETS = {
    "classes": Target("jet", classes=("qcd", "top"), expressions=("is_top == 0", "is_top == 1")),
    "flavours": Target(
        "flavour", ("light", "c", "b"), expressions=("label == 0", "label == 1", "label == 2")
    ),
    "values": Target("energy", values=("energy",), expressions=("true_energy",)),
    "assignment": Target(
        "tops",
        expressions=tuple(f"{top}_{one}" for top in ("t1", "t2") for one in ("b", "q1", "q2")),
        assignment=TOPS,
    ),
}
#: The systematic effect of shifted runs.
EFFECT = "jet_energy_scale"
SPECTATORS = ["jet_pt", "jet_mass", "mass_point"]


def expected_auc(model: str) -> float:
    """Return Φ(d/√2), the AUC of two normal distributions d standard deviations apart."""
    return float(norm.cdf(SEPARATION[model] / np.sqrt(2)))


@dataclass
class SyntheticRun:
    """A finished run as evaluations read it (`EvaluatedRun`)."""

    study: Study
    predictions: Predictions
    folder: Path = Path()
    models: Mapping[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    folds: int = 1
    files: dict[str, Any] = field(default_factory=dict)
    shifts: dict[tuple[str, float], Predictions] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fold_sizes(self):
        return [len(part) for part in np.array_split(np.arange(len(self.predictions)), self.folds)]

    def events(self, rows, columns=None):
        raise DataError("the cache of the events is gone")

    def shifted(self, systematic, size, deviations):
        return self.shifts[systematic, deviations]

    def shifted_columns(self, systematic, size):
        return {"changed": ["jet_pt"], "unchanged": ["met"], "inputs": ["jet_pt"]}

    def json(self, name):
        return self.files.get(name, {})


def study(targets, changes=None):
    """Return a study of these targets with models `first` and `second` and their mean `both`."""
    kinds = {
        one.name: {
            "on": one.assignment.group,
            "assign": {
                name: {p: f"{name}_{p}" for p in products}
                for name, products in one.assignment.particles
            },
            "symmetries": [list(names) for names in one.assignment.symmetries],
        }
        if one.assignment
        else {
            "classes" if one.classes else "values": dict(
                zip(one.labels, one.expressions, strict=True)
            )
        }
        for one in targets
    }
    given = {
        "name": "synthetic",
        "source": {"name": "files", "files": "jets.root"},
        "targets": kinds,
        "spectators": SPECTATORS,
        "representation": {"name": "table", "features": ["jet_pt"]},
        "model": "dense_network",
        "models": {name: {} for name in SEPARATION},
    }
    if any(one.classes for one in targets):
        given["ensembles"] = {"both": {"by": "mean"}}
    return Study.model_validate(given | (changes or {}))


def _jets(random, events):
    """Truth and scores of two classes; `first` rises with the mass, `second` does not.

    The scores are logits of normal distributions, so that their probabilities are calibrated.
    """
    truth = random.permutation(np.arange(events) % 2)
    z = random.normal(size=events)
    noise = {
        "first": 0.6 * z + 0.8 * random.normal(size=events),
        "second": random.normal(size=events),
    }
    found = {}
    for name, d in SEPARATION.items():
        p = expit(d * (d * (truth - 0.5) + noise[name]))
        found[name] = np.stack([1 - p, p], 1)
    return truth, found, 80 * np.exp(0.3 * z)


def _flavours(random, events):
    truth = random.permutation(np.arange(events) % 3)
    found = {
        name: softmax(d * np.eye(3)[truth] + random.normal(size=(events, 3)), axis=1)
        for name, d in SEPARATION.items()
    }
    return truth, found


def _tops(random, events):
    """Truth (events, role) and predicted items by model, under the symmetries; half are hard."""
    truth = random.permuted(np.tile(np.arange(8), (events, 1)), axis=1)[:, :6]
    hard = random.random(events) < 0.5
    found = {}
    for name, chances in RIGHT.items():
        wanted = random.random((events, 2)) < np.where(hard, chances[1], chances[0])[:, None]
        items = truth.copy()
        for k in range(2):  # a wrong top has one of the two jets that are in none
            lost = ~wanted[:, k]
            free = np.array([sorted({*range(8)} - {*row})[k] for row in truth])
            items[lost, 3 * k + random.integers(0, 3)] = free[lost]
        swapped = random.random(events) < 0.5
        items[swapped] = items[swapped][:, [3, 5, 4, 0, 1, 2]]
        found[name] = items
    for k in range(2):
        truth[random.random(events) < LACKING, 3 * k + 1] = -1
    return truth, found


def predictions(*kinds, events=4000, seed=1, seeds=1, conformal=False):
    """Return the predictions of `first` (with `seeds` trainings), `second` and `both`.

    Args:
        kinds: `classes` (qcd, top), `flavours` (light, c, b) or `values` (energy in GeV).
        conformal: whether sets of classes and intervals of values at 68 % are predicted.
    """
    random = np.random.default_rng(seed)
    targets = [TARGETS[kind] for kind in kinds]
    trainings = {"first": ["first", *(f"first_seed_{k}" for k in range(2, seeds + 1))]}
    trainings["second"] = ["second"]
    ensembles = ["both"] if any(one.classes for one in targets) else []
    trainings |= {name: [name] for name in ensembles}
    columns: dict[str, Any] = {
        "entry": np.arange(events),
        "weight": random.uniform(0.5, 1.5, events),
        "jet_pt": random.uniform(500, 1000, events),
        "jet_mass": random.exponential(80, events),
        "mass_point": random.choice([500.0, 750.0], events),
    }
    filled = {}

    def fill(training, target, quantity, values):
        name = column_name(training, target.name, quantity, len(targets) > 1)
        columns[name] = np.asarray(values, np.float32)
        filled[name] = PredictedColumn(training, target.name, quantity)

    for target in targets:
        if target.assignment:
            truth, found = _tops(random, events)
            roles = target.assignment.roles
            columns |= {f"tops_{role}": truth[:, k] for k, role in enumerate(roles)}
        elif target.values:
            truth = random.uniform(50, 150, events)
            columns[f"{target.name}_0"] = truth
            found = {name: random.normal(truth + BIAS[name], SIGMA[name]) for name in BIAS}
        elif target.name == "jet":
            columns["jet"], found, columns["jet_mass"] = _jets(random, events)
        else:
            columns[target.name], found = _flavours(random, events)
        if target.classes:
            found["both"] = (found["first"] + found["second"]) / 2
        for estimator, names in trainings.items():
            for training in names:
                if estimator not in found:  # ensembles combine classes alone
                    continue
                value = found[estimator]
                for k, role in enumerate(target.assignment.roles if target.assignment else ()):
                    fill(training, target, Quantity(role, "index"), value[:, k])
                if target.values:
                    (label,), sigma = target.values, SIGMA[estimator]
                    fill(training, target, Quantity(label), value)
                    fill(training, target, Quantity(label, "sigma"), np.full(events, sigma))
                    if conformal:
                        fill(training, target, Quantity(label, "low", 0.68), value - sigma)
                        fill(training, target, Quantity(label, "high", 0.68), value + sigma)
                for k, label in enumerate(target.classes):
                    fill(training, target, Quantity(label), value[:, k])
                    if conformal:
                        inside = value[:, k] > 0.3
                        fill(training, target, Quantity(label, "in_set", 0.68), inside)
    schema = Contents({one.name: one for one in targets}, trainings, ensembles, filled)
    return Predictions(schema, columns)


def run(*kinds, changes=None, shift=0.0, **options):
    """Return a run of `predictions(*kinds, **options)` and its study, with `changes` of keys.

    One standard deviation of EFFECT adds `shift` to the log-odds of all models.
    """
    table = predictions(*kinds, **options)
    shifts = {(EFFECT, sign): shifted(table, sign * shift) for sign in (1, -1)} if shift else {}
    made = study([TARGETS[kind] for kind in kinds], changes)
    return SyntheticRun(made, table, shifts=shifts)


def shifted(table, amount):
    """Return the predictions with an amount added to the log-odds of the signal of all models."""
    columns = dict(table.columns)
    for target in table.classifications.values():
        for model in table.estimators:
            names = [column_name(model, target.name, Quantity(k), False) for k in target.classes]
            p = np.stack([table.columns[name] for name in names], 1)
            p[:, target.signal_index] *= np.exp(amount)
            columns |= dict(zip(names, (p / p.sum(1, keepdims=True)).T, strict=True))
    return Predictions(table.contents, columns)


def copies(table, models):
    """Return a table of models that predict what others do: model → model of `table`."""
    columns, found = dict(table.columns), {}
    for model, source in models.items():
        for name, column in table.contents.columns.items():
            if column.training == source:
                copy = name.replace(source, model, 1)
                columns[copy] = columns[name]
                found[copy] = PredictedColumn(model, column.target, column.quantity)
    schema = Contents(table.targets, {name: [name] for name in models}, [], found)
    return Predictions(schema, columns)
