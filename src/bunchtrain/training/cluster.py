"""Connection to a Ray cluster within a context."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bunchtrain.errors import MachineError, missing
from bunchtrain.training.process import silence_libraries


@contextmanager
def connect_to_ray(
    address: str | None, workers: int, purpose: str = "the engine 'ray'"
) -> Iterator[Any]:
    """Yield the `ray` module, connected to a running cluster or to one started here.

    `purpose` is what needs it, for messages. Raises MissingDependency if Ray is not installed,
    MachineError if the cluster cannot be reached.
    """
    try:
        with silence_libraries():
            import ray
    except ImportError:
        raise missing("ray", "ray", purpose) from None
    is_new = not ray.is_initialized()
    with silence_libraries():
        if is_new:
            _connect(ray, address, workers)
        try:
            yield ray
        finally:
            if is_new:
                ray.shutdown()


def _connect(ray: Any, address: str | None, workers: int) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        cores = max(workers + 1, os.cpu_count() or 1)  # Ray Train's controller takes one itself
        options |= {"num_cpus": cores, "include_dashboard": False}
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError) as problem:
        raise MachineError(
            f"the Ray cluster at {address or 'this machine'} could not be reached: {problem}"
        ) from None
