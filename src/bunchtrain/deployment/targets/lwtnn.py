"""The JSON layout of lwtnn, read back and run in C++ to compare it with PyTorch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import awkward as ak

from bunchtrain.deployment import lwtnn
from bunchtrain.deployment.cpp import compiling
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.cpp.program import Unsupported
from bunchtrain.deployment.parity import Parity, agreement
from bunchtrain.deployment.target import Target
from bunchtrain.errors import ExportError
from bunchtrain.files import write_json
from bunchtrain.trained_model import TrainedModel


class Lwtnn(Target):
    """JSON file in the layout of lwtnn: dense networks and LSTM with named, scaled inputs.

    tolerance  largest difference of a score from PyTorch's, relative to scores above 1.
    compiler   of C++, for the proof; $CXX, g++ or clang++ if unset.
    """

    def __init__(self, *, tolerance: float = 1e-5, compiler: str | None = None) -> None:
        self.tolerance, self.compiler = tolerance, compiler

    def refusal(self, trained_model: TrainedModel) -> str | None:
        """Return the layer that the layout does not have, or None."""
        try:
            lwtnn.write(convert(trained_model))
        except Unsupported as problem:
            return str(problem)
        return None

    def export(self, trained_model: TrainedModel, events: ak.Array, folder: Path) -> Parity:
        """Write `lwtnn.json`, read it back and compare all events' scores in C++."""
        try:
            content = lwtnn.write(convert(trained_model, self.provenance))
        except Unsupported as problem:
            raise ExportError(str(problem)) from None
        write_json(folder / "lwtnn.json", content)
        chosen = compiling.compiler(self.compiler)
        with tempfile.TemporaryDirectory() as place:
            program = lwtnn.read(content)
            found = compiling.scores(trained_model, events, program, Path(place), chosen, "-O1")
        what = "lwtnn's layout, run in our C++, with PyTorch"
        wanted, targets = trained_model.predict(events), trained_model.task.targets
        compared = agreement(what, wanted, found, targets, self.tolerance)
        return Parity([compared], ["lwtnn.json"], {"compiler": compiling.compiler_version(chosen)})
