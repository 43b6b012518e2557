"""JSON in the layout of lwtnn, read back and run in C++ for the comparison with PyTorch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import awkward as ak

from bunchtrain.deployment import lwtnn
from bunchtrain.deployment.cpp import compilation
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.cpp.program import Unsupported
from bunchtrain.deployment.export import ExportTarget
from bunchtrain.deployment.verification import Scores, Verification, verify
from bunchtrain.errors import ExportError
from bunchtrain.files import write_json
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.trained_model import TrainedModel


class Lwtnn(ExportTarget):
    """JSON file in the layout of lwtnn: dense networks and LSTM with named, scaled inputs.

    tolerance  largest difference of a score from PyTorch's, relative to scores above 1.
    compiler   C++ compiler of the verification; $CXX, g++ or clang++ if unset.
    """

    def __init__(
        self, *, tolerance: NonNegative = 1e-5, compiler: compilation.Compiler = None
    ) -> None:
        self.tolerance, self.compiler = tolerance, compiler

    def unsupported_reason(self, trained: TrainedModel) -> str | None:
        """Return the layer that the layout does not support, or None."""
        try:
            lwtnn.write(convert(trained))
        except Unsupported as problem:
            return str(problem)
        return None

    def export(self, trained: TrainedModel, events: ak.Array, folder: Path) -> Verification:
        """Write `lwtnn.json`, read it back and compare the scores of all events in C++."""
        try:
            content = lwtnn.write(convert(trained, self.provenance))
        except Unsupported as problem:
            raise ExportError(str(problem)) from None
        write_json(folder / "lwtnn.json", content)
        compiler = compilation.find_compiler(self.compiler)
        with tempfile.TemporaryDirectory() as name:
            scratch, program = Path(name), lwtnn.read(content)
            executable = compilation.build_evaluation(program, scratch, compiler, "-O1")

            def predict(given: ak.Array, rows: int | None) -> Scores:
                return compilation.run_scores(trained, given, executable)

            what = "lwtnn's layout, run in bunchtrain's C++,"
            compared = verify(what, trained, events, predict, self.tolerance)
        tools = {"compiler": compilation.compiler_version(compiler)}
        return Verification(compared, ["lwtnn.json"], tools)
