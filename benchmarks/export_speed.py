"""Jets per second of the exported Particle Transformer: ours and weaver-core's, one thread.

    python benchmarks/export_speed.py [--jets 128] [--repeats 5]

Jets are those of `particle_transformer.py`, widths the paper's, weights random and the same in
both; ours has the blocks of weaver-core. Ours takes the packed particles; weaver-core's, exported
as its own `--export-onnx` does, takes 128 slots and a mask. ONNX Runtime runs both, in turns, in
batches of 1 and of 64; our C++ runtime, called in this process, runs one jet after the other. Rates
are from the processor time, a ratio is the median of those of neighbouring repeats. The scores are
compared, too. Needs `pip install --no-deps weaver-core==0.5.3` (for this benchmark only).
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import torch
from cpp_latency import CLOUD, SAMPLE, trained_model
from numpy.typing import NDArray
from particle_net import SLOTS, arguments, compare, jets
from particle_transformer import peer, share_weights, with_momenta

from bunchtrain.deployment.cpp import compilation
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.onnx_graph import trace
from bunchtrain.deployment.scoring import Arrays
from bunchtrain.deployment.targets.onnx import open_session, scores_of
from bunchtrain.trained_model import TrainedModel

MODEL = ("particle_transformer", {"as_weaver": True})


def weaver_session(made: TrainedModel) -> Any:
    """Return weaver-core's network with the weights of a trained model's, in ONNX Runtime."""
    ours = made.network.model
    features, classes = made.representation.sizes["features"], ours.head[1].out_features
    theirs = peer(features=features, outputs=classes, for_inference=True).eval()
    share_weights(ours, theirs)
    inputs = torch.randn(2, features, SLOTS), torch.randn(2, 4, SLOTS), torch.ones(2, 1, SLOTS)
    names, file = ["features", "momenta", "mask"], io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            theirs,
            inputs,
            file,
            input_names=names,
            dynamic_axes={name: {0: "jets"} for name in names},
            opset_version=15,
            dynamo=False,
        )
    return open_session(file.getvalue())


def batch(made: TrainedModel, rows: int) -> tuple[Arrays, Arrays]:
    """Return random jets as tensors by name for ours, and normalised for weaver-core's network."""
    packed, (_, _, mask) = with_momenta(*jets(rows, 20, 80, SLOTS))
    ours = dict(zip(("features", "momenta", "lengths"), packed, strict=True))
    normed = made.network.normalisation(ours)
    theirs = {"mask": mask.float()}
    first = packed[2].cumsum(0) - packed[2]
    for name, values in (("features", normed["features"]), ("momenta", packed[1].roll(-1, 1))):
        table = values[first][:, None].repeat(1, SLOTS, 1)  # its graph has NaN where all is 0
        table[mask[:, 0]] = values
        theirs[name] = table.mT.contiguous()
    return tuple({name: x.numpy() for name, x in given.items()} for given in (ours, theirs))


#: Calls of the C++ runtime on a file of events, from Python.
BINDING = """
#include "events.h"
using namespace bunchtrain;
struct Loaded {
  Network network = Network::from_file("network.json");
  Events events = Events("events.bin", network);
  Workspace space = network.workspace(events.max_points());
};
extern "C" void* prepare() { return new Loaded; }
extern "C" void scores_of(void* opaque, float* scores) {
  auto& [network, events, space] = *static_cast<Loaded*>(opaque);
  const std::size_t columns = network.outputs()[0].scores.size();
  for (std::size_t event = 0; event < events.size(); ++event, scores += columns) {
    events.run(network, space, event);
    std::copy(space.output(0), space.output(0) + columns, scores);
  }
}
"""


def in_cpp(made: TrainedModel, given: Sequence[Arrays]) -> Callable[[], NDArray[np.float32]]:
    """Return a call of the C++ runtime on all events, compiled and loaded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compilation.write_sources(convert(made), folder)
        every = {name: np.concatenate([one[name] for one in given]) for name in given[0]}
        compilation.write_tensors(every, folder / "events.bin")
        (folder / "binding.cpp").write_text(BINDING)
        flags = ["-std=c++17", "-O3", "-march=native", "-fPIC", "-shared"]
        words = [compilation.find_compiler(), *flags, "network.cpp", "binding.cpp", "-o", "it.so"]
        compilation.run(words, folder, "the C++ network does not compile")
        library = ctypes.CDLL(str(folder / "it.so"))
        library.prepare.restype = ctypes.c_void_p
        with contextlib.chdir(folder):
            loaded = ctypes.c_void_p(library.prepare())
    scores = np.empty((len(every["lengths"]), len(made.quantities)), np.float32)

    def run_events() -> NDArray[np.float32]:
        library.scores_of(loaded, scores.ctypes.data_as(ctypes.c_void_p))
        return scores

    return run_events


def run(session: Any, given: Sequence[Arrays]) -> NDArray[np.float32]:
    """Return the scores of all batches."""
    return np.concatenate([scores_of(session, inputs)[0] for inputs in given])


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(jets=128)
    args = parser.parse_args()
    torch.set_num_threads(1)
    made = trained_model(MODEL, CLOUD, ak.from_parquet(SAMPLE)[:200])
    theirs = weaver_session(made)
    ours = open_session(trace(made).model_proto.SerializeToString())
    for rows in (1, 64):
        packed, slots = zip(*(batch(made, rows) for _ in range(args.jets // rows)), strict=True)
        peer_run = partial(run, theirs, slots)
        for name, own_run in (("ONNX", partial(run, ours, packed)), ("C++", in_cpp(made, packed))):
            compare(f"{name}, batches of {rows}", own_run, peer_run, args)
            print(f"largest difference of scores: {np.abs(own_run() - peer_run()).max():.1e}")


if __name__ == "__main__":
    main()
