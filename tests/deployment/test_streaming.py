"""Images through a circuit pixel by pixel: the same numbers, whatever padding, shape and gaps."""

import awkward as ak
import numpy as np
import pytest
import torch
from trained_models import IMAGE, events, trained_model

from bunchtrain import parts
from bunchtrain.deployment.export import check_supported, export, make_target
from bunchtrain.deployment.tools import VERILATOR
from bunchtrain.errors import ExportError

SMALL = {"filters": ((2,),), "widths": (3,), "weights": "fixed", "bits": 5, "input_bits": 6}


def calibrated(model, images):
    model.calibrate_ranges([{"image": images}])
    return model.eval()


def network(image, **options):
    torch.manual_seed(1)
    model = parts.build("model", "quantised_image_cnn", SMALL | options, image, 2)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("bias.value"):
                value.uniform_(-0.5, 0.5)
    return calibrated(model, torch.randn(200, *image))


def written(model, folder):
    from bunchtrain.deployment.circuits.streaming import write_stream
    from bunchtrain.deployment.circuits.tracing import Pipeline

    channels = [f"channel {number}" for number in range(model.image[0])]
    return write_stream(model, channels, ["a", "b"], Pipeline(stages=2), folder)


def need_simulator():
    pytest.importorskip("alkaid")
    if VERILATOR.path() is None:
        pytest.skip("Verilator is not installed")


@pytest.mark.circuits
@pytest.mark.parametrize(
    ("image", "options"),
    [
        ((2, 8, 8), {"padding": "same", "filters": ((2,), (3,))}),
        ((3, 1, 13), {"kernel": (1, 4), "pool": (1, 3), "filters": ((2, 2),)}),
    ],
    ids=["plane", "row"],
)
def test_pixel_by_pixel_it_gives_the_numbers_of_the_network(image, options, tmp_path):
    need_simulator()
    from bunchtrain.deployment.circuits.stream_simulation import simulate_stream

    model, images = network(image, **options), torch.randn(200, *image)
    with torch.no_grad():
        wanted = model(image=images).double().numpy()
        taken = model.quantise_inputs({"image": images})["image"].flatten(2).mT.double().numpy()
    hardware = written(model, tmp_path / "verilog")
    found = simulate_stream(hardware, tmp_path / "simulation", taken, wanted)
    assert len(np.unique(wanted)) > 100
    np.testing.assert_array_equal(found.outputs, wanted)
    assert (found.mismatches, found.gapped) == (0, 200)
    assert found.interval == image[1] * image[2] <= found.latency <= hardware.latency


@pytest.mark.circuits
def test_an_export_measures_interval_and_latency(tmp_path):
    need_simulator()
    made = trained_model("quantised_image_cnn", SMALL, IMAGE)
    given = ak.with_field(events(200, seed=2), np.arange(200) % 2, "target_jet")
    batch, _ = made.represent(given)
    calibrated(made.network.model, made.network.normalise(batch.tensors().inputs)["image"])
    target = make_target("circuit", {"streaming": True, "synthesise": False, "place": False})
    verification = export(made, target, "circuit", given, tmp_path)
    assert (verification.agreements[0].difference, verification.agreements[0].flipped) == (0.0, 0)
    assert verification.properties["initiation interval, cycles"].startswith("64 (Verilator")
    latency = int(verification.properties["latency, cycles"].split()[0])
    page = (tmp_path / "circuit.html").read_text()
    assert f"{latency - 63} after the last pixel" in page
    assert "simulation repeats 200 of the images with random gaps" in page
    assert not (tmp_path / "vhdl").exists()


def test_the_arithmetic_of_a_layer_does_not_grow_with_the_image(tmp_path):
    pytest.importorskip("alkaid")
    small, large = network((1, 6, 6)), network((1, 12, 10))
    for mine, theirs in zip(small.layers[:2], large.layers[:2], strict=True):
        state = {k: v for k, v in mine.state_dict().items() if not k.endswith("index")}
        theirs.load_state_dict(state, strict=False)
    large.input.load_state_dict(small.input.state_dict())
    for model in (small, large):
        written(model, tmp_path / str(model.image[1]))
    for layer in ("convolution_0", "max_pooling_1"):
        files = [f"{layer}_kernel.v", f"{layer}_kernel_logic0.v", f"{layer}_kernel_logic1.v"]
        for name in files:
            assert (tmp_path / "6" / name).read_text() == (tmp_path / "12" / name).read_text()


def test_gaps_are_cycles_without_a_pixel(tmp_path):
    pytest.importorskip("alkaid")
    from bunchtrain.deployment.circuits.stream_bench import write_stream_vectors

    hardware = written(network((1, 4, 4)), tmp_path / "verilog")
    images, gaps = np.zeros((2, 16, 1)), np.zeros((2, 16), int)
    gaps[0, 0], gaps[1, 3] = 2, 1
    write_stream_vectors(hardware, tmp_path, images, np.zeros((2, 2)), gaps)
    lines = (tmp_path / "inputs.hex").read_text().splitlines()
    assert [n for n, line in enumerate(lines) if line == "0 0"] == [0, 1, 21]
    assert lines.count("1 00") == 32


def test_a_layer_that_gives_the_same_for_every_image_is_rejected_by_name(tmp_path):
    pytest.importorskip("alkaid")
    model = network((1, 4, 4))
    with torch.no_grad():
        model.layers[0].layer.weight.value.zero_()
    with pytest.raises(ExportError, match="layer 'convolution_0' gives the same outputs"):
        written(model, tmp_path)


def test_without_pixels_there_is_nothing_to_stream():
    target = make_target("circuit", {"streaming": True})
    with pytest.raises(ExportError, match=r"only 'quantised_image_cnn'.*streaming"):
        check_supported(
            trained_model("quantised_dense_network", {"widths": (4,)}), target, "circuit"
        )


def test_vhdl_of_a_stream_is_rejected():
    target = make_target("circuit", {"streaming": True, "vhdl_events": 10})
    with pytest.raises(ExportError, match="Verilog only; leave out vhdl_events"):
        check_supported(trained_model("quantised_image_cnn", SMALL, IMAGE), target, "circuit")
