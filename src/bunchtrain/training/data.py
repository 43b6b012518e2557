"""The data module: the cache's events as batches, the same ones whatever the number of workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import awkward as ak
import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError
from bunchtrain.methods.event_store import EventStore, size_in_bytes
from bunchtrain.methods.task import Task
from bunchtrain.representations.preprocessing.finite import check_finite
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.expressions.expression import as_numbers
from bunchtrain.tables.labels import refuse_invalid
from bunchtrain.training.prefetch import prefetch
from bunchtrain.training.seeds import mixed
from bunchtrain.training.sharing import held_events, hold_events

#: Events that are represented at once, so that no event costs a call into Python.
BLOCK = 8192


class Data(LightningDataModule):
    """Represented events of one worker.

    A split is represented once and held if it takes at most half of the task's memory (joining the
    blocks takes the other half), else it is read and represented anew in every epoch, ahead of the
    network. Of each global batch, worker r of w takes every w-th event from the r-th on.
    """

    def __init__(self, task: Task, rank: int = 0, workers: int = 1) -> None:
        super().__init__()
        self.rank, self.workers = rank, workers
        self.batch_size = int(task.settings["batch_size"])
        self.cache = EventCache.open(Path(task.cache))
        if task.settings.get("events"):
            self.cache = self.cache.first("train", task.settings["events"])
        if task.settings.get("select"):
            self.cache = self.cache.where(task.settings["select"])
        seen = [name for name in self.cache.fields if not _is_made(name)]
        self.representation, columns = task.build_representation(seen)
        self.task = replace(task, columns=columns)
        self.spectators = task.spectators
        made = ["entry", "weight", *(f"target_{name}" for name in task.targets)]
        self.columns = list(dict.fromkeys([*columns, *self.spectators, *made]))
        self.stores: dict[str, EventStore] = {}
        self.block = BLOCK
        for split in ("train", "validation"):
            if not self.cache.rows[split]:
                raise DataError(
                    f"the {split} set is empty; change 'split', 'select' or 'training.select'"
                )

    def load(self) -> list[Batch]:
        """Hold what fits the memory; return training blocks to fit the normalisation on.

        They are all of the training set, or as much of it as fits the memory.
        """
        if events := held_events(self.task):
            self.stores, self.block = events
        if "train" in self.stores:
            return [self.stores["train"].events]
        self.block = self._block_rows()
        training, complete, used = self._read_up_to("train", self.task.memory // 2)
        if complete:
            self.stores["train"] = EventStore(training)
            training = [self.stores["train"].events]
        left = self.task.memory // 2 - (used if complete else 0)
        validation, complete, _ = self._read_up_to("validation", left)
        if complete:
            self.stores["validation"] = EventStore(validation)
        hold_events(self.task, (self.stores, self.block))
        return training

    def _block_rows(self, probe: int = 64) -> int:
        """Return the events of a block, so that one takes at most a 16th of the memory."""
        events = next(iter(self.cache.blocks("train", probe, columns=self.columns)))
        size = size_in_bytes(self.represent(events)) / len(events)
        return int(min(BLOCK, max(1, self.task.memory / 16 / size)))

    def _read_up_to(self, split: str, budget: int) -> tuple[list[Batch], bool, int]:
        blocks, used = [], 0
        for events in self.cache.blocks(split, self.block, columns=self.columns):
            blocks.append(self.represent(events))
            used += size_in_bytes(blocks[-1])
            if used > budget:
                return blocks, False, used
        return blocks, True, used

    def represent(self, events: ak.Array) -> Batch:
        """Return a block of the cache as a batch, without the events that the policy drops.

        Raises DataError, naming column and entry, if the policy refuses a value.
        """
        targets = {
            name: torch.from_numpy(ak.to_numpy(events[f"target_{name}"]).copy())
            for name in self.task.targets
        }
        weight = torch.from_numpy(ak.to_numpy(events["weight"]).astype(np.float32))
        spectators = {name: _spectator(events, name) for name in self.spectators}
        batch = Batch(self.representation(events), targets, weight, spectators)
        entries = ak.to_numpy(events["entry"]).tolist()
        keep = check_finite(batch.inputs, self.representation.names, entries, self.task.invalid)
        return batch if len(keep) == len(batch) else batch.take(keep)

    def sizes(self, split: str) -> list[int]:
        """Return the events in each global batch of an epoch: as equal as can be."""
        held = self.stores.get(split)
        total = len(held) if held else self.cache.rows[split]
        count = -(-total // self.batch_size)
        sizes: list[int] = np.diff(np.arange(count + 1) * total // count).tolist()
        return sizes

    def batches(self, split: str, epoch: int | None) -> Iterator[Batch]:
        """Yield this worker's share of each global batch; `epoch` None leaves them unshuffled."""
        held = self.stores.get(split)
        return self._held(held, split, epoch) if held else self._streamed(split, epoch)

    def _held(self, store: EventStore, split: str, epoch: int | None) -> Iterator[Batch]:
        rows = np.arange(len(store))
        if epoch is not None:
            rows = np.random.default_rng([self.task.seed, epoch]).permutation(rows)
        for batch in np.split(rows, np.cumsum(self.sizes(split))[:-1]):
            yield store.take(torch.from_numpy(batch[self.rank :: self.workers]))

    def _streamed(self, split: str, epoch: int | None) -> Iterator[Batch]:
        order = None if epoch is None else mixed(self.task.seed, epoch)
        per_block = max(1, self.block // self.batch_size)
        sizes = self.sizes(split)
        groups = [sizes[i : i + per_block] for i in range(0, len(sizes), per_block)]
        events = self.cache.blocks(split, self.block, columns=self.columns, order=order)
        blocks = cut(events, map(sum, groups))
        yield from prefetch(
            batch
            for block, group in zip(blocks, groups, strict=True)
            for batch in self._shares(block, group)
        )

    def _shares(self, block: ak.Array, sizes: list[int]) -> Iterator[Batch]:
        place = np.concatenate([np.arange(size) % self.workers for size in sizes])
        number = np.repeat(np.arange(len(sizes)), sizes)
        mine = np.flatnonzero(place == self.rank)
        share = block if self.workers == 1 else block[mine]
        store = EventStore([self.represent(share)])
        bounds = np.searchsorted(number[mine], np.arange(len(sizes) + 1))
        for start, stop in pairwise(bounds.tolist()):
            yield store.take(torch.arange(start, stop))

    def train_dataloader(self) -> Batches:
        """Return the batches of the epoch that the trainer is about to begin."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        return Batches(self, "train", epoch)

    def val_dataloader(self) -> Batches:
        """Return the batches of the validation set, in its order."""
        return Batches(self, "validation", None)


class Batches:
    """The batches of one epoch, as the trainer wants them: sized and iterable."""

    def __init__(self, data: Data, split: str, epoch: int | None) -> None:
        self.data, self.split, self.epoch = data, split, epoch

    def __len__(self) -> int:
        return len(self.data.sizes(self.split))

    def __iter__(self) -> Iterator[Batch]:
        return self.data.batches(self.split, self.epoch)


def cut(blocks: Iterable[ak.Array], sizes: Iterable[int]) -> Iterator[ak.Array]:
    """Yield the events of the blocks, in their order, in blocks of exactly these sizes."""
    left: list[ak.Array] = []
    source = iter(blocks)
    for size in sizes:
        while sum(map(len, left)) < size:
            left.append(next(source))
        whole = left[0] if len(left) == 1 else ak.concatenate(left)
        yield whole[:size]
        left = [whole[size:]]


def _spectator(events: ak.Array, name: str) -> Tensor:
    """Return a column that objectives look at, (events,) float32; NaN is refused."""
    values = as_numbers(events[name], name)
    refuse_invalid(values, f"objective: column '{name}'", ak.to_numpy(events["entry"]))
    return torch.from_numpy(values.astype(np.float32))


def _is_made(column: str) -> bool:
    """Tell what the cache has made, so that no pattern of inputs can catch a target."""
    return column in ("entry", "weight", "event_weight") or column.startswith("target_")
