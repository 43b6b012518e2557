"""The same network in HGQ2, the library of the method's authors: same numbers, same EBOPs."""

import os

import numpy as np
import pytest
import torch
from test_quantised_dense_network import trained

os.environ.setdefault("KERAS_BACKEND", "jax")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def test_numbers_and_bit_operations_are_those_of_hgq2():
    keras, hgq = pytest.importorskip("keras"), pytest.importorskip("hgq.layers")
    ours, table = trained(weights="learned")
    layers, tensor = [], keras.Input((6,))
    for layer in ours.layers:
        kinds = [("iq_conf", "datalane"), ("kq_conf", "weight"), ("bq_conf", "bias")]
        formats = {name: wrapping(place) for name, place in kinds}
        activation = "relu" if layer.rectify else None
        layers.append(hgq.QDense(len(layer.bias.value), activation=activation, **formats))
        tensor = layers[-1](tensor)
    model = keras.Model(layers[0].input, tensor)
    before = ours.input
    for theirs, layer in zip(layers, ours.layers, strict=True):
        take(theirs, layer, before)
        before = layer.output
    with torch.no_grad():
        inputs = ours.quantise_inputs({"table": table})["table"].numpy()
        assert (np.asarray(model(inputs)) == ours(table).numpy()).all()
        theirs = sum(float(one._compute_ebops((1, one.input.shape[1]))) for one in layers)
        assert theirs == float(ours.bit_operations()) > 0


def wrapping(place: str):
    """A format of HGQ2 with a width for each element."""
    from hgq.config import QuantizerConfig

    shared = (0,) if place == "datalane" else ()
    modes = {"overflow_mode": "WRAP", "round_mode": "RND", "homogeneous_axis": shared}
    free = dict.fromkeys(("ic", "fc", "ir", "fr"))
    return QuantizerConfig(place=place, q_type="kif", k0=1, i0=0, f0=4, **modes, **free)


def take(theirs, layer, before) -> None:
    """Give a layer of HGQ2 our weights and formats, that of its inputs included."""
    weight, bias = layer.constants()
    theirs.kernel.assign(weight.T)
    theirs.bias.assign(bias)
    put(theirs.iq, *before.kif)
    for quantiser, weights in ((theirs.kq, layer.weight), (theirs.bq, layer.bias)):
        f = weights.fraction().detach()
        integer = weights.widths(weights()).detach() - f
        put(quantiser, 1, integer.T.numpy() if f.ndim > 1 else integer, f.T if f.ndim > 1 else f)


def put(quantiser, *kif) -> None:
    variables = [getattr(quantiser.quantizer, name) for name in ("_k", "_i", "_f")]
    for variable, bits in zip(variables, kif, strict=True):
        variable.assign(np.broadcast_to(np.asarray(bits), variable.shape).astype("float32"))
