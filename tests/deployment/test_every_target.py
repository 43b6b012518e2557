"""The contract of all export targets: their scores are compared with the trained model's."""

import pytest
from trained_models import events, trained_model

pytest.importorskip("onnxruntime")

from bunchtrain import parts
from bunchtrain.deployment.export import export, make_target
from bunchtrain.errors import VerificationError

pytestmark = pytest.mark.filterwarnings("ignore")
QUANTISED = {"widths": (4,), "bits": 5, "weights": "fixed", "granularity": "layer"}
#: Targets that compile C++, and those of quantised networks, whose tools are heavy.
COMPILED = ("cpp", "lwtnn")
FIRMWARE = {
    "hls": {},
    "circuit": {"vhdl_events": 0, "place": False, "synthesise": False},
}


def small(target):
    if target not in FIRMWARE:
        return trained_model("dense_network", {"widths": (8,)})
    if target == "hls":
        pytest.importorskip("hls4ml")
    else:
        pytest.importorskip("alkaid")
    made = trained_model("quantised_dense_network", QUANTISED)
    batch, _ = made.represent(events(200, seed=2))
    made.network.model.calibrate_ranges([made.network.normalise(batch.tensors().inputs)])
    return made


def of_target(name):
    options = {k: v for k, v in FIRMWARE.get(name, {}).items()
               if k in parts.options(parts.find("export", name))}  # fmt: skip
    return make_target(name, options)


@pytest.mark.parametrize(
    "name",
    [
        "onnx",
        *(pytest.param(one, marks=pytest.mark.nightly) for one in COMPILED),
        *(pytest.param(one, marks=pytest.mark.circuits) for one in FIRMWARE),
    ],
)
def test_an_export_is_compared_with_the_trained_model(name, tmp_path, monkeypatch):
    """Differences, relative ones of small scores, decisions; another model does not pass."""
    made, given = small(name), events(400, 3)
    verification = export(made, of_target(name), name, given, tmp_path / "right")
    compared = next(one for one in verification.agreements if "the trained model" in one.what)
    assert compared.events == 400
    assert compared.difference <= (compared.tolerance or 1)
    assert (compared.flipped, compared.misordered) == (0, 0)
    assert name in FIRMWARE or compared.relative <= compared.relative_tolerance
    predict = type(made).predict

    def other(self, rows):
        return {key: scores[::-1] for key, scores in predict(self, rows).items()}

    monkeypatch.setattr(type(made), "predict", other)
    with pytest.raises(VerificationError, match="does not give the trained model's numbers"):
        export(made, of_target(name), name, given, tmp_path / "wrong")


def test_every_target_is_here():
    assert set(parts.locate("export")) == {"onnx", *COMPILED, *FIRMWARE}
