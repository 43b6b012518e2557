"""Expected discovery significance and CL_s upper limit of a workspace (arXiv:1007.1727).

On Asimov data, which are the expected events of a strength μ', the profiled likelihood ratio is

    q(μ) = min_θ Σ_b 2 [n_b ln(n_b/ν_b) − n_b + ν_b] + Σ_k (θ_k − θ⁰_k)²/σ_k²,   n = ν(μ', θ⁰),

since the likelihood is largest where the data were made. It is a sum of squares, so that its
minimum is found to the same relative precision for ten events as for 10⁹. The median significance
is √q(0) for μ' = 1, and the limits follow from √q(μ) for μ' = 0 without any p-value, which would be
0 in double precision from 38 standard deviations on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import brentq, least_squares
from scipy.special import ndtr, ndtri

from bunchtrain.errors import MachineError, missing
from bunchtrain.statistics.metrics import Floats

#: The largest signal strength, in units of the nominal one, of the search for a limit.
MAX_STRENGTH = 1e6
#: 1 − confidence of the limit.
ALPHA = 0.05


def expected_significance(spec: Mapping[str, Any]) -> float:
    """Return the median significance Z of a signal of strength 1.

    Nuisance parameters as in the workspace. Raises MissingDependency without pyhf, MachineError if
    the fit fails.
    """
    return _profile(spec, data_strength=1.0)(0.0)


def expected_limit(spec: Mapping[str, Any], index: int = 2) -> float:
    """Return the median, or another quantile, of the upper limits on μ at 95 % CL_s.

    For data without signal. At N standard deviations CL_s = Φ(N − √q(μ))/Φ(N). Raises
    MissingDependency without pyhf, MachineError if the fit fails or no limit is found.

    spec   Workspace.
    index  0 to 4 for N = −2 to +2; 2 is the median.
    """
    root = _profile(spec, data_strength=0.0)
    deviations = index - 2
    wanted = float(deviations - ndtri(ALPHA * ndtr(deviations)))
    high = 1.0
    while (found := root(high)) < wanted:
        # √q is nearly proportional to μ; it is doubled at least, where it is not.
        high *= max(2.0, 1.1 * wanted / found) if found > 0 else 2.0
        if high > MAX_STRENGTH:
            raise MachineError(
                f"no signal strength below {MAX_STRENGTH:g} is excluded; the signal is too small"
            )
    low = high * 0.5 * wanted / found
    while root(low) > wanted:
        low /= 2
    return float(brentq(lambda mu: root(mu) - wanted, low, high, rtol=1e-5))


def limit_std(
    spec: Mapping[str, Any], limit: float, replicas: Iterable[Mapping[str, Any]]
) -> float:
    """Return the standard deviation of the median upper limit over replicas of a workspace.

    The limit of a replica r is that of its √q to first order,
    δμ = −(√q_r(μ) − √q(μ)) / (d√q/dμ), from one fit each.

    spec      Workspace.
    limit     Its median limit.
    replicas  Workspaces of bootstrap samples.
    """
    root, step = _profile(spec, data_strength=0.0), 0.05 * limit
    slope = (root(limit + step) - root(limit - step)) / (2 * step)
    shifts = [_profile(one, data_strength=0.0)(limit) - root(limit) for one in replicas]
    return float(np.std(shifts, ddof=1) / abs(slope))


def _profile(spec: Mapping[str, Any], data_strength: float) -> Callable[[float], float]:
    """Return the function from μ to √q(μ) on the Asimov data of a strength."""
    pyhf = import_pyhf()
    model = _run_fit(lambda: pyhf.Workspace(spec).model(poi_name="mu"))
    config = model.config
    start = np.array(config.suggested_init())
    bounds = np.array(config.suggested_bounds()).T
    free = np.arange(len(start)) != config.poi_index
    free &= ~np.array(config.suggested_fixed(), bool)
    centre, sigma = _constraints(config)

    def rates(theta: Floats, mu: float) -> Floats:
        parameters = start.copy()
        parameters[free], parameters[config.poi_index] = theta, mu
        return np.asarray(model.expected_actualdata(parameters), np.float64)

    data = rates(start[free], data_strength)

    def root(mu: float) -> float:
        def residuals(theta: Floats) -> Floats:
            pulls = (theta - centre[free]) / sigma[free]
            return np.concatenate([_deviance_roots(data, rates(theta, mu)), pulls])

        if not free.any():
            return float(np.linalg.norm(residuals(start[free])))
        limits = bounds[:, free]
        fit = _run_fit(lambda: least_squares(residuals, start[free], bounds=limits, xtol=1e-10))
        return float(np.sqrt(2 * fit.cost))

    return root


def _constraints(config: Any) -> tuple[Floats, Floats]:
    """Return centre and σ of the Gaussian constraint of each parameter; σ is ∞ of a free one."""
    centre, sigma = np.zeros(config.npars), np.full(config.npars, np.inf)
    for name in config.par_order:
        parameters = config.param_set(name)
        if parameters.constrained:
            place = config.par_slice(name)
            centre[place] = parameters.auxdata
            sigma[place] = getattr(parameters, "sigmas", 1.0)
    return centre, sigma


def _deviance_roots(data: Floats, rate: Floats) -> Floats:
    """Return the signed roots of 2 [n ln(n/ν) − n + ν], (bins,), stable for n near ν.

    With x = (ν − n)/n it is 2 n [x − ln(1 + x)].
    """
    x = np.maximum(rate / data, 1e-12) - 1
    series = x**2 / 2 - x**3 / 3 + x**4 / 4 - x**5 / 5
    value = np.where(np.abs(x) < 1e-3, series, x - np.log1p(x))
    return np.asarray(np.sign(x) * np.sqrt(2 * data * np.maximum(value, 0)), np.float64)


def _run_fit(fit: Callable[[], Any]) -> Any:
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
