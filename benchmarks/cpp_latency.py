"""Latency of one event: bunchtrain's C++ against ONNX Runtime, in one run on one thread.

    python benchmarks/cpp_latency.py [--jets 1000] [--turns 7]

The jets are those of samples/boosted_jets.parquet, one at a time; weights are random. Networks: the
dense 16-64-32-32-5 network, PFN and EFN of the widths of their paper. ONNX Runtime has no C++
library on PyPI and is called from Python; its time is given as called (with inputs and outputs
bound beforehand) and without the cost of a call, that of a graph with the same inputs that only
passes one on. Wall times, in turns; the best turn of each counts. The scores are compared, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import awkward as ak
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper

from bunchtrain import parts
from bunchtrain.deployment.cpp import compilation
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.onnx_graph import trace
from bunchtrain.deployment.scoring import batches
from bunchtrain.deployment.targets.onnx import open_session
from bunchtrain.methods.build import build_network
from bunchtrain.methods.normalisation_layer import NormalisationLayer
from bunchtrain.methods.task import Task
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.targets import Target
from bunchtrain.trained_files import trained_model as make_trained_model
from bunchtrain.trained_model import TrainedModel

SAMPLE = Path(__file__).parents[1] / "samples" / "boosted_jets.parquet"
FEATURES = [
    *("jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_mass / jet_pt", "log(jet_pt)"),
    *("log(jet_mass + 1)", "count(constituent_px)", "sum(constituent_px)", "sum(constituent_py)"),
    *("max(constituent_energy)", "sum(constituent_energy)", "sum(constituent_charge)"),
    *("max(constituent_px)", "min(constituent_px)", "sum(constituent_pz)"),
]
CLOUD = ("point_cloud", {"group": "constituent"})
NETWORKS = {
    "16-64-32-32-5": (
        ("dense_network", {"widths": [64, 32, 32]}),
        ("table", {"features": FEATURES}),
    ),
    "PFN": (("particle_flow_network", {}), CLOUD),
    "EFN": (("energy_flow_network", {}), CLOUD),
}


def trained_model(model, represent, events: ak.Array) -> TrainedModel:
    torch.manual_seed(1)
    classes = ["g", "q", "w", "z", "t"]
    settings = {"batch_size": 256, "engine": {"name": "local"}}
    terms = [("cross_entropy", {}, "jet", 1.0)]
    task = Task("", "", represent, model, terms, {"jet": Target("jet", tuple(classes))}, settings)
    made = parts.build("representation", *represent)
    task = replace(task, columns=made.columns(events.fields))
    network = build_network(task, made).eval()
    found = make_trained_model(task, made, network)
    fitted = Normalisation.fit([found.represent(events)[0].inputs], made)
    network.normalisation = NormalisationLayer(fitted)
    return found


def passing_on(session: onnxruntime.InferenceSession) -> onnxruntime.InferenceSession:
    """Return a session with the inputs of another that does nothing but pass one on."""
    kinds = {"tensor(float)": TensorProto.FLOAT, "tensor(int64)": TensorProto.INT64}
    inputs = [
        helper.make_tensor_value_info(x.name, kinds[x.type], x.shape) for x in session.get_inputs()
    ]
    shape = session.get_inputs()[0].shape
    given = helper.make_tensor_value_info("out", kinds[session.get_inputs()[0].type], shape)
    node = helper.make_node("Identity", [inputs[0].name], ["out"])
    graph = helper.make_graph([node], "pass", inputs, [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return open_session(model.SerializeToString())


def one_turn(session: onnxruntime.InferenceSession, jets: list[dict[str, np.ndarray]]) -> float:
    """Return microseconds a jet of one pass, inputs and outputs bound before the clock starts."""
    bound = []
    for jet in jets:
        binding = session.io_binding()
        for name in (x.name for x in session.get_inputs()):
            binding.bind_cpu_input(name, jet[name])
        binding.bind_output(session.get_outputs()[0].name)
        bound.append(binding)
    begin = time.perf_counter()
    for binding in bound:
        session.run_with_iobinding(binding)
    return 1e6 * (time.perf_counter() - begin) / len(jets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jets", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=7)
    given = parser.parse_args()
    events = ak.from_parquet(SAMPLE)[: given.jets]
    compiler = compilation.compiler_version(compilation.find_compiler())
    print(f"ONNX Runtime {onnxruntime.__version__}, {compiler}")
    print(
        "network         C++ [µs]  ONNX Runtime [µs]  ratio  without call [µs]  ratio  difference"
    )
    with tempfile.TemporaryDirectory() as place:
        for name, (model, represent) in NETWORKS.items():
            report(name, trained_model(model, represent, events), events, given.turns, Path(place))


def report(name: str, made: TrainedModel, events: ak.Array, turns: int, place: Path) -> None:
    compilation.write_sources(convert(made), place)
    for program in ("bench", "evaluate"):
        compilation.build(place, compilation.find_compiler(), program, "-march=native")
    compilation.write_events(made, events, place / "events.bin")
    session = open_session(trace(made).model_proto.SerializeToString())
    empty = passing_on(session)
    jets = [inputs for _, inputs in batches(made, events, 1)]
    times: dict[str, list[float]] = {"cpp": [], "onnx": [], "call": []}
    for _ in range(turns):
        words = ["./bench.run", "network.json", "events.bin", "0.3"]
        told = subprocess.run(words, cwd=place, check=True, capture_output=True, text=True).stdout
        times["cpp"].append(json.loads(told)["least_us"])
        times["onnx"].append(one_turn(session, jets))
        times["call"].append(one_turn(empty, jets))
    cpp, whole, call = (min(times[key]) for key in ("cpp", "onnx", "call"))
    words = ["./evaluate.run", "network.json", "events.bin", "scores.bin"]
    subprocess.run(words, cwd=place, check=True)
    found = np.fromfile(place / "scores.bin", np.float32)
    wanted = np.concatenate([session.run(None, jet)[0].ravel() for jet in jets])
    apart = np.abs(found - wanted).max()
    print(
        f"{name:14} {cpp:9.2f} {whole:18.2f} {whole / cpp:6.2f} {whole - call:18.2f} "
        f"{(whole - call) / cpp:6.2f} {apart:11.1e}",
        flush=True,
    )


if __name__ == "__main__":
    main()
