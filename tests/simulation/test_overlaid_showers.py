"""Overlaid showers: energy is kept, places, separations, groups, and what is refused."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain.errors import DataError, StudyError
from samples import sample  # type: ignore[import-not-found]

SCINTILLATOR = {"material": "G4_POLYSTYRENE", "thickness": 5.0, "cell": 30.0}
LAYERS = [{"repeat": 8, "of": [{"material": "G4_Fe", "thickness": 60.0}, SCINTILLATOR]}]
SINGLE = {"name": "bock", "events": 40, "layers": LAYERS, "width": 1020.0, "x": [-15.0, 15.0],
          "particles": ["pi-"], "energy": [20.0]}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """The folder of the single showers, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(tmp_path_factory.mktemp("showers")))
        yield


def made(**options):
    source = sample("overlaid_showers", **{"showers": SINGLE, "events": 60, "groups": 4} | options)
    source.prepare()
    return source, ak.concatenate(list(source.blocks(list(source.fields()), 25)))


def test_columns_blocks_and_seeds():
    source, events = made(separations=[60.0, 120.0])
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    assert len(events) == 60
    assert set(source.conditions) == {"geometry"}
    whole = next(source.blocks(list(source.fields()), 100))
    assert ak.array_equal(whole, events)
    assert not ak.array_equal(made(separations=[60.0, 120.0], seed=2)[1].hit_x, events.hit_x)


def test_the_energy_of_each_shower_is_that_of_the_single_one():
    source, events = made(separations=[120.0])
    single = ak.concatenate(list(source.showers.blocks(["hit_energy", "particle_visible"], 100)))
    own = ak.to_numpy(ak.sum(single.hit_energy, 1))
    for k in range(2):
        of = events.hit_deposit_energy[events.hit_deposit_particle == k]
        total = ak.to_numpy(ak.sum(ak.sum(of, 2), 1))
        np.testing.assert_allclose(total, events.particle_visible[:, k], rtol=1e-5)
        assert np.abs(total[:, None] - own).min(1).max() < 1e-5 * own.max()
    np.testing.assert_allclose(
        ak.flatten(ak.sum(events.hit_deposit_energy, 2)), ak.flatten(events.hit_energy), rtol=1e-5
    )


def test_cells_are_not_repeated_and_lie_on_the_grid_of_the_single_showers():
    source, events = made(separations=[60.0])
    for event in events[:20]:
        cells = np.stack([np.asarray(event[f"hit_{n}"]) for n in ("layer", "y", "x")], 1)
        assert len(np.unique(cells, axis=0)) == len(cells)
        assert (np.lexsort(cells.T[::-1]) == np.arange(len(cells))).all()
    single = next(source.showers.blocks(["hit_x"], 100))
    phase = float(single.hit_x[0][0]) / 30 % 1
    offset = (np.asarray(ak.flatten(events.hit_x)) / 30 - phase) % 1
    assert np.minimum(offset, 1 - offset).max() < 1e-3


def test_separations_come_equally_often_and_are_distances_of_axes():
    _, events = made(separations=[60.0, 240.0])
    values, counts = np.unique(ak.to_numpy(events.separation), return_counts=True)
    assert values.tolist() == [60, 240]
    assert abs(int(counts[0]) - int(counts[1])) <= 4
    x, y = (ak.to_numpy(events[f"particle_{axis}"]) for axis in "xy")
    distance = np.hypot(x[:, 1] - x[:, 0], y[:, 1] - y[:, 0])
    separation = ak.to_numpy(events.separation)
    # Axes lie anywhere in their cell along x.
    assert np.abs(distance - separation).max() <= 30 + 1e-3


def test_each_hit_belongs_to_the_shower_with_most_of_its_energy():
    _, events = made(separations=[60.0])
    best = ak.argmax(events.hit_deposit_energy, axis=2, keepdims=True)
    main = ak.flatten(events.hit_deposit_particle[best], axis=2)
    assert main.to_list() == events.hit_particle.to_list()
    assert ak.any(ak.num(events.hit_deposit_energy, axis=2) == 2)  # they do overlap


def test_a_shower_is_in_one_group_alone():
    _, events = made(count=[2, 5], spread=90.0)
    assert set(ak.num(events.particle_x).to_list()) == {2, 3, 4, 5}
    for event in events:
        x, y = np.asarray(event.particle_x), np.asarray(event.particle_y)
        apart = np.hypot(x[:, None] - x, y[:, None] - y) + np.diag(np.full(len(x), np.inf))
        np.testing.assert_allclose(event.particle_nearest, apart.min(1), rtol=1e-5, atol=1e-3)
    assert ak.all(made(count=[1])[1].particle_nearest == 0)
    energy = ak.to_numpy(ak.flatten(events.particle_visible))
    group = np.repeat(events.shower_group, ak.num(events.particle_x))
    of = {}
    for e, g in zip(np.round(energy, 6).tolist(), group.tolist(), strict=True):
        assert of.setdefault(e, g) == g


def test_a_threshold_removes_hits_and_their_energy():
    _, all_hits = made(separations=[60.0])
    _, events = made(separations=[60.0], threshold=0.005)
    assert ak.min(events.hit_energy) >= 0.005
    kept = all_hits.hit_energy[all_hits.hit_energy >= 0.005]
    assert ak.to_numpy(ak.num(kept)).tolist() == ak.to_numpy(ak.num(events.hit_energy)).tolist()
    visible = ak.to_numpy(ak.sum(events.particle_visible, 1))
    np.testing.assert_allclose(visible, ak.sum(kept, 1), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separations": [50.0]}, "must be whole cells of 30 mm, got 50"),
        ({"separations": [60.0], "count": [3]}, "separations are of two showers"),
        ({"showers": {"events": 3}}, "give a source by its 'name'"),
        ({"showers": "straight_tracks"}, "there is no column 'particle_pdg'"),
        ({"showers": {**SINGLE, "layers": [{"of": [{"material": "G4_Fe", "thickness": 9.0,
          "cell": 5.0, "shape": "hexagon"}]}]}}, "square cells of one size"),
    ],
)  # fmt: skip
def test_options_out_of_range_end_in_a_sentence(options, message):
    with pytest.raises(StudyError, match=message):
        made(**options)


def test_too_few_showers_and_several_in_an_event_are_refused():
    with pytest.raises(StudyError, match="40 showers in 30 groups are too few for 2"):
        made(groups=30)
    with pytest.raises(DataError, match="has 2 particles; each must have one"):
        made(showers={**SINGLE, "showers": [2]})
