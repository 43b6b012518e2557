"""Signals end the command as Ctrl-C does, wherever in the code they are received."""

import os
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import signal, time
from bunchtrain.cli.interruption import exit_code, interruptible
class Slow:
    def __del__(self):
        print("begun", flush=True)
        time.sleep({destructor})
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, which children inherit
with interruptible():
    one = Slow()
    del one
    time.sleep(30)
"""


@pytest.mark.parametrize("destructor", [0, 30])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_is_one_sentence_and_its_exit_code(number, code, destructor):
    script = SCRIPT.format(destructor=destructor)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.3)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=20)
    assert said == "bunchtrain: interrupted\n"
    assert process.returncode == code


def test_an_interrupt_that_becomes_another_error_has_its_sentence_too():
    """As while a compiled module is imported."""
    script = "import os, signal\nfrom bunchtrain.cli.interruption import interruptible\n"
    script += "signal.signal(signal.SIGINT, signal.default_int_handler)\nwith interruptible():\n"
    script += "    try:\n        os.kill(os.getpid(), signal.{number})\n"
    script += "    except KeyboardInterrupt as cause:\n"
    script += "        raise ImportError('initialization failed') from cause\n"
    for number, code in (("SIGINT", 130), ("SIGTERM", 143)):
        command = [sys.executable, "-c", script.format(number=number)]
        done = subprocess.run(command, capture_output=True)
        assert done.stderr.decode() == "bunchtrain: interrupted\n"
        assert done.returncode == code


def test_an_interrupt_inside_the_execution_of_text_has_its_exit_code_too(tmp_path):
    text = "from bunchtrain.cli.interruption import interruptible, received\n"
    text += "received.append(15)\nwith interruptible():\n    exec('raise KeyboardInterrupt')\n"
    (tmp_path / "interrupted.py").write_text(text)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert done.stderr.decode() == "bunchtrain: interrupted\n"
    assert done.returncode == 143


def test_the_package_imports_little_before_signals_are_handled() -> None:
    code = "import sys; old = {*sys.modules}; import bunchtrain; print(*{*sys.modules} - old)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bunchtrain" in found.stdout.split()
    assert not {"importlib.metadata", "tempfile", "numpy", "typing"} & {*found.stdout.split()}
