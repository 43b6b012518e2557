"""Expected discovery significance and CL_s upper limit of a workspace (Asimov data), by pyhf."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
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
    pyhf = _pyhf()
    model = _run_fit(lambda: pyhf.Workspace(spec).model())
    parameters = np.array(model.config.suggested_init())
    parameters[model.config.poi_index] = 1.0
    data = model.expected_data(parameters)
    p = _run_fit(lambda: pyhf.infer.hypotest(0.0, data, model, test_stat="q0"))
    return float(norm.isf(float(p)))


def expected_limit(spec: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the median upper limit on μ at 95 % CL_s and its band of one standard deviation.

    For data without signal, those of the workspace. Raises MissingDependency without pyhf,
    MachineError if no limit is found.
    """
    median, low, high = (expected_quantile(spec, index) for index in (2, 1, 3))
    return median, low, high


def expected_quantile(spec: Mapping[str, Any], index: int = 2) -> float:
    """Return a quantile of the expected upper limits on μ at 95 % CL_s.

    Args:
        spec: Workspace.
        index: 0 to 4 for −2 to +2 standard deviations; 2 is the median.
    """
    pyhf = _pyhf()
    space = _run_fit(lambda: pyhf.Workspace(spec))
    model = _run_fit(lambda: space.model(poi_name="mu"))
    data, config = space.data(model), model.config

    @cache
    def excess(mu: float) -> float:
        """Return the expected CL_s − 5 %."""
        bounds = copy.copy(config.suggested_bounds())
        bounds[config.poi_index] = (0.0, 10 * max(mu, 1.0))
        _, band = _run_fit(
            lambda: pyhf.infer.hypotest(
                mu, data, model, par_bounds=bounds, return_expected_set=True
            )
        )
        return float(band[index]) - 0.05

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


def _run_fit(fit: Any) -> Any:
    try:
        with warnings.catch_warnings():
            # pyhf 0.7 uses a deprecated name of jsonschema.
            warnings.simplefilter("ignore", DeprecationWarning)
            return fit()
    except Exception as problem:
        raise MachineError(f"the fit of the workspace failed: {problem}") from problem


def _pyhf() -> Any:
    try:
        import pyhf
    except ImportError:
        raise missing("pyhf", "statistics", "a likelihood of binned scores") from None
    pyhf.set_backend("numpy", "scipy")
    return pyhf
