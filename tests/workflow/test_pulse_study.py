"""The study of pulses of liquid argon, with few of them."""

import bunchtrain
from bunchtrain.study import load


def test_liquid_argon_pulses(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    study = load("liquid_argon_pulses", size="demo", **{"training.threads": 1})
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    widths = {
        name: metrics["pulse:resolution"]["value"]
        for name, metrics in run.metrics.items()
        if "pulse:resolution" in metrics
    }
    assert [*widths, "denoising"] == list(study.models)
    assert run.metrics["denoising"]["noise_left"]["value"] < 0.4
    assert widths["optimal_filter"] < widths["five_samples"] < widths["peak"]
    assert widths["dense"] < 0.6  # that of the amplitudes is 1.4
    run.export("onnx", model="optimal_filter", output=tmp_path / "exported")
    assert (tmp_path / "exported" / "verification.json").is_file()


def test_pulse_times(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    study = load("pulse_times", size="demo", **{"training.threads": 1})
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    assert list(run.metrics) == list(study.models)
    times = run.metrics["optimal_filter"]["pulse:half_width/time"]
    assert times["value"] < 5  # ns, half of a sample
    assert run.metrics["counting"]["number:accuracy"]["value"] > 0.4
    assert run.metrics["convolutions"]["number:accuracy"]["value"] > 0.4
