"""A Slurm cluster of two nodes on this machine, with daemons and files of its own.

Nothing of the system's own configuration is used or changed. It needs root, for the daemons run
jobs as their submitter, and `apt-get install slurm-wlm munge`.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
NODES = ("one", "two")
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
SlurmctldPort={ports[0]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MinJobAge=60
KillWait=5
SlurmdTimeout=20
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld
SlurmdLogFile={folder}/log/slurmd.%n
NodeName=one NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=2000
NodeName=two NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=2000
PartitionName=main Nodes=one,two Default=YES MaxTime=60 State=UP
"""


def why_not() -> str:
    """Why no cluster can be started here, '' if it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "the daemons of Slurm need root"


class Cluster:
    """The daemons; `environment` has the variable by which the commands of Slurm find them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all daemons and wait until both nodes take jobs."""
        for name in ("munge", "state", "log", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(mode=0o711)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        text = CONFIGURATION.format(folder=self.folder, ports=_free_ports(3))
        (self.folder / "slurm.conf").write_text(text)
        own = self.folder / "munge"
        files = [f"--{one}={own / one}" for one in ("socket", "pid-file", "log-file", "seed-file")]
        self._run("munged", "munged", "--foreground", f"--key-file={key}", *files)
        _until(lambda: (own / "socket").exists())
        self.start_scheduler()
        for node in NODES:
            self.start_node(node)
        _until(lambda: self.ask("sinfo", "--noheader", "--format=%D %t") == "2 idle")

    def start_scheduler(self) -> None:
        """Start the scheduler, from its saved state if it has run before."""
        self._run("slurmctld", "slurmctld", "-D", "-f", self.environment["SLURM_CONF"])

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._run(node, "slurmd", "-D", "-N", node, "-f", self.environment["SLURM_CONF"])

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """Stop a daemon."""
        daemon = self.daemons.pop(name)
        daemon.send_signal(number)
        try:
            daemon.wait(15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def ask(self, *command: str) -> str:
        """What a command of Slurm says."""
        env = {**os.environ, **self.environment}
        found = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return found.stdout.strip()

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Yield a running cluster, whose daemons are stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o711)  # for munge, whose socket all may reach
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.ask("scancel", "--user=root")
        for name in [*NODES, "slurmctld", "munged"]:
            if name in made.daemons:
                made.stop(name)
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _until(is_done, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < deadline, "the cluster does not start; see its logs"
        time.sleep(0.2)
