from itertools import chain

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.errors import DataError
from bunchtrain.tables.cache.shards import rechunk
from bunchtrain.training.data import Data

STREAMED = 4_000


def opened(task, rank: int = 0, workers: int = 1) -> Data:
    data = Data(task, rank, workers)
    data.load()
    return data


def tables(data: Data, split: str, epoch: int | None) -> list[np.ndarray]:
    return [batch.inputs["table"] for batch in data.batches(split, epoch)]


@pytest.mark.parametrize("memory", [10**8, STREAMED])
def test_a_global_batch_is_the_same_events_on_any_number_of_workers(make_task, memory) -> None:
    task = make_task(memory=memory)
    whole = tables(opened(task), "train", 3)
    shares = [tables(opened(task, rank, 3), "train", 3) for rank in range(3)]
    for number, batch in enumerate(whole):
        for rank in range(3):
            assert np.array_equal(shares[rank][number], batch[rank::3])


@pytest.mark.parametrize("memory", [10**8, STREAMED])
def test_every_event_comes_once_in_each_epoch_and_in_another_order(make_task, memory) -> None:
    data = opened(make_task(memory=memory))
    assert bool(data.stores) == (memory > STREAMED)
    first, again, second = (np.concatenate(tables(data, "train", epoch)) for epoch in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first, 0), np.sort(second, 0))
    assert len(first) == data.cache.rows["train"]


def test_a_validation_set_that_does_not_fit_the_memory_is_not_read_for_it(
    make_task, monkeypatch
) -> None:
    seen, represent = [], Data.represent

    def counted(self, events):
        seen.append(len(events))
        return represent(self, events)

    monkeypatch.setattr(Data, "represent", counted)
    few = opened(make_task(memory=STREAMED, settings={"events": 20}))
    assert list(few.stores) == ["train"]
    assert sum(seen) == 20 + 20  # the first events, and the training set
    seen.clear()
    both = opened(make_task("other", memory=10**8, settings={"events": 20}))
    assert list(both.stores) == ["train", "validation"]
    assert sum(seen) == 20 + 20 + both.cache.rows["validation"]


def test_batches_are_of_equal_size(make_task) -> None:
    data = opened(make_task(settings={"batch_size": 100}))
    sizes = data.sizes("train")
    assert max(sizes) <= 100
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == data.cache.rows["train"]


def test_inputs_never_include_what_the_cache_has_made(make_task) -> None:
    task = make_task(representation=("table", {"features": ["x", "target_sum"]}))
    with pytest.raises(DataError, match="target_sum"):
        Data(task)


@given(st.lists(st.integers(1, 5), max_size=6), st.integers(1, 4))
def test_cutting_keeps_events_and_order(sizes: list[int], length: int) -> None:
    total = sum(sizes)
    blocks = [ak.Array(list(range(total)))[i : i + length] for i in range(0, total, length)]
    pieces = [piece.tolist() for piece in rechunk(sizes, blocks)]
    assert [len(piece) for piece in pieces] == sizes
    assert list(chain(*pieces)) == list(range(total))
