"""No process is left after its parent was killed."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from bunchtrain.child_processes import run_program

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
#: Programs that start a child of their own, as compilers do.
PROGRAM = """
from pathlib import Path
from bunchtrain.child_processes import run_program
run_program(["sh", "-c", "sleep 300 & sleep 300"], Path.cwd())
"""
POOL = """
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import time
from bunchtrain.child_processes import end_with_parent
if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, get_context("spawn"), end_with_parent, (os.getpid(),))
    list(pool.map(time.sleep, [300, 300]))
"""
PYTHON = """
import os, subprocess
from bunchtrain.child_processes import child_command, child_environment
env = {**os.environ, **child_environment()}
subprocess.run(child_command("sleeping"), env=env, start_new_session=True)
"""


def processes(mark):
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARK={mark}".encode() in (path / "environ").read_bytes():
                found.append(path.name)
        except OSError:
            continue
    return found


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize(("script", "count"), [(PROGRAM, 5), (POOL, 4), (PYTHON, 2)])
def test_processes_end_within_ten_seconds_of_a_killed_parent(tmp_path, script, count):
    mark = uuid.uuid4().hex
    (tmp_path / "parent.py").write_text(script)
    (tmp_path / "sleeping.py").write_text("import time; time.sleep(300)")
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], cwd=tmp_path, env={**os.environ, "MARK": mark}
    )
    assert wait_for(lambda: len(processes(mark)) >= count, 60)
    time.sleep(1)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not processes(mark), 10), processes(mark)


def test_a_program_has_its_output_and_exit_code(tmp_path):
    done = run_program(["sh", "-c", "echo out; echo err >&2; exit 3"], tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    both = run_program(["sh", "-c", "echo a >&2"], tmp_path, errors=subprocess.STDOUT)
    assert both.stdout == "a\n"
    assert run_program(["sh", "-c", "kill -9 $$"], tmp_path).returncode == 137


def test_a_program_is_ended_with_its_children_after_the_timeout(tmp_path):
    mark = uuid.uuid4().hex
    command = ["sh", "-c", "sleep 300 & sleep 300"]
    with pytest.raises(subprocess.TimeoutExpired):
        run_program(command, tmp_path, environment={**os.environ, "MARK": mark}, timeout=1)
    assert wait_for(lambda: not processes(mark), 10)


def test_a_script_that_would_start_itself_again_is_refused(tmp_path):
    script = tmp_path / "script.py"
    start = "from bunchtrain.child_processes import spawn_context\n"
    for work, message in (
        ("spawn_context()", "UserError: .*put its work under"),
        ("if __name__ == '__main__': spawn_context()", "^$"),
    ):
        script.write_text(f"{start}{work}\n")
        command = [sys.executable, str(script)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert re.search(message, found.stderr.strip().rpartition("\n")[2])
