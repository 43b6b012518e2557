"""The C++ runtime's attention: any number of points, and files that are wrong."""

import subprocess

import numpy as np
import pytest
import torch
from cpp_runtime import run_runtime, scores_of_both
from trained_models import CLOUD, events, trained_model

from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.examples import example_inputs
from bunchtrain.deployment.export import export, make_target

SMALL = {"embed": (12,), "heads": 3, "pair_embed": (5,), "blocks": 1, "class_blocks": 1}


def transformer(**options):
    return trained_model("particle_transformer", {**SMALL, **options}, CLOUD)


@pytest.mark.parametrize("as_weaver", [False, True])
def test_scores_are_those_of_pytorch_with_no_point_and_with_many(as_weaver, runtime, tmp_path):
    made = transformer(as_weaver=as_weaver, heads=2, embed=(40, 24), pair_embed=(9, 33), blocks=2)
    with torch.no_grad():
        for weight in made.network.model.parameters():
            weight += 0.05 * torch.randn_like(weight)  # no factor is 1, no shift is 0
    lengths = (0, 1, 2, 3, 13, 14, 64, 130, 0)  # pairs of one chunk, of its end, and of several
    inputs = example_inputs(made.representation.sizes, made.network.input_names, lengths)
    found, wanted = scores_of_both(runtime, made, inputs, tmp_path)
    assert np.ptp(wanted[:, 0]) > 1e-3
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_an_exported_transformer_holds_and_allocates_nothing(tmp_path):
    flags = {"arch": "-O0"}
    assert export(transformer(), make_target("cpp", flags), "cpp", events(), tmp_path).holds
    words = ["make", "-s", "CXXFLAGS=-O0", "test"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 allocations" in done.stdout


def layer(net, kind):
    return next(one for one in net["layers"] if one["type"] == kind)


def tensor(net, name):
    return next(one for one in net["tensors"] if one["name"] == name)


def pairs_to_dense(net):
    layer(net, "dense")["in"] = layer(net, "attention")["in"][1:]


def one_number_a_pair(net):
    tensor(net, layer(net, "pair_embedding")["out"]).pop("per_pair")


def scores_of_points(net):
    net["outputs"][0]["tensor"] = "points"
    net["tensors"].append({"name": "points", "per_point": True, "columns": 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: layer(net, "attention").update(heads=0), "an attention without heads"),
        (lambda net: layer(net, "attention").update(heads=2), "an attention that does not fit"),
        (lambda net: layer(net, "attention")["in"].pop(), "an attention that does not fit"),
        (lambda net: layer(net, "attention").pop("channels"), "lacks the key 'channels'"),
        (lambda net: layer(net, "class_attention").update(channels=5), "a class attention that"),
        (lambda net: layer(net, "class_attention").update(heads=0), "class attention without"),
        (lambda net: layer(net, "pair_embedding").update(layers=[]), "of pairs without layers"),
        (lambda net: layer(net, "pair_embedding")["layers"].pop(0), "whose layers do not fit"),
        (lambda net: layer(net, "pair_embedding")["layers"].pop(), "of pairs that does not fit"),
        (lambda net: layer(net, "layer_norm")["scale"].pop(), "a layer normalisation that"),
        (lambda net: layer(net, "constant")["values"].pop(), "a constant of another size"),
        (lambda net: layer(net, "constant").update({"in": ["features"]}), "without inputs"),
        (lambda net: layer(net, "dense").update({"in": []}), "a layer without inputs"),
        (one_number_a_pair, "an embedding of pairs that does not fit"),
        (pairs_to_dense, "a layer 'dense' of a tensor of pairs"),
        (scores_of_points, "an output that is not one row for the event"),
    ],
)
def test_a_wrong_file_of_a_transformer_is_refused(change, message, runtime, tmp_path):
    net = convert(transformer()).json()
    change(net)
    done = run_runtime(runtime, net, tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
