import pytest
from trained_models import trained_model

from bunchtrain.deployment.cpp import compilation
from bunchtrain.deployment.cpp.conversion import convert


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    """The folder of the compiled C++ runtime, without optimisation."""
    folder = tmp_path_factory.mktemp("runtime")
    compilation.write_sources(convert(trained_model("dense_network", {"widths": (3,)})), folder)
    compilation.build(folder, compilation.find_compiler(), "evaluate", "-O0")
    return folder
