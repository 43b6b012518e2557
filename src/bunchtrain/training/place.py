"""Where a worker stands among all workers, as the launcher's environment says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Place:
    """Worker `rank` of `workers`, `local_workers` of them on this node."""

    rank: int = 0
    workers: int = 1
    local_workers: int = 1
    launcher: Literal["none", "torchrun", "slurm"] = "none"

    @property
    def nodes(self) -> int:
        """The number of machines."""
        return self.workers // self.local_workers


def find_place() -> Place:
    """Return the place of this process: of torchrun, of Slurm's srun, or alone."""
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        rank, workers, local = (int(env[k]) for k in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        return Place(rank, workers, local, "torchrun")
    interactive = env.get("SLURM_JOB_NAME") in ("bash", "interactive")
    if int(env.get("SLURM_NTASKS", 1)) > 1 and "SLURM_PROCID" in env and not interactive:
        workers = int(env["SLURM_NTASKS"])
        local = workers // int(env.get("SLURM_NNODES", 1))
        return Place(int(env["SLURM_PROCID"]), workers, local, "slurm")
    return Place()


def environment(rank: int, workers: int, address: str, port: int) -> dict[str, str]:
    """Return the variables by which a process knows that it is a worker, all on one node."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(workers),
        "LOCAL_WORLD_SIZE": str(workers),
        "GROUP_RANK": "0",
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "bunchtrain",
    }
