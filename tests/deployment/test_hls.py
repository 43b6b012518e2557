import numpy as np
import pytest
from trained_models import events, trained_model

from bunchtrain.deployment.export import check_supported, export, make_target
from bunchtrain.deployment.hls_layers import fixed, format_of, plain_layers
from bunchtrain.errors import ExportError, StudyError

QUANTISED = {"widths": (4,), "bits": 5, "weights": "fixed", "granularity": "layer"}


def quantised():
    found = trained_model("quantised_dense_network", QUANTISED)
    batch, _ = found.represent(events(200, seed=2))
    model = found.network.model
    model.calibrate_ranges([found.network.normalise(batch.tensors().inputs)])
    return found


def test_a_network_without_dense_layers_is_rejected():
    with pytest.raises(ExportError, match=r"'boosted_trees' cannot be exported to 'hls'"):
        check_supported(trained_model("boosted_trees", {"trees": 2}), make_target("hls"), "hls")


def test_a_layer_that_hls4ml_does_not_take_is_named():
    gelu = trained_model("dense_network", {"widths": (4,), "activation": "gelu"})
    with pytest.raises(ExportError, match=r"layer 'layers\.1' is GELU"):
        check_supported(gelu, make_target("hls"), "hls")


def test_a_format_holds_its_constants_exactly():
    k, i, f = (int(one[0]) for one in format_of(np.array([-4.0, 1.75, 0.5])))
    assert (k, i, f) == (1, 2, 2)
    assert fixed(*format_of(np.array([-4.0, 1.75]))) == "fixed<5,3,TRN,WRAP>"


def test_plain_layers_have_the_quantised_constants():
    model = quantised().network.model
    layers = plain_layers(model)
    weight, _ = model.layers[0].constants()
    np.testing.assert_array_equal(layers.network.dense_1.weight.detach().numpy(), weight)
    assert layers.precision["relu_1"]["result"].endswith("RND,WRAP>")


@pytest.mark.circuits
def test_the_emulation_of_a_quantised_network_gives_its_numbers(tmp_path):
    pytest.importorskip("hls4ml")
    verification = export(quantised(), make_target("hls"), "hls", events(2000, seed=3), tmp_path)
    assert (verification.agreements[0].difference, verification.agreements[0].flipped) == (0.0, 0)
    assert "project/firmware/network.cpp" in verification.files


@pytest.mark.circuits
def test_an_unknown_layer_is_reported_with_the_nearest(tmp_path):
    pytest.importorskip("hls4ml")
    target = make_target("hls", {"layers": {"rleu_1": "fixed<8,3>"}})
    with pytest.raises(StudyError, match=r"no layer 'rleu_1'; did you mean 'relu_1'"):
        export(quantised(), target, "hls", events(50), tmp_path)
