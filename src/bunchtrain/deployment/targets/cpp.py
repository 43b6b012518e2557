"""C++: a runtime without dependencies, compiled on the spot and compared with PyTorch."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np

from bunchtrain.deployment.cpp import compiling
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.cpp.program import Unsupported
from bunchtrain.deployment.parity import Parity, Scores, agreement
from bunchtrain.deployment.target import Target
from bunchtrain.errors import ExportError
from bunchtrain.trained_model import TrainedModel

#: Events in the example that is written beside the sources.
EXAMPLE = 200


class Cpp(Target):
    """C++17 header and sources with the network as JSON; Makefile, test and benchmark.

    tolerance  largest difference of a score from PyTorch's, relative to scores above 1.
    compiler   of C++; $CXX, g++ or clang++ if unset.
    arch       flag that chooses the processor's instructions.
    """

    def __init__(
        self,
        *,
        tolerance: float = 1e-5,
        compiler: str | None = None,
        arch: str = "-march=native",
    ) -> None:
        self.tolerance, self.compiler, self.arch = tolerance, compiler, arch

    def refusal(self, trained_model: TrainedModel) -> str | None:
        """Return the layer that the C++ runtime does not have, or None."""
        try:
            convert(trained_model)
        except Unsupported as problem:
            return str(problem)
        return None

    def export(self, trained_model: TrainedModel, events: ak.Array, folder: Path) -> Parity:
        """Write sources, network and an example, compile them and compare all events' scores."""
        try:
            program = convert(trained_model, self.provenance)
        except Unsupported as problem:
            raise ExportError(str(problem)) from None
        expected = trained_model.predict(events)
        files = compiling.write_sources(program, folder)
        self._write_example(trained_model, events, expected, folder)
        chosen = compiling.compiler(self.compiler)
        with tempfile.TemporaryDirectory() as place:
            found = compiling.scores(trained_model, events, program, Path(place), chosen, self.arch)
            latency = self._latency(folder, Path(place), chosen)
        compared = agreement(
            "C++ with PyTorch", expected, found, trained_model.task.targets, self.tolerance
        )
        tools = {"compiler": compiling.compiler_version(chosen), "flags": f"-O3 {self.arch}"}
        parity_files = [*files, "example.bin", "expected.bin"]
        return Parity([compared], parity_files, tools, {"latency at batch 1 in µs": latency})

    def _write_example(
        self, trained_model: TrainedModel, events: ak.Array, expected: Scores, folder: Path
    ) -> None:
        kept = compiling.write_events(trained_model, events[:EXAMPLE], folder / "example.bin")
        rows = np.stack([values[kept] for values in expected.values()], 1)
        (folder / "expected.bin").write_bytes(rows.astype(np.float32).tobytes())

    def _latency(self, folder: Path, place: Path, chosen: str) -> float:
        executable = compiling.build(place, chosen, "bench", self.arch)
        words = [str(executable), "network.json", str((folder / "example.bin").resolve()), "0.3"]
        told = json.loads(compiling.run(words, place, "the C++ network cannot be timed"))
        return float(told["median_us"])
