"""Jets per second of the exported Particle Transformer: ours and weaver-core's, one thread.

    python benchmarks/export_speed.py [--jets 128] [--repeats 5]

Jets are those of `particle_transformer.py`, widths the paper's, weights random and the same in
both; ours has the blocks of weaver-core. Ours takes the packed particles; weaver-core's, exported
as its own `--export-onnx` does, takes 128 slots and a mask. ONNX Runtime runs both, in turns, in
batches of 1 and of 64; rates are from the processor time, a ratio is the median of those of
neighbouring repeats. The scores are compared, too. Needs `pip install --no-deps
weaver-core==0.5.3` (for this benchmark only).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import awkward as ak
import numpy as np
import torch
from cpp_latency import CLOUD, SAMPLE, trained_model
from numpy.typing import NDArray
from particle_net import SLOTS, arguments, compare, jets
from particle_transformer import peer, share_weights, with_momenta

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
        apart = np.abs(run(ours, packed) - run(theirs, slots)).max()
        compare(f"batches of {rows}", partial(run, ours, packed), partial(run, theirs, slots), args)
        print(f"largest difference of scores: {apart:.1e}")


if __name__ == "__main__":
    main()
