"""C++: a runtime without dependencies, compiled here and compared with PyTorch."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np

from bunchtrain.deployment.cpp import compilation
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.cpp.program import Unsupported
from bunchtrain.deployment.export import ExportTarget
from bunchtrain.deployment.verification import Scores, Verification, verify
from bunchtrain.errors import ExportError
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.trained_model import TrainedModel

#: Events in the example in the folder of the sources.
EXAMPLE = 200


class Cpp(ExportTarget):
    """C++17 header and sources with the network as JSON; Makefile, test and benchmark.

    tolerance  largest difference of a score from PyTorch's, relative to scores above 1.
    compiler   of C++, by its name on the PATH; $CXX, g++ or clang++ if unset.
    arch       compiler flags of the instruction set, -march, -mtune, -mcpu, -mavx2 and the like.
    """

    def __init__(
        self,
        *,
        tolerance: NonNegative = 1e-5,
        compiler: compilation.Compiler = None,
        arch: compilation.Flags = "-march=native",
    ) -> None:
        self.tolerance, self.compiler, self.arch = tolerance, compiler, arch

    def unsupported_reason(self, trained: TrainedModel) -> str | None:
        """Return the layer that the C++ runtime does not support, or None."""
        try:
            convert(trained)
        except Unsupported as problem:
            return str(problem)
        return None

    def export(self, trained: TrainedModel, events: ak.Array, folder: Path) -> Verification:
        """Write sources, network and an example, compile them and compare the scores."""
        try:
            program = convert(trained, self.provenance)
        except Unsupported as problem:
            raise ExportError(str(problem)) from None
        files = compilation.write_sources(program, folder)
        self._write_example(trained, events, folder)
        compiler = compilation.find_compiler(self.compiler)
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            executable = compilation.build_evaluation(program, scratch, compiler, self.arch)

            def predict(given: ak.Array, rows: int | None) -> Scores:
                return compilation.run_scores(trained, given, executable)

            compared = verify("C++", trained, events, predict, self.tolerance)
            latency = self._latency(folder, scratch, compiler)
        tools = {"compiler": compilation.compiler_version(compiler), "flags": f"-O3 {self.arch}"}
        files += ["example.bin", "expected.bin"]
        return Verification(compared, files, tools, {"latency at batch 1 in µs": latency})

    def _write_example(self, trained: TrainedModel, events: ak.Array, folder: Path) -> None:
        expected = trained.predict(events[:EXAMPLE])
        indices = compilation.write_events(trained, events[:EXAMPLE], folder / "example.bin")
        rows = np.stack([values[indices] for values in expected.values()], 1)
        (folder / "expected.bin").write_bytes(rows.astype(np.float32).tobytes())

    def _latency(self, folder: Path, scratch: Path, compiler: str) -> float:
        executable = compilation.build(scratch, compiler, "bench", self.arch)
        command = [str(executable), "network.json", str((folder / "example.bin").resolve()), "0.3"]
        output = compilation.run(command, scratch, "the C++ network cannot be timed")
        return float(json.loads(output)["median_us"])
