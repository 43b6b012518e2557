"""Classical tracks beside those of a model: transforms of events, and tracks in the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak

from bunchtrain import parts
from bunchtrain.errors import StudyError, one_of
from bunchtrain.evaluations._object_evaluation import ObjectEvaluation, search
from bunchtrain.physics.track_matching import TrackList, TrueParticles
from bunchtrain.study import Study, model_configs
from bunchtrain.transforms._clustering import Clustering

#: How a study gives a baseline: the name of a transform, its options, or `hits: COLUMN`.
Baseline = dict[str, Any] | str


@dataclass(frozen=True)
class Rival:
    """Tracks of the same events that no model of the study makes.

    made    a transform of events, or the column of the hits of its tracks.
    fitted  prefix of the columns of the parameters of the tracks, where they are fitted already.
    """

    label: str
    made: Clustering | str
    fitted: str | None = None

    def tracks(
        self, columns: Mapping[str, Any], truth: ak.Array, particles: TrueParticles
    ) -> TrackList:
        """Return its tracks.

        Raises DataError for a column of other lists than the hits of tracks.
        """
        if isinstance(self.made, str):
            return TrackList.of_lists(columns[self.made], particles.counts, self.made)
        return TrackList.of_labels(search(self.made, columns, truth))


def build_rivals(
    evaluation: ObjectEvaluation, given: Sequence[Baseline] | Baseline | None
) -> list[Rival]:
    """Return the baselines of an evaluation.

    Raises StudyError for an unknown transform, one that reads predictions, other keys beside
    `hits`, and two of the same label; `fitted` is for the evaluation of fits.
    """
    listed = [] if given is None else [given] if isinstance(given, str | dict) else given
    rivals = [_rival(evaluation, {"name": one} if isinstance(one, str) else one) for one in listed]
    labels = [one.label for one in rivals]
    if repeated := [one for one in labels if labels.count(one) > 1]:
        raise StudyError(
            f"evaluation '{evaluation.name}': two baselines have the label '{repeated[0]}'; give "
            "each a 'label' of its own"
        )
    return rivals


def _rival(evaluation: ObjectEvaluation, given: Mapping[str, Any]) -> Rival:
    options = {key: value for key, value in given.items() if key != "label"}
    if "hits" not in options:
        name = str(options.get("name"))
        return Rival(str(given.get("label", parts.short_name(name))), evaluation.build(options))
    beside = {"hits", "fitted"} if evaluation.name == "track_parameters" else {"hits"}
    if unknown := sorted(set(options) - beside):
        raise StudyError(
            f"evaluation '{evaluation.name}': baseline: '{unknown[0]}' does not go with 'hits', "
            f"the column of the hits of tracks; there are {one_of([*beside, 'label'])}"
        )
    column, fitted = str(options["hits"]), options.get("fitted")
    label = str(given.get("label", column.removesuffix("_hits")))
    return Rival(label, column, None if fitted is None else str(fitted))


def check_rivals(evaluation: ObjectEvaluation, study: Study, rivals: Sequence[Rival]) -> None:
    """Raise StudyError for a column that is no spectator, or the label of a model."""
    for one in rivals:
        if isinstance(one.made, str):
            evaluation.need_spectator(study, one.made, "baseline: hits")
        if one.label in model_configs(study):
            raise StudyError(
                f"evaluation '{evaluation.name}': '{one.label}' is the name of a model and of a "
                "baseline; give the baseline another 'label'"
            )
