"""Planing (arXiv:1709.10106): classes that are reweighted in mass have the same mass spectrum."""

import awkward as ak
import numpy as np
from arrays_source import Arrays

from bunchtrain.statistics.metrics import auc, roc
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.targets import Target

EDGES = np.linspace(0.1, 0.9, 17).tolist()


def test_mass_does_not_separate_the_classes_after_planing(tmp_path):
    random = np.random.default_rng(1)
    label = np.arange(4000) % 2
    mass = np.where(label == 1, random.beta(3, 2, 4000), random.beta(2, 3, 4000))
    recipe = Recipe(
        Arrays(ak.zip({"mass": mass, "label": label})),
        targets=[Target("label", ("qcd", "w"), expressions=("label == 0", "label == 1"))],
        weights={"reweight": {"variables": {"mass": EDGES}, "reference": "qcd", "limit": 100.0}},
        columns=["mass"],
    )
    events = ak.concatenate(list(EventCache.build(recipe, tmp_path).of("train").blocks(None, 1000)))
    mass, is_w, weight = (
        ak.to_numpy(events[n]).astype(float) for n in ("mass", "target_label", "weight")
    )
    spectra = [
        np.histogram(mass[is_w == k], EDGES, weights=weight[is_w == k], density=True)[0]
        for k in (0, 1)
    ]
    np.testing.assert_allclose(*spectra, rtol=1e-4)
    assert auc(roc(mass, is_w == 1)).value > 0.7
    assert abs(auc(roc(mass, is_w == 1, weight)).value - 0.5) < 0.01
