"""The C++ runtime gives the network's numbers, for every layer that it has."""

import json
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from cpp_runtime import read_scores, run_runtime, scores_of_tensors
from scipy.special import softmax
from trained_models import CLOUD, IMAGE, TABLE, events, trained_model

from bunchtrain.deployment.cpp import compilation
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.cpp.program import Unsupported, as_number
from bunchtrain.deployment.export import export, make_target
from bunchtrain.deployment.verification import compare_scores
from bunchtrain.errors import ExportError, MissingDependency, StudyError
from bunchtrain.targets import Quantity, Target

ONE_VALUE = {"jet": Target("jet", values=("mass",))}
TWO_HEADS = {
    "jet": Target("jet", ("b", "c", "light")),
    "mass": Target("mass", values=("mass",)),
}
BOTH = [("cross_entropy", {}, "jet", 1.0), ("gaussian_nll", {}, "mass", 0.1)]
NARROW = {"embed": (9, 12), "heads": 3, "pair_embed": (5, 6), "blocks": 2, "class_blocks": 2}


def pruned():
    made = trained_model("dense_network", {"widths": (8, 8), "pruning": {"sparsity": 0.5}})
    made.network.model.anneal(1.0)
    assert not made.network.model.layers[0].weight.mask.all()
    return made


NETWORKS = {
    "dense": lambda: trained_model("dense_network", {"widths": (300, 70, 9)}),
    "pruned": pruned,
    "batch norm": lambda: trained_model("dense_network", {"widths": (33,), "batch_norm": True}),
    **{
        name: lambda name=name: trained_model(
            "dense_network", {"widths": (8, 8), "activation": name}
        )
        for name in ("leaky_relu", "elu", "selu", "gelu", "silu", "tanh")
    },
    "logit": lambda: trained_model(
        "dense_network", {"widths": (8,)}, terms=[("binary_cross_entropy", {}, "jet", 1.0)]
    ),
    "two heads": lambda: trained_model(
        "dense_network", {"widths": (8,)}, terms=BOTH, targets=TWO_HEADS
    ),
    "PFN": lambda: trained_model("particle_flow_network", {"phi": (20, 17), "f": (11,)}, CLOUD),
    "EFN": lambda: trained_model("energy_flow_network", {"phi": (20, 17), "f": (11,)}, CLOUD),
    **{
        f"transformer, {name}": lambda options=options: trained_model(
            "particle_transformer", {**NARROW, **options}, CLOUD
        )
        for name, options in {
            "published": {},
            "of weaver-core": {"as_weaver": True},
            "wide": {"embed": (40,), "heads": 2, "pair_embed": (70,)},
        }.items()
    },
    "LSTM": lambda: trained_model("recurrent_network", {"hidden": 10, "widths": (5,)}, CLOUD),
    "GRU": lambda: trained_model(
        "recurrent_network", {"cell": "gru", "hidden": 7, "layers": 2, "bidirectional": True}, CLOUD
    ),
    "images": lambda: trained_model(
        "image_cnn", {"filters": ((5, 3), (4,)), "kernel": 4, "widths": (6,)}, IMAGE
    ),
    "boosted trees": lambda: trained_model("boosted_trees", {"trees": 9}),
    "boosted values": lambda: trained_model(
        "boosted_trees", {"trees": 5}, terms=[("mean_squared_error", {}, "jet", 1.0)],
        targets=ONE_VALUE,
    ),
    "forest": lambda: trained_model("random_forest", {"trees": 5}),
}  # fmt: skip


def run(runtime, made, given, folder):
    kept = compilation.write_events(made, given, folder / "events.bin")
    found = read_scores(runtime, convert(made).json(), folder)
    names = list(made.quantities)
    scores = np.full((len(given), len(names)), np.nan, np.float32)
    scores[kept] = found.reshape(-1, len(names))
    return {name: scores[:, k] for k, name in enumerate(names)}


@pytest.mark.parametrize("name", NETWORKS)
def test_cpp_gives_the_numbers_of_the_network(name, runtime, tmp_path):
    made = NETWORKS[name]()
    given = events(seed=2)
    found = run(runtime, made, given, tmp_path)
    compared = compare_scores("C++", made.predict(given), found, made.task.targets, 1e-5, 0)
    assert compared.events == len(given)
    assert compared.holds, compared


def test_cpp_takes_infinite_and_missing_values_as_the_network_does(runtime, tmp_path):
    given = events()
    mass = ak.to_numpy(given.mass).copy()
    mass[:3] = [np.nan, np.inf, -np.inf]
    given["mass"] = mass
    made = trained_model("dense_network", {"widths": (8,)}, invalid="impute")
    found = run(runtime, made, given, tmp_path)
    assert compare_scores("C++", made.predict(given), found, made.task.targets, 1e-5).holds
    dropping = trained_model("dense_network", {"widths": (8,)}, invalid="drop")
    found = run(runtime, dropping, given, tmp_path)
    assert np.isnan(found["top"]).sum() == 3


def test_missing_values_walk_down_the_trees_as_they_did_in_training(runtime, tmp_path):
    made = trained_model("boosted_trees", {"trees": 9})
    made.network.normalisation.arrays["table_shift"][:] = 0.0
    tensors = {"table": np.array([[float("nan"), 1.0, 2.0]], np.float32)}
    found = scores_of_tensors(runtime, convert(made).json(), tensors, tmp_path)
    margins = made.network(tensors)["jet"]
    np.testing.assert_allclose(found, softmax(margins, 1)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: net.update(version=9), "a format that this version cannot read"),
        (lambda net: net["layers"][0].update(type="warp"), "the unknown type 'warp'"),
        (lambda net: net["layers"][0]["weights"].pop(), "weights do not fit"),
        (lambda net: net["layers"][0].update(out="nowhere"), "no tensor 'nowhere'"),
        (lambda net: net["tensors"][1].update(columns=99), "does not fit its tensors"),
        (lambda net: net["layers"][0].update(activation="sine"), "unknown activation 'sine'"),
        (lambda net: net.pop("outputs"), "lacks the key 'outputs'"),
    ],
)
def test_runtime_says_what_is_wrong_with_a_file(change, message, runtime, tmp_path):
    net = convert(trained_model("dense_network", {"widths": (3,)})).json()
    change(net)
    done = run_runtime(runtime, net, tmp_path)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_file_that_is_no_json_is_rejected_with_the_place(runtime, tmp_path):
    done = run_runtime(runtime, '{"format": "bunchtrain-network", ', tmp_path)
    assert "is no JSON: no key at byte" in done.stderr


def test_export_compiles_and_its_test_finds_no_difference_and_no_allocation(tmp_path):
    made = trained_model("particle_flow_network", {"phi": (8,), "f": (8,)}, CLOUD)
    target = make_target("cpp", {"arch": "-O0"})
    verification = export(made, target, "cpp", events(), tmp_path / "out")
    assert verification.holds
    assert verification.properties["latency at batch 1 in µs"] > 0
    message = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert message["agreements"][0]["what"] == "C++ with the trained model"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *verification.files,
        "verification.json",
        "verification.md",
    }
    done = subprocess.run(
        ["make", "-s", "CXXFLAGS=-O0", "test"],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 allocations" in done.stdout


def test_a_layer_that_the_runtime_lacks_is_named(tmp_path):
    made = trained_model("particle_net_light", {}, CLOUD)
    reason = make_target("cpp").unsupported_reason(made)
    assert "EdgeConvolution" in reason
    with pytest.raises(ExportError, match="'particle_net_light' cannot be exported to 'cpp'"):
        export(made, make_target("cpp"), "cpp", events(), tmp_path)


def test_a_compiler_that_is_not_there_is_message_with_how_to_get_it():
    with pytest.raises(MissingDependency, match="no compiler 'no-such-cc': apt install g\\+\\+"):
        compilation.find_compiler("no-such-cc")


@pytest.mark.parametrize("compiler", ["g++; touch here", "/tmp/g++", "sh", "$(touch here)", ""])
def test_an_option_names_only_known_compilers(compiler):
    with pytest.raises(StudyError, match=r"export\.compiler: must be g\+\+, clang\+\+"):
        make_target("cpp", {"compiler": compiler})


@pytest.mark.parametrize("flags", ["-O2; touch here", "-wrapper sh", "-fplugin=x", "`touch here`"])
def test_an_option_has_only_known_flags(flags):
    with pytest.raises(StudyError, match=r"export\.arch: must be flags such as"):
        make_target("cpp", {"arch": flags})
    assert make_target("cpp", {"arch": "-march=native -mavx2 -O2"})


def test_scores_of_a_large_negative_logit_are_not_zero(runtime, tmp_path):
    terms = [("binary_cross_entropy", {}, "jet", 1.0)]
    made = trained_model("dense_network", {"widths": (3,)}, terms=terms)
    made.network.shift.fill_(-85.0)
    found = run(runtime, made, events(), tmp_path)
    np.testing.assert_allclose(found["top"], made.predict(events())["top"], rtol=1e-4)
    assert 0 < found["top"].max() < 1e-30


def test_the_examples_next_to_the_sources_run(tmp_path):
    made = trained_model("particle_flow_network", {"phi": (8,), "f": (8,)}, CLOUD)
    export(made, make_target("cpp", {"arch": "-O0"}), "cpp", events(), tmp_path)
    call = {"cwd": tmp_path, "capture_output": True, "text": True, "check": True}
    done = subprocess.run([sys.executable, "example.py"], **call)
    assert "60 events" in done.stdout
    assert float(done.stdout.split()[-1]) < 1e-5
    subprocess.run(["make", "-s", "CXXFLAGS=-O0", "example.run"], **call)
    lines = subprocess.run([tmp_path / "example.run"], **call).stdout.splitlines()
    expected = np.fromfile(tmp_path / "expected.bin", np.float32)
    assert float(lines[0].split()[1]) == pytest.approx(float(expected[0]), abs=1e-5)


def test_numbers_are_read_back_exactly():
    values = np.float32([1 / 3, 1e-30, -16777217.0, 0.1])
    assert (np.float32([as_number(x) for x in values]) == values).all()
    assert [as_number(np.float32(x)) for x in (np.nan, np.inf, -np.inf)] == ["nan", "inf", "-inf"]


def test_scores_of_an_unknown_loss_are_rejected(monkeypatch):
    from bunchtrain.heads.cross_entropy import CrossEntropy

    odd = lambda self, output: {Quantity(c): output[:, 0] ** 2 for c in ("qcd", "top")}  # noqa: E731
    monkeypatch.setattr(CrossEntropy, "predictions", odd)
    with pytest.raises(Unsupported, match="scores of target 'jet'"):
        convert(trained_model("dense_network", {"widths": (3,)}, TABLE))


def test_runtime_has_no_dependency():
    for path in Path(compilation.RUNTIME).iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#include <"):
                assert not line.endswith(".h>"), (path.name, line)
