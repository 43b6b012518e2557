"""What every export target promises: files, and the proof that they give the same numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import awkward as ak

from bunchtrain.deployment.parity import Parity
from bunchtrain.trained_model import TrainedModel


class Target(ABC):
    """A place where a network can run; a part of kind `export`, with keyword-only options."""

    #: Where the network comes from (run, hash of the study, commit), for files that can tell it.
    provenance: Mapping[str, str] = {}

    @abstractmethod
    def refusal(self, trained_model: TrainedModel) -> str | None:
        """Return why this network cannot be exported, naming model or layer, or None if it can.

        Asked before training starts, of a network with fresh weights and no fitted trees, so that
        it tells as much as can be known from what the network is made of.
        """

    @abstractmethod
    def export(self, trained_model: TrainedModel, events: ak.Array, folder: Path) -> Parity:
        """Write the files into `folder`, run them on the events and tell how they compare.

        events  (events,) with the columns that the trained_model reads, and `entry`.

        Raises ExportError, naming the layer, for what shows in the trained network only, and
        MissingDependency if a tool is not installed.
        """
