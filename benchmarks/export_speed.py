"""Jets per second of the exported Particle Transformer: ours and weaver-core's, one thread.

    python benchmarks/export_speed.py [--jets 128] [--repeats 5]

Jets are those of samples/boosted_jets.parquet, widths are the paper's, weights random and the same
in both. Ours takes the packed particles; weaver-core's, exported as its own `--export-onnx` does,
takes 128 slots and a mask. ONNX Runtime runs both, in turns, in batches of 1 and of 64; rates are
from the processor time, a ratio is the median of those of neighbouring repeats. The scores are
compared, too. Needs `pip install --no-deps weaver-core==0.5.3` (for this benchmark only).
"""

from __future__ import annotations

import io
import warnings
from functools import partial
from typing import Any

import awkward as ak
import numpy as np
import torch
from cpp_latency import CLOUD, SAMPLE, trained_model
from numpy.typing import NDArray
from particle_net import SLOTS, arguments, compare
from particle_transformer import peer, share_weights

from bunchtrain.deployment.onnx_graph import trace
from bunchtrain.deployment.scoring import Arrays, batches
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


def padded(made: TrainedModel, packed: Arrays) -> Arrays:
    """Return the input of weaver-core's network, normalised, from tensors by name."""
    given = {name: torch.from_numpy(values) for name, values in packed.items()}
    with torch.no_grad():
        normed = made.network.normalisation(given)
    mask = torch.arange(SLOTS) < given["lengths"][:, None]
    found = {"mask": mask[:, None].float().numpy()}
    for name, values in (
        ("features", normed["features"]),
        ("momenta", given["momenta"].roll(-1, 1)),
    ):
        table = torch.zeros(*mask.shape, values.shape[1])
        table[mask] = values.float()
        found[name] = table.mT.contiguous().numpy()
    return found


def run(session: Any, given: list[Arrays]) -> NDArray[np.float32]:
    """Return the scores of all batches."""
    return np.concatenate([scores_of(session, inputs)[0] for inputs in given])


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(jets=128)
    args = parser.parse_args()
    torch.set_num_threads(1)
    events = ak.from_parquet(SAMPLE)[: args.jets]
    made = trained_model(MODEL, CLOUD, events)
    theirs = weaver_session(made)
    ours = open_session(trace(made).model_proto.SerializeToString())
    for rows in (1, 64):
        packed = [inputs for _, inputs in batches(made, events, rows)]
        slots = [padded(made, inputs) for inputs in packed]
        apart = np.abs(run(ours, packed) - run(theirs, slots)).max()
        compare(f"batches of {rows}", partial(run, ours, packed), partial(run, theirs, slots), args)
        print(f"largest difference of scores: {apart:.1e}")


if __name__ == "__main__":
    main()
