"""A search for a resonance: a density of the sidebands, and a classifier against its samples.

CATHODE (arXiv:2109.00546): p(x | m) is learnt where the mass m is outside of the signal region,
events are generated at the masses of the region, and a classifier separates the data of the region
from them. Its score is a monotonic function of the likelihood ratio of data to background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bunchtrain.parts.ranges import Events, Seed
from bunchtrain.study.workflows._workflow import Workflow


class DensityThenClassifier(Workflow):
    """A density of the sidebands, and a classifier of data against its samples in the region.

    The stages are `sidebands`, `density`, `region`, `masses`, `samples`, `events`, `classifier`
    and `scores`, the table of the region with the column `<name>.classifier_data`.

    features    columns x that the density and the classifier read.
    mass        column m.
    region      condition of the signal region, e.g. `m > 3.3 and m < 3.7`.
    rows        number of samples of the background in the region.
    of          stage with the table of the data.
    density     method of the density, with its options.
    classifier  model of the classifier, with its options.
    training    keys of `training` of both.
    seed        of the samples.
    """

    def __init__(
        self,
        *,
        features: list[str],
        mass: str,
        region: str,
        rows: Events,
        of: str = "source",
        density: dict[str, Any] | str = "normalizing_flow",
        classifier: dict[str, Any] | str = "boosted_trees",
        training: dict[str, Any] | None = None,
        seed: Seed = 1,
    ) -> None:
        self.features, self.mass, self.region, self.rows = features, mass, region, rows
        self.of, self.density, self.classifier = of, density, classifier
        self.training, self.seed = training or {}, seed

    def stages(self) -> Mapping[str, Mapping[str, Any]]:
        """Return name → stage."""
        table = {"name": "table", "features": self.features}
        without: dict[str, Any] = {"truth": {}, "weights": {}, "spectators": [], "select": None}
        origin = {"background": "origin == 1", "data": "origin == 0"}
        target = {"origin": {"classes": origin, "signal": "data"}}
        drawn = {"name": "resample", "method": "bootstrap", "rows": self.rows, "seed": self.seed}
        return {
            "sidebands": {
                "prepare": without
                | {"of": [self.of], "targets": {}, "select": f"not ({self.region})"}
            },
            "density": {
                "train": {
                    "of": "sidebands",
                    "representation": {**table, "condition": [self.mass]},
                    "method": self.density,
                    "training": self.training,
                }
            },
            "region": {
                "transform": {"name": "select", "of": [self.of], "where": self.region}
            },
            "masses": {"transform": {**drawn, "of": ["region"]}},
            "samples": {
                "generate": {
                    "of": "density", "rows": self.rows, "condition": "masses", "seed": self.seed
                }
            },
            "events": {"prepare": without | {"of": ["region", "samples"], "targets": target}},
            "classifier": {
                "train": {
                    "of": "events",
                    "representation": table,
                    "model": self.classifier,
                    "training": self.training,
                }
            },
            "scores": {"predict": {"of": ["classifier"], "on": "region"}},
        }  # fmt: skip
