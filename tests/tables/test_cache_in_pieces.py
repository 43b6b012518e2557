"""An event cache made in pieces, in any order, has the files of one that is made as a whole."""

import random

import awkward as ak
import numpy as np
import pytest
from arrays_source import jets

from bunchtrain.errors import DataError, MachineError
from bunchtrain.simulation.straight_tracks import PART, StraightTracks
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.limits import first_rows, rows_of_chunk
from bunchtrain.tables.cache.pieces import Plan, is_done, select_piece, write_shard
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.sources.files import Files
from bunchtrain.tables.transforms.conditions import Condition, WithConditions
from bunchtrain.tables.writing import write_parquet, write_table
from bunchtrain.targets import Target

LABEL = Target("label", ("qcd", "top"), expressions=("label == 0", "label == 1"))
#: So little that a piece has 64 rows, and a set several shards.
MEMORY = 44_500


def written(folder, ending, count=2):
    events, paths = jets(), []
    for number in range(count):
        part = events[number * 300 : (number + 1) * 300]
        part = part[["pt", "number", "label", "good", "constituent_pt"]]
        part = ak.with_field(part, np.random.default_rng(number).uniform(0.1, 3, len(part)), "w")
        part = ak.with_field(part, ak.values_astype(part.good, np.int8), "good")
        paths.append(str(folder / f"part{number}{ending}"))
        write_table(paths[-1], [part], "events")
    return paths


def recipe(source, **changes):
    plain = {
        "source": source,
        "targets": [LABEL],
        "define": {"log_pt": "log(pt)"},
        "select": "good == 1",
        "columns": ["constituent_pt", "log_pt"],
        "spectators": ["number"],
        "weights": {
            "event": "w",
            "balance": True,
            "reweight": {"reference": "qcd", "variables": {"pt": [550, 580, 610, 650]}},
        },
    }
    return Recipe(**(plain | changes))


def in_order(made, seed=0):
    """Return what makes the pieces in this process in a random order."""

    def spread(folder, step, count):
        for index in random.Random(seed).sample(range(count), count):
            if not is_done(folder, step, index):
                do(made, folder, step, index)

    return spread


def do(made, folder, step, index):
    if step == "select":
        select_piece(made, folder, index)
    else:
        write_shard(folder, index)


def files_of(cache):
    return {path.name: path.read_bytes() for path in cache.folder.iterdir()}


def plan_of(made):
    return Plan.of(made, MEMORY, rows_of_chunk(made, first_rows(made), MEMORY))


def both(made, folder, memory=MEMORY):
    whole = EventCache.build(made, folder / "whole", memory)
    pieces = EventCache.build(made, folder / "pieces", memory, spread=in_order(made))
    return whole, pieces


@pytest.mark.parametrize("ending", [".root", ".h5", ".parquet"])
def test_files_are_equal_byte_by_byte(tmp_path, ending):
    made = recipe(Files(files=written(tmp_path, ending)))
    assert len(plan_of(made).groups) == (2 if ending == ".parquet" else 9)
    whole, pieces = both(made, tmp_path)
    assert len(whole.manifest["shards"]["train"]) > 1
    assert files_of(whole) == files_of(pieces)


def test_row_groups_that_end_within_blocks_change_nothing(tmp_path):
    columns = ["pt", "number", "label", "good", "constituent_pt", "w"]
    events = ak.concatenate(list(Files(files=written(tmp_path, ".root")).blocks(columns, 1000)))
    blocks = [events[start : start + 110] for start in range(0, 600, 110)]
    write_parquet(tmp_path / "groups.parquet", blocks)
    made = recipe(Files(files=str(tmp_path / "groups.parquet")))
    starts = [group[0].start for group in plan_of(made).groups]
    assert starts == [0, 128, 256, 384, 448, 576]
    whole, pieces = both(made, tmp_path)
    assert files_of(whole) == files_of(pieces)


def test_simulated_parts_with_conditions_are_equal(tmp_path):
    write_parquet(tmp_path / "modules.parquet", [{"module": np.arange(60), "side": np.arange(60)}])
    modules = Files(files=str(tmp_path / "modules.parquet"))
    source = WithConditions(
        StraightTracks(events=3 * PART - 5, particles=4, noise=2),
        [Condition("modules", modules, ["module"])],
    )
    made = Recipe(
        source,
        [],
        define={"side": "modules.side[hit_module]"},
        columns=["hit_x", "side"],
        split={"name": "fraction", "train": 0.5, "validation": 0.25, "test": 0.25},
    )
    whole, pieces = both(made, tmp_path)
    assert files_of(whole) == files_of(pieces)
    assert pieces.cutflow["read"] == 3 * PART - 5


def test_what_is_made_is_kept_when_a_process_dies(tmp_path):
    made = recipe(Files(files=written(tmp_path, ".root")))
    done = []

    def dies(folder, step, count):
        for index in range(count):
            if index == 3:
                raise MachineError("killed")
            do(made, folder, step, index)

    def counts(folder, step, count):
        done.append([index for index in range(count) if is_done(folder, step, index)])
        in_order(made)(folder, step, count)

    with pytest.raises(MachineError):
        EventCache.build(made, tmp_path / "pieces", MEMORY, spread=dies)
    pieces = EventCache.build(made, tmp_path / "pieces", MEMORY, spread=counts)
    assert done[0] == [0, 1, 2]
    assert files_of(pieces) == files_of(EventCache.build(made, tmp_path / "whole", MEMORY))


def test_a_source_that_is_read_from_its_beginning_is_not_divided(tmp_path):
    paths = [tmp_path / f"{name}.csv" for name in "ab"]
    for path in paths:
        path.write_text("x,y\n" + "1,0\n2,1\n" * 200)
    found = Files(files=[str(path) for path in paths]).pieces(64)
    assert [(one.first, one.stop) for one in found] == [(0, 400), (400, 400)]


def test_entries_in_messages_are_those_of_the_whole_table(tmp_path):
    events = jets()
    last = np.flatnonzero(ak.to_numpy(events.good) & (ak.to_numpy(events.label) < 2))[-1]
    negative = f"where(number == {events.number[last]}, -1, 1)"
    made = recipe(Files(files=written(tmp_path, ".root")), weights={"event": negative})
    with pytest.raises(DataError, match=f"at entry {last};"):
        EventCache.build(made, tmp_path / "pieces", MEMORY, spread=in_order(made))
    assert not list((tmp_path / "pieces").glob("*.building"))  # the data must change: start anew
