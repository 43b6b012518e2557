"""Labels of metrics in tables: `rejection_30` is 1/ε_B at ε_S = 0.3."""

from __future__ import annotations

import re

_NAMES = {
    "auc": "AUC",
    "auc_one_vs_rest": "AUC against the rest",
    "auc_macro": "AUC, mean over classes",
    "accuracy": "Accuracy",
    "anomaly_auc": "AUC of the anomaly score",
    "anomaly_mean_score": "Mean anomaly score",
    "anomaly_agreement": "Rank correlation with other models",
    "anomaly_correlation": "Rank correlation of the anomaly score",
    "two_sample_auc": "Two-sample AUC",
    "wasserstein": "W₁/σ",
    "log_likelihood_ratio": "Log likelihood ratio t",
    "kolmogorov_smirnov": "Kolmogorov–Smirnov",
    "energy_distance": "Energy distance",
    "chi_squared": "χ²",
    "excess": "excess",
    "calibration_error": "Calibration error",
    "event_efficiency": "Event efficiency",
    "particle_efficiency": "Particle efficiency",
    "significance_s_over_sqrt_b": "s/√b",
    "significance_s_over_sqrt_sb": "s/√(s + b)",
    "significance_asimov": "Asimov significance",
    "significance_ams": "AMS (b_reg = 10)",
    "bias": "Bias",
    "resolution": "Resolution σ",
    "half_width": "Half 68 % width",
    "half_width_ratio": "Half 68 % width/baseline's",
    "linearity": "Linearity (slope)",
    "response": "Mean response",
    "response_width": "Response width",
    "response_width_ratio": "Response width/baseline's",
    "log_likelihood": "Log-likelihood per event",
    "log_loss": "−log p of the truth",
    "pull_mean": "Pull mean",
    "pull_width": "Pull width",
    "closure_auc": "AUC after reweighting",
    "in_tolerance": "Blocks in tolerance",
    "above_tolerance": "Blocks above the tolerance",
    "rate_over_budget": "Rate/budget",
    "rate_spread": "RMS of rate/budget − 1",
    "stream_efficiency": "Signal efficiency",
    "vertex_resolution": "Vertex resolution [mm]",
    "vertex_separation": "Two-vertex resolution [mm]",
    "trackml_score": "TrackML score",
    "ellipse_coverage": "Coverage of the ellipse",
    "lut": "LUT",
    "dsp": "DSP",
    "cycles": "Latency, cycles",
}

#: Beginnings of metrics that are listed below the key table.
_BELOW = (
    "wasserstein",
    "auc_macro",
    "significance_",
    "efficiency_at_",
    "calibration_error",
    "log_loss",
    "coverage_",
    "linearity",
    "pull_mean",
    "working_point_",
    "expected_limit",
)


def label(name: str) -> str:
    """Return the label of a metric of `metrics.json` in tables, its name if unknown.

    After a slash follows the background class, or the value; before a colon the target, in studies
    of several: `mass:bias` is the bias of the target `mass`.
    """
    target, _, name = name.rpartition(":")
    name, _, other = name.partition("/")
    versus = "".join(f" ({word})" for word in (other, target) if word)
    if found := re.fullmatch(r"(?:anomaly_)?rejection_([\d.e-]+)", name):
        return f"1/ε_B at ε_S = {float(found[1]) / 100:g}{versus}"
    if found := re.fullmatch(r"(set_)?coverage_([\d.]+)", name):
        kind = "sets" if found[1] else "intervals"
        return f"Coverage of {float(found[2]):g} % {kind}{versus}"
    if found := re.fullmatch(r"set_size_([\d.]+)", name):
        return f"Classes in {float(found[1]):g} % sets{versus}"
    if found := re.fullmatch(r"(?:anomaly_)?inverse_jsd_([\d.e-]+)", name):
        return f"1/JSD at ε_S = {float(found[1]) / 100:g}{versus}"
    if found := re.fullmatch(r"working_point_([\d.]+)(_cut|_efficiency)?", name):
        kind = {None: "1/ε", "_cut": "Cut on D", "_efficiency": "ε_S of the cut"}[found[2]]
        return f"{kind} at ε_S = {float(found[1]) / 100:g}{versus}"
    if found := re.fullmatch(r"efficiency_at_([\d.e-]+)", name):
        return f"ε_S at ε_B = {float(found[1]) / 100:g}{versus}"
    if found := re.fullmatch(r"(event|particle)_efficiency_(\d+)(\+?)", name):
        count = f"{'n ≥' if found[3] else 'n ='} {found[2]}"
        return f"{_NAMES[f'{found[1]}_efficiency']}, {count}{versus}"
    found = re.fullmatch(r"(\w+)_(p_value|significance|power|uniformity)", name)
    if found and found[1] in _NAMES:
        kinds = {"p_value": "p-value", "significance": "Z"}
        return f"{kinds.get(found[2], found[2].capitalize())} of {_NAMES[found[1]]}{versus}"
    if found := re.fullmatch(r"(smallest|global)_(\w+_p_value)(_at)?", name):
        return f"{'Value of ' if found[3] else ''}{found[1]} {label(found[2])}{versus}"
    if found := re.fullmatch(r"expected_(significance|limit)_(\w+)", name):
        kind = "Expected significance" if found[1] == "significance" else "Expected limit on μ"
        return f"{kind}, uncertainties: {found[2]}{versus}"
    return _NAMES.get(name, name.replace("_", " ")) + versus


def in_key_table(name: str) -> bool:
    """Return whether a metric is in the key table; the others are listed below it."""
    return "/" not in name and not any(word in name for word in _BELOW)


def is_number(value: object) -> bool:
    """Return whether a cell is a number, or text of a number with error or unit."""
    number, unit = r"[\d\s.,]+([eE][+-]?\d+)?", r"( ?(%|s|min|h|[kMG]?B))?"
    errors = rf"( ?± ?{number}| ?\+{number} ?−{number})?"
    return bool(re.fullmatch(rf"–|[>+−-]?\s?{number}{errors}{unit}", str(value)))
