"""The events of the cache as batches, independent of the number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import awkward as ak
import numpy as np

from bunchtrain import parts
from bunchtrain.batch import Array, Batch
from bunchtrain.errors import DataError
from bunchtrain.methods.build import AnyNetwork
from bunchtrain.methods.event_store import EventStore, size_in_bytes
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.task import Task, derive_seed
from bunchtrain.representations._representation import FittedRepresentation, Representation
from bunchtrain.representations.preprocessing.finite import check_finite
from bunchtrain.representations.preprocessing.labels import represent_targets
from bunchtrain.tables.arrow import malloc_trim
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import RESERVED
from bunchtrain.tables.cache.shards import rechunk
from bunchtrain.tables.expressions.expression import as_real
from bunchtrain.tables.labels import require_finite
from bunchtrain.training.dataset_cache import DATASET_CACHE
from bunchtrain.training.prefetch import prefetch
from bunchtrain.training.start import kept_options

#: Events that are represented in one call, so that there is no call into Python per event.
BLOCK = 8192
#: The same of a model on arrays, if its columns have one value per event.
TABLE_BLOCK = 65_536
#: Of events that count as small: XGBoost stores twice their bytes, and a joined copy before.
COPIES = 6
#: A set of this many times the free memory, by the size of the first events, surely does not fit.
SURELY = 1.25


class Data:
    """Represented events of one worker.

    A split is represented once and kept if it takes at most half of the task's memory (joining the
    blocks takes the other half), else it is read and represented again in every epoch, ahead of the
    network. Of each global batch, worker r of w takes every w-th event from the r-th on.
    """

    def __init__(self, task: Task, rank: int = 0, workers: int = 1) -> None:
        self.rank, self.workers = rank, workers
        self.batch_size = int(task.settings["batch_size"])
        self.cache = EventCache.open(Path(task.cache))
        if task.settings.get("events"):
            self.cache = self.cache.limit("train", task.settings["events"])
        if task.settings.get("select"):
            self.cache = self.cache.where(task.settings["select"])
        available = [name for name in self.cache.fields() if not _is_generated(name)]
        self.representation, columns = task.build_representation(available)
        self.task = replace(task, columns=columns)
        self.spectators = task.spectators
        generated = ["entry", "weight", *(f"target_{name}" for name in task.targets)]
        self.columns = list(dict.fromkeys([*columns, *self.spectators, *generated]))
        self.stores: dict[str, EventStore] = {}
        self.block = BLOCK
        for split in ("train", "validation"):
            if not self.cache.rows[split]:
                raise DataError(
                    f"the {split} set is empty; change 'split', 'select' or 'training.select'"
                )

    def load(self) -> list[Batch]:
        """Load the splits that fit the memory; return blocks of the training set.

        These, to fit the normalisation, are all of the set, or as much of it as fits the memory.
        """
        if dataset := DATASET_CACHE.get(self.task):
            self.stores, self.block = dataset
        if "train" in self.stores:
            return [self.stores["train"].events]
        size = self._bytes_per_event()
        self.block = self._block_rows(size)
        training, complete, used = self._read_up_to("train", self.task.memory // 2)
        if complete:
            self.stores["train"] = EventStore(training)
            training = [self.stores["train"].events]
        free = self.task.memory // 2 - (used if complete else 0)
        if size * self.cache.rows["validation"] <= SURELY * free:
            validation, complete, _ = self._read_up_to("validation", free)
            if complete:
                self.stores["validation"] = EventStore(validation)
            else:
                validation.clear()
                malloc_trim()  # else the freed blocks stay in the heap
        DATASET_CACHE.put(self.task, (self.stores, self.block))
        return training

    def _bytes_per_event(self, probe: int = 64) -> float:
        """Return the size of an event of the training set as a batch, from the first ones."""
        events = next(iter(self.cache.of("train").blocks(self.columns, probe)))
        return size_in_bytes(self.represent(events)) / len(events)

    def _block_rows(self, size: float) -> int:
        """Return the count of events of this size in a block: a 16th of the memory at most."""
        is_flat = not any("*" in self.cache.fields()[name] for name in self.columns)
        most = TABLE_BLOCK if is_flat and self.task.is_on_arrays else BLOCK
        return int(min(most, max(1, self.task.memory / 16 / size)))

    def _read_up_to(self, split: str, budget: int) -> tuple[list[Batch], bool, int]:
        """Return blocks of a split, whether they are complete, and their size in bytes."""
        blocks, used = [], 0
        for events in self.cache.of(split).blocks(self.columns, self.block):
            blocks.append(self.represent(events))
            used += size_in_bytes(blocks[-1])
            if used > budget:
                return blocks, False, used
        return blocks, True, used

    def represent(self, events: ak.Array) -> Batch:
        """Return a block of the cache as a batch, without the events that the policy drops.

        Raises DataError, naming column and entry, for an invalid value, by the policy.
        """
        inputs = self.representation(events)
        targets = represent_targets(self.representation, self.task.targets, events, inputs)
        weight = ak.to_numpy(events["weight"]).astype(np.float32)
        spectators = {name: _spectator(events, name) for name in self.spectators}
        axes = {name: str(target.axis) for name, target in self.task.targets.items()}
        batch = Batch(inputs, targets, weight, spectators, axes)
        entries = ak.to_numpy(events["entry"])
        keep = check_finite(batch.inputs, self.representation.names, entries, self.task.invalid)
        return batch if len(keep) == len(batch) else batch.take(keep)

    def take_all_shares(self) -> None:
        """Give this worker the events of all workers, for a fit that only one of them does."""
        self.rank, self.workers = 0, 1

    def sizes(self, split: str) -> list[int]:
        """Return the count of events of each global batch of an epoch; they differ by at most 1."""
        store = self.stores.get(split)
        total = len(store) if store else self.cache.rows[split]
        count = -(-total // self.batch_size)
        sizes: list[int] = np.diff(np.arange(count + 1) * total // count).tolist()
        return sizes

    def batches(self, split: str, epoch: int | None) -> Iterator[Batch]:
        """Yield this worker's share of each global batch, shuffled unless `epoch` is None."""
        store = self.stores.get(split)
        return self._take(store, split, epoch) if store else self._stream(split, epoch)

    def blocks(self, split: str) -> Iterator[Batch]:
        """Yield all events of a split in stored order, in blocks far larger than a batch."""
        if (store := self.stores.get(split)) is None:
            yield from prefetch(
                self.represent(events)
                for events in self.cache.of(split).blocks(self.columns, self.block)
            )
            return
        for start in range(0, len(store), self.block):
            yield store.take(np.arange(start, min(start + self.block, len(store))))

    def _take(self, store: EventStore, split: str, epoch: int | None) -> Iterator[Batch]:
        rows = np.arange(len(store))
        if epoch is not None:
            rows = np.random.default_rng([self.task.seed, epoch]).permutation(rows)
        for batch in np.split(rows, np.cumsum(self.sizes(split))[:-1]):
            yield store.take(batch[self.rank :: self.workers])

    def _stream(self, split: str, epoch: int | None) -> Iterator[Batch]:
        order = None if epoch is None else derive_seed(self.task.seed, epoch)
        per_block = max(1, self.block // self.batch_size)
        sizes = self.sizes(split)
        groups = [sizes[i : i + per_block] for i in range(0, len(sizes), per_block)]
        # The blocks of a shuffled set are divided once, without a copy of most of them.
        rows = self.block if order is None else self.cache.manifest["buffer"]
        events = self.cache.of(split).blocks(self.columns, rows, order)
        blocks = rechunk(map(sum, groups), events)
        yield from prefetch(
            batch
            for block, group in zip(blocks, groups, strict=True)
            for batch in self._shares(block, group)
        )

    def _shares(self, block: ak.Array, sizes: list[int]) -> Iterator[Batch]:
        worker = np.concatenate([np.arange(size) % self.workers for size in sizes])
        batch_index = np.repeat(np.arange(len(sizes)), sizes)
        own = np.flatnonzero(worker == self.rank)
        store = EventStore([self.represent(block if self.workers == 1 else block[own])])
        bounds = np.searchsorted(batch_index[own], np.arange(len(sizes) + 1))
        for start, stop in pairwise(bounds.tolist()):
            yield store.take(np.arange(start, stop))


def fit_representation(task: Task) -> Task:
    """Return the task with the options of its representation that are fitted to training events.

    A training that starts from a trained model keeps those of that model, as its normalisation.
    """
    name, options = task.representation
    made: Representation = parts.build("representation", name, options)
    if not isinstance(made, FittedRepresentation) or made.is_fitted:
        return task
    if (kept := kept_options(task)) is not None:
        return replace(task, representation=(name, kept))
    data = Data(task)
    fitted = made.fit(data.cache.of("train").blocks(data.task.columns, BLOCK))
    return replace(task, representation=(name, {**options, **fitted}))


class Batches:
    """The batches of one epoch, sized and iterable."""

    def __init__(self, data: Data, split: str, epoch: int | None) -> None:
        self.data, self.split, self.epoch = data, split, epoch

    def __len__(self) -> int:
        return len(self.data.sizes(self.split))

    def __iter__(self) -> Iterator[Batch]:
        return self.data.batches(self.split, self.epoch)


class NormalisedBatches:
    """The events of a split, inputs normalised and values standardised; iterated repeatedly.

    They are blocks of arrays for a `FittedNetwork`, whose fit does not depend on the size of a
    batch, else batches of tensors.
    """

    def __init__(self, data: Data, network: AnyNetwork, split: str) -> None:
        self.data, self.network, self.split = data, network, split

    @property
    def is_small(self) -> bool:
        """Whether the events are held in memory, and copies of them fit into it, too."""
        store = self.data.stores.get(self.split)
        return store is not None and COPIES * size_in_bytes(store.events) <= self.data.task.memory

    def __iter__(self) -> Iterator[Batch]:
        if isinstance(self.network, FittedNetwork):
            taken = self.data.blocks(self.split)
        else:
            taken = (batch.tensors() for batch in self.data.batches(self.split, None))
        for batch in taken:
            inputs = self.network.normalise(batch.inputs)
            yield self.network.standardise(replace(batch, inputs=inputs))


def _spectator(events: ak.Array, name: str) -> Array:
    """Return a column that losses read, (events,) float32; raises DataError for NaN."""
    values = as_real(events[name], name)
    require_finite(values, f"loss: column '{name}'", ak.to_numpy(events["entry"]))
    return np.asarray(values, np.float32)


def _is_generated(column: str) -> bool:
    """Return whether the cache generated a column, which no pattern of inputs may match."""
    return column in RESERVED or column.startswith("target_")
