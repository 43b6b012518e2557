import pytest
import synthetic_runs


@pytest.fixture
def synthetic_run():
    """Return the function that makes a finished run of synthetic events."""
    return synthetic_runs.run
