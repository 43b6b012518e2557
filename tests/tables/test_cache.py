import errno
import multiprocessing
import shutil
from dataclasses import replace

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
from arrays_source import Arrays, jets
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.errors import DataError, MachineError, StudyError, UserError
from bunchtrain.tables.arrow import read, to_table, write
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.cache.shards import Shards
from bunchtrain.targets import Target

EVENTS = jets()
LABEL = Target("label", ("qcd", "top"), expressions=("label == 0", "label == 1"))


def recipe(**changes):
    plain = {
        "source": Arrays(EVENTS),
        "targets": [LABEL],
        "define": {"log_pt": "log(pt)", "unused": "log(column('absent'))"},
        "select": "good",
        "columns": ["constituent_pt", "log_pt"],
        "spectators": ["number"],
    }
    return Recipe(**(plain | changes))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return EventCache.build(recipe(), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """The same cache, built with so little memory that it has several shards."""
    return EventCache.build(recipe(), tmp_path_factory.mktemp("sharded"), memory=40_000)


def everything(cache, split, rows=97, **options):
    columns = options.pop("columns", None)
    return ak.concatenate(list(cache.of(split).blocks(columns, rows, **options)))


def ab(a, b):
    """Return a target with the conditions of two classes."""
    return Target("t", ("a", "b"), expressions=(a, b))


def selected():
    return np.flatnonzero(ak.to_numpy(EVENTS.good) & (ak.to_numpy(EVENTS.label) < 2))


def test_every_selected_event_is_there_once(cache):
    entries = np.concatenate([everything(cache, split).entry for split in cache.rows])
    np.testing.assert_array_equal(np.sort(entries), selected())
    assert cache.cutflow == {
        "read": 600,
        "select": int(ak.sum(EVENTS.good)),
        "targets.label": len(selected()),
    }


def test_columns_come_back_as_they_went_in(cache):
    for split in cache.rows:
        events = everything(cache, split)
        source = EVENTS[events.entry]
        assert (events.number == source.number).tolist() == [True] * len(events)
        assert ak.all(events.constituent_pt == ak.values_astype(source.constituent_pt, np.float32))
        np.testing.assert_allclose(events.log_pt, np.log(source.pt), rtol=1e-6)
        np.testing.assert_array_equal(events.target_label, source.label)
    assert cache.fields() == {
        "constituent_pt": "var * float32",
        "log_pt": "float32",
        "number": "int64",
        "target_label": "int64",
        "entry": "int64",
        "event_weight": "float32",
        "weight": "float32",
    }


def test_counts_are_those_of_the_events(cache):
    assert cache.class_names == {"label": ["qcd", "top"]}
    for split, rows in cache.rows.items():
        found = np.bincount(ak.to_numpy(everything(cache, split).target_label), minlength=2)
        assert cache.class_counts["label"][split] == found.tolist()
        assert rows == found.sum()


def test_a_hundred_classes_are_counted(tmp_path):
    names = tuple(f"c{k}" for k in range(100))
    conditions = tuple(f"number % 100 == {k}" for k in range(100))
    target = Target("label", names, expressions=conditions)
    made = EventCache.build(recipe(targets=[target], select=None), tmp_path)
    for split in made.rows:
        events = everything(made, split)
        found = np.bincount(ak.to_numpy(events.number) % 100, minlength=100)
        assert made.class_counts["label"][split] == found.tolist()


@given(rows=st.integers(1, 700), order=st.none() | st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_blocks_are_exact_and_every_order_is_a_permutation(cache, rows, order):
    sizes = [len(block) for block in cache.of("train").blocks(None, rows, order=order)]
    total = cache.rows["train"]
    assert sizes == [rows] * (total // rows) + [total % rows] * (total % rows > 0)
    entries = everything(cache, "train", rows, order=order, columns=["entry"])
    assert entries.fields == ["entry"]
    whole = everything(cache, "train", 1000, order=order)
    np.testing.assert_array_equal(entries.entry, whole.entry)
    assert len(np.unique(entries.entry)) == total


@given(run=st.integers(1, 40), runs=st.integers(1, 10), order=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_shuffled_runs_cover_many_shards(sharded, run, runs, order):
    described = sharded.manifest["shards"]["train"]
    paths = [sharded.folder / shard["file"] for shard in described]
    shards = Shards(paths, [shard["rows"] for shard in described], ["entry"])
    buffers = list(shards.shuffle(order, run, run * runs))
    assert max(len(buffer) for buffer in buffers) <= run * runs
    wanted = everything(sharded, "train").entry
    np.testing.assert_array_equal(np.sort(ak.concatenate(buffers).entry), np.sort(wanted))


def test_opening_a_shard_copies_nothing(tmp_path):
    path = tmp_path / "shard.arrow"
    write(to_table({"x": np.arange(10**6), "y": np.arange(10**6)}), path)
    before = pa.total_allocated_bytes()
    table = read(path, ["y"])
    assert table["y"][-1].as_py() == 10**6 - 1
    assert pa.total_allocated_bytes() - before < 10**4


def test_orders_differ_and_mix_the_classes(cache):
    one, two = (everything(cache, "train", order=order) for order in (1, 2))
    assert one.entry.tolist() != two.entry.tolist()
    for events in (one, two, everything(cache, "train")):
        position = np.arange(len(events))
        for column in (events.entry, events.target_label):
            correlation = np.corrcoef(position, ak.to_numpy(column))[0, 1]
            assert abs(correlation) < 4 / np.sqrt(len(events))


@given(memory=st.sampled_from([10_000, 200_000, 10**9]), largest=st.integers(50, 700))
@settings(max_examples=6, deadline=None)
def test_order_depends_on_no_setting_of_the_machine(cache, tmp_path_factory, memory, largest):
    source = Arrays(EVENTS, largest=largest)
    other = EventCache.build(recipe(source=source), tmp_path_factory.mktemp("other"), memory)
    for order in (None, 3):
        ours, theirs = (everything(c, "train", order=order) for c in (cache, other))
        np.testing.assert_array_equal(ours.entry, theirs.entry)
        np.testing.assert_allclose(ours.weight, theirs.weight, rtol=1e-6)
        assert ak.all(ours.constituent_pt == theirs.constituent_pt)


def test_small_memory_makes_several_shards(sharded):
    assert len(list(sharded.folder.glob("train-*.arrow"))) > 1
    assert not list(sharded.folder.glob("run-*"))


def test_a_cache_is_reused(tmp_path):
    first, second = Arrays(EVENTS), Arrays(EVENTS)
    seen = []
    EventCache.build(recipe(source=first), tmp_path, progress=seen.append)
    EventCache.build(recipe(source=second), tmp_path)
    assert seen[-1] == len(EVENTS)
    assert first.passes > 0
    assert second.passes == 0


@pytest.mark.parametrize(
    "change",
    [
        {"source": Arrays(EVENTS, name="changed file")},
        {"seed": 2},
        {"select": "pt > 25"},
        {"columns": ["log_pt"]},
        {"define": {"log_pt": "log10(pt)"}},
        {"weights": {"balance": True}},
        {"split": {"name": "kfold"}},
        {"targets": [Target("label", ("top", "qcd"), expressions=("label == 1", "label == 0"))]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_anything_that_changes_the_content_changes_the_key(change):
    assert recipe(**change).key() != recipe().key()
    assert replace(recipe(**change), **change).key() == recipe(**change).key()


def test_the_key_of_a_recipe_does_not_change_between_releases():
    momentum = Target("momentum", values=("pt", "eta"), expressions=("pt / 100", "eta"))
    fixed = Recipe(
        Arrays(EVENTS, name="events"),
        [replace(LABEL, signal="qcd"), momentum],
        define={"log_pt": "log(pt)"},
        select="good",
        weights={"event": "w", "balance": True, "negative": "raise"},
        split={"name": "kfold", "folds": 4},
        columns=["log_pt", "constituent_pt"],
        spectators=["number"],
        seed=3,
    )
    assert fixed.key() == "bb89ef027a7781c017820fb15f02a791"


def test_an_interrupted_build_leaves_nothing_that_opens(tmp_path):
    broken = Arrays(EVENTS, largest=100, fail_at=400, problem=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        EventCache.build(recipe(source=broken), tmp_path)
    with pytest.raises(DataError, match="no complete cache; build it again"):
        EventCache.open(tmp_path / recipe().key())
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert EventCache.build(recipe(), tmp_path).rows["train"] > 0


def test_a_damaged_cache_is_built_again(tmp_path):
    cache = EventCache.build(recipe(), tmp_path)
    shard = next(cache.folder.glob("train-*"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DataError, match="no complete cache"):
        EventCache.open(cache.folder)
    assert len(everything(EventCache.build(recipe(), tmp_path), "train")) == cache.rows["train"]


def _build(folder):
    EventCache.build(recipe(), folder)


def test_two_processes_that_build_the_same_do_not_collide(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_build, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert EventCache.open(tmp_path / recipe().key()).rows["train"] > 0


def test_a_full_disk_is_reported_in_one_sentence(tmp_path):
    full = Arrays(EVENTS, fail_at=0, problem=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(MachineError, match=r"is full; free space or set storage\.folder"):
        EventCache.build(recipe(source=full), tmp_path)


def test_two_targets_and_values(tmp_path):
    momentum = Target("momentum", values=("pt", "eta"), expressions=("pt / 100", "eta"))
    cache = EventCache.build(recipe(targets=[LABEL, momentum]), tmp_path)
    events = everything(cache, "train")
    source = EVENTS[events.entry]
    assert cache.fields()["target_momentum"] == "2 * float32"
    np.testing.assert_allclose(
        ak.to_numpy(events.target_momentum), np.stack([source.pt / 100, source.eta], 1), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"select": "pt > 1e9"}, DataError, "'pt > 1e9' selects none of the 600 events that"),
        (
            {"targets": [ab("pt < 0", "pt < -1")], "select": None},
            DataError,
            "the classes of 't' contain none of the 600 events",
        ),
        (
            {"targets": [ab("pt > 0", "pt > 1")]},
            DataError,
            r"targets\.t, entry \d+: the event is in the classes 'a' and 'b'",
        ),
        (
            {"targets": [Target("t", values=("x",), expressions=("log(label)",))]},
            DataError,
            r"'log\(label\)' is -inf at",
        ),
        ({"columns": ["ptt"]}, DataError, "no column 'ptt'; did you mean 'pt'"),
        (
            {"columns": ["weight"], "define": {"weight": "pt"}},
            StudyError,
            "is reserved by the cache",
        ),
        ({"source": Arrays(EVENTS[:0])}, DataError, "the source has no events"),
        (
            {"split": {"name": "fraction", "train": 0.0, "validation": 0.5, "test": 0.5}},
            DataError,
            "none of the .* selected events into training",
        ),
    ],
    ids=lambda value: "",
)
def test_mistakes_are_reported_with_their_position(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        EventCache.build(recipe(**changes), tmp_path)


def test_unknown_columns_and_sets_raise(cache):
    with pytest.raises(DataError, match="no 'numbr'; did you mean 'number'"):
        cache.blocks(["numbr"], 10)
    with pytest.raises(DataError, match="no 'valid'; did you mean 'validation'"):
        cache.of("valid")


def test_a_condition_leaves_events_out_of_training_alone(sharded):
    chosen = sharded.where("number % 2 == 0")
    for split in ("train", "validation"):
        wanted = [n for n in everything(sharded, split).number if n % 2 == 0]
        for order in (None, 3):
            found = everything(chosen, split, order=order, columns=["log_pt"])
            assert found.fields[0] == "log_pt"
            assert len(found) == chosen.rows[split] == len(wanted)
        assert everything(chosen, split).number.tolist() == wanted
    assert chosen.rows["test"] == sharded.rows["test"]
    with pytest.raises(DataError, match="the cache has no 'numbr'; did you mean 'number'"):
        sharded.where("numbr > 2")


def test_a_memory_limit_that_cannot_be_kept_says_what_is_needed(tmp_path):
    with pytest.raises(MachineError, match=r"storage.memory: 0\.0001 MB .* give at least 1 MB"):
        EventCache.build(recipe(), tmp_path, memory=100)


class Counted(Arrays):
    """Events whose number is known before they are read."""

    entries = len(EVENTS)


def test_a_disk_that_is_too_small_is_reported_before_work_starts(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    stored = EventCache.build(recipe(), tmp_path / "a").folder
    size = sum(path.stat().st_size for path in stored.glob("*.arrow"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=size // 2))
    made = recipe(source=Counted(EVENTS, name="counted"))
    with pytest.raises(MachineError, match=r"event cache needs about .* [GM]B free; free space"):
        EventCache.build(made, tmp_path / "b")
    assert [path.suffix for path in (tmp_path / "b").iterdir()] == [".lock"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4 * size))
    assert EventCache.build(made, tmp_path / "b").rows["train"] > 0


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cache folder .* cannot be made .* set storage\.folder"):
        EventCache.build(recipe(), tmp_path / "file" / "events")
