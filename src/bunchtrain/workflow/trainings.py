"""One network of a run: its trainings, one a seed, and their predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from bunchtrain.files import write_json
from bunchtrain.study import ModelConfig, Study, model_configs
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.trained_model import load
from bunchtrain.training.kept_memory import kept_memory
from bunchtrain.training.sharing import shared_events
from bunchtrain.training.train import train
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.prediction_table import training_names
from bunchtrain.workflow.predictions import write_predictions
from bunchtrain.workflow.preparation import task
from bunchtrain.workflow.ranges import watched


@dataclass(frozen=True)
class Training:
    """One training of a member: the name of its scores, its seed and its folder.

    The first one lies in the member's own folder, the others in folders below it.
    """

    name: str
    seed: int
    folder: Path

    @property
    def is_finished(self) -> bool:
        """Whether its network is there."""
        return (self.folder / "network.json").is_file()


def trainings(folder: RunFolder, study: Study, member: ModelConfig) -> list[Training]:
    """Return the trainings of a member, the first one first."""
    place = folder.model(member.name)
    return [
        Training(name, seed, place if seed == study.seed else place / f"seed_{seed}")
        for name, seed in training_names(study, member).items()
    ]


def train_member(
    folder: RunFolder,
    study: Study,
    cache: EventCache,
    name: str,
    *,
    resume: bool,
    progress: bool = True,
) -> None:
    """Train a member with all its seeds; with `resume`, finished trainings are left alone."""
    member = model_configs(study)[name]
    with shared_events():
        for one in trainings(folder, study, member):
            wanted = task(study, member, cache.folder, one.folder, one.seed)
            train(wanted, resume=resume, progress=progress)


def predict_member(folder: RunFolder, study: Study, cache: EventCache, name: str) -> None:
    """Write the scores of a member's trainings, of the sets that the run looks at."""
    member = model_configs(study)[name]
    if member.training.threads:
        torch.set_num_threads(member.training.threads)
    with kept_memory():
        for one in trainings(folder, study, member):
            for split in predicted_sets(study):
                path = one.folder / f"{split}.parquet"
                if path.is_file():
                    continue
                network = load(one.folder)
                predict = partial(write_predictions, study, cache, {one.name: network}, path, split)
                rates, beyond = watched(network, predict)
                if split == "test":
                    told = {"events_per_second": rates.get(one.name), "out_of_range": beyond}
                    write_json(one.folder / "prediction.json", told)


def predicted_sets(study: Study) -> list[str]:
    """Return the sets whose scores are needed: what an ensemble is fitted on is not tested on."""
    fitted = any(ensemble.by != "mean" for ensemble in study.ensembles.values())
    return ["validation", "test"] if fitted else ["test"]
