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
    # They begin as the least-squares estimate.
    for name in ("dense", "convolutions", "recurrent"):
        assert widths[name] < 1.05 * widths["optimal_filter"], name
    for name in ("optimal_filter", "dense", "recurrent"):
        run.export("onnx", model=name, output=tmp_path / name)
        assert (tmp_path / name / "verification.json").is_file()


def test_pulse_times(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    study = load("pulse_times", size="demo", **{"training.threads": 1})
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    assert list(run.metrics) == list(study.models)
    times = run.metrics["optimal_filter"]["pulse:half_width/time"]
    assert times["value"] < 5  # ns, half of a sample
    assert run.metrics["counting"]["number:accuracy"]["value"] > 0.4
    assert run.metrics["convolutions"]["number:accuracy"]["value"] > 0.4
