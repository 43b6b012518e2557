"""Weights of hits for the TrackML score, from what a study gives."""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import EvaluatedRun
from bunchtrain.evaluations._object_evaluation import ObjectEvaluation, of_particles, value_of
from bunchtrain.physics.track_matching import TrueParticles
from bunchtrain.physics.trackml_score import Floats, equal_weights, hit_weights, per_event
from bunchtrain.study import Study
from bunchtrain.tables.expressions.expression import Expression

#: What the weights of the challenge are computed from.
KEYS = ("z", "origin", "pt")


class TrackWeights:
    """The weight of each hit: equal, of a column, or as the TrackML challenge computes it.

    Raises StudyError if keys are missing or unknown.
    """

    def __init__(self, evaluation: ObjectEvaluation, given: str | Mapping[str, str]) -> None:
        self.evaluation = evaluation
        listed = {"": given} if isinstance(given, str) else dict(given)
        if not isinstance(given, str) and set(listed) != set(KEYS):
            wrong = sorted(set(listed) - set(KEYS))
            hint = f"'{wrong[0]}' is unknown{nearest(wrong[0], KEYS)}" if wrong else "some are not"
            raise StudyError(
                f"evaluation '{evaluation.name}': score: give expressions for z, origin and pt; "
                f"{hint}"
            )
        self.parts = {} if given == "equal" else {k: Expression(v) for k, v in listed.items()}

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown column."""
        for key, one in self.parts.items():
            for column in sorted(one.columns):
                if key in ("origin", "pt"):
                    self.evaluation.need_column_of_particles(study, column, f"score: {key}")
                else:
                    self.evaluation.need_spectator(study, column, "score")

    def of(self, run: EvaluatedRun, particles: TrueParticles) -> Floats:
        """Return the weights of the hits, (hits,), which add up to 1 in each event.

        Raises DataError for a list of another length, or a weight that is negative or no number.
        """
        if not self.parts:
            return equal_weights(particles)
        columns, prefix = run.predictions.columns, self.evaluation.particles
        if "" in self.parts:
            weight = self._of_hits(value_of(columns, self.parts[""]), particles, "weight")
            if not np.all(weight >= 0):
                raise DataError(
                    f"evaluation '{self.evaluation.name}': score: a weight in "
                    f"'{self.parts[''].text}' is negative or no number; remove such hits"
                )
            return per_event(weight, particles.counts)
        z = self._of_hits(value_of(columns, self.parts["z"]), particles, "z")
        origin, pt = (
            of_particles(
                value_of(columns, self.parts[key]), particles.event, particles.identifier, prefix
            )
            for key in ("origin", "pt")
        )
        distance = np.abs(z - np.append(origin, 0.0)[particles.of_hit])
        return hit_weights(particles, distance, pt)

    def _of_hits(self, lists: ak.Array, particles: TrueParticles, what: str) -> Floats:
        if lists.ndim != 2 or not np.array_equal(ak.to_numpy(ak.num(lists)), particles.counts):
            raise DataError(
                f"evaluation '{self.evaluation.name}': score: the {what} must have a value for "
                "each hit"
            )
        return np.asarray(ak.to_numpy(ak.flatten(lists)), np.float64)
