"""Worker processes: their rank, their environment, and the file in which they report an error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bunchtrain import errors
from bunchtrain.errors import BunchtrainError
from bunchtrain.files import read_json, write_text

if TYPE_CHECKING:
    from bunchtrain.trained_model import TrainedModel

#: Called after each epoch with its number and the network; returning True stops the training.
EpochCallback = Callable[[int, "TrainedModel"], bool]
_FAILURE = "failure.json"


@dataclass(frozen=True)
class WorkerInfo:
    """Worker `rank` of `world_size` workers, `local_world_size` of them on this node."""

    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    launcher: Literal["none", "torchrun", "slurm"] = "none"

    @property
    def nodes(self) -> int:
        """Count of machines."""
        return self.world_size // self.local_world_size

    @classmethod
    def from_environment(cls) -> WorkerInfo:
        """Return rank and size as set by torchrun or Slurm's srun, or those of a single worker."""
        env = os.environ
        if "TORCHELASTIC_RUN_ID" in env:
            rank, size, local = (int(env[k]) for k in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
            return cls(rank, size, local, "torchrun")
        interactive = env.get("SLURM_JOB_NAME") in ("bash", "interactive")
        if int(env.get("SLURM_NTASKS", 1)) > 1 and "SLURM_PROCID" in env and not interactive:
            size = int(env["SLURM_NTASKS"])
            local = size // int(env.get("SLURM_NNODES", 1))
            return cls(int(env["SLURM_PROCID"]), size, local, "slurm")
        return cls()


def worker_environment(rank: int, world_size: int, address: str, port: int) -> dict[str, str]:
    """Return the environment variables of a worker, all workers being on one node."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
        "GROUP_RANK": "0",
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "bunchtrain",
    }


def record_failure(folder: str, failure: BunchtrainError) -> None:
    """Write an error into the folder of a task, for the process that waits for the workers."""
    content = {"kind": type(failure).__name__, "message": str(failure)}
    write_text(Path(folder) / _FAILURE, json.dumps(content))


def raise_failure(folder: str) -> None:
    """Raise the error that a worker has recorded, if any."""
    path = Path(folder) / _FAILURE
    if path.is_file():
        content = read_json(path, dict[str, str])
        path.unlink()
        raise getattr(errors, content["kind"])(content["message"])


def clear_failure(folder: str) -> None:
    """Remove the recorded error of an earlier training."""
    (Path(folder) / _FAILURE).unlink(missing_ok=True)
