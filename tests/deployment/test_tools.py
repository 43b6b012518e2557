import pytest

from bunchtrain.deployment.tools import GHDL, TOOLS, Tool, find_error
from bunchtrain.errors import ExportError, MissingDependency

ABSENT = Tool("Nothing", "doing nothing", ("no-such-program-here",), "nothing-at-all")


def test_a_missing_program_is_named_with_the_command_that_installs_it():
    with pytest.raises(MissingDependency, match=r"needs Nothing.*pip install nothing-at-all"):
        ABSENT.require()


def test_a_program_of_the_system_is_named_with_the_system_s_command():
    assert GHDL.installation == "apt install ghdl"


def test_a_program_that_fails_reports_its_own_error(tmp_path):
    listing = Tool("ls", "listing", ("ls",), "coreutils")
    with pytest.raises(ExportError, match=r"ls failed in .*no-such-file"):
        listing.run(["no-such-file"], tmp_path)


def test_the_first_error_is_found():
    assert find_error("fine\nERROR: first\nERROR: second\n") == "ERROR: first"
    assert find_error("a\nb\n") == "b"


@pytest.mark.parametrize("tool", [*TOOLS, GHDL], ids=lambda tool: tool.title)
def test_an_installed_program_has_a_version(tool):
    if tool.path() is None:
        pytest.skip(f"{tool.title} is not installed")
    assert tool.version()[0].isdigit()
