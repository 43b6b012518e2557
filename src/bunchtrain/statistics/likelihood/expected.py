"""Expected discovery significance and CL_s upper limit of a workspace (Asimov data), by pyhf."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from bunchtrain.errors import MachineError, missing

#: The largest signal strength, in units of the nominal one, of the search for a limit.
MAX_STRENGTH = 1e6


def expected_significance(spec: Mapping[str, Any]) -> float:
    """Return the median significance Z of a signal of strength 1 (arXiv:1007.1727).

    The profiled test statistic q_0 on the Asimov data of μ = 1; nuisance parameters as in the
    workspace. Raises MissingDependency without pyhf, MachineError if the fit fails.
    """
    pyhf = import_pyhf()
    model = _run_fit(lambda: pyhf.Workspace(spec).model())
    parameters = np.array(model.config.suggested_init())
    parameters[model.config.poi_index] = 1.0
    data = model.expected_data(parameters)
    p = _run_fit(lambda: pyhf.infer.hypotest(0.0, data, model, test_stat="q0"))
    return float(norm.isf(float(p)))


def expected_limit(spec: Mapping[str, Any], index: int = 2) -> float:
    """Return the median, or another quantile, of the upper limits on μ at 95 % CL_s.

    For data without signal, those of the workspace. Raises MissingDependency without pyhf,
    MachineError if no limit is found.

    spec   Workspace.
    index  0 to 4 for −2 to +2 standard deviations; 2 is the median.
    """
    confidence = _expected_confidence(spec)

    @cache
    def excess(mu: float) -> float:
        return confidence(mu)[index] - 0.05

    high = 1.0
    while excess(high) > 0:
        high *= 2
        if high > MAX_STRENGTH:
            raise MachineError(
                f"no signal strength below {MAX_STRENGTH:g} is excluded; the signal is too small"
            )
    low = high / 2
    while excess(low) < 0:
        low /= 2
    return float(brentq(excess, low, high, rtol=1e-3))


def limit_std(
    spec: Mapping[str, Any], limit: float, replicas: Iterable[Mapping[str, Any]]
) -> float:
    """Return the standard deviation of the median upper limit over replicas of a workspace.

    The limit μ of a replica r is that of its CL_s to first order,
    δμ = −(ln CL_s,r(μ) − ln CL_s(μ)) / (d ln CL_s/dμ), from one fit each.

    spec      Workspace.
    limit     Its median limit.
    replicas  Workspaces of bootstrap samples.
    """
    confidence, step = _expected_confidence(spec), 0.05 * limit
    low, middle, high = (np.log(confidence(limit + k * step)[2]) for k in (-1, 0, 1))
    shifts = [np.log(_expected_confidence(one)(limit)[2]) - middle for one in replicas]
    return float(np.std(shifts, ddof=1) * 2 * step / abs(high - low))


def _expected_confidence(spec: Mapping[str, Any]) -> Callable[[float], list[float]]:
    """Return the function from μ to the expected CL_s at −2 to +2 standard deviations."""
    pyhf = import_pyhf()
    space = _run_fit(lambda: pyhf.Workspace(spec))
    model = _run_fit(lambda: space.model(poi_name="mu"))
    data, config = space.data(model), model.config

    def confidence(mu: float) -> list[float]:
        bounds = copy.copy(config.suggested_bounds())
        bounds[config.poi_index] = (0.0, 10 * max(mu, 1.0))
        _, band = _run_fit(
            lambda: pyhf.infer.hypotest(
                mu, data, model, par_bounds=bounds, return_expected_set=True
            )
        )
        return [float(one) for one in band]

    return confidence


def _run_fit(fit: Any) -> Any:
    try:
        with warnings.catch_warnings():
            # pyhf 0.7 uses a deprecated name of jsonschema.
            warnings.simplefilter("ignore", DeprecationWarning)
            return fit()
    except Exception as problem:
        raise MachineError(f"the fit of the workspace failed: {problem}") from problem


def import_pyhf() -> Any:
    """Return pyhf with its backend set; MissingDependency if it is not installed."""
    try:
        import pyhf
    except ImportError:
        raise missing("pyhf", "statistics", "a likelihood of binned scores") from None
    pyhf.set_backend("numpy", "scipy")
    return pyhf
