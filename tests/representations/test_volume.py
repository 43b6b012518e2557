"""Volumes: cells from columns of arrays and from hits."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError

HITS = {
    "group": "hit",
    "coordinates": ["z", "y", "x"],
    "ranges": [[0, 2], [-1, 1], [-2, 2]],
    "shape": [2, 2, 4],
}


def volume(**options):
    return parts.build("representation", "volume", options)


def test_energies_of_hits_are_summed_in_their_cells():
    block = ak.Array(
        {
            "hit_x": [[-2.0, -1.5, 1.99, 2.0, 0.0], []],
            "hit_y": [[-1.0, -0.5, 0.99, 0.0, 5.0], []],
            "hit_z": [[0.0, 0.9, 1.0, 1.0, 1.0], []],
            "hit_energy": [[1.0, 2.0, 4.0, 8.0, 16.0], []],
        }
    )
    found = volume(**HITS)
    tensor = found(block[found.columns(block.fields)])["volume"]
    assert tensor.shape == (2, 1, 2, 2, 4)
    assert tensor[0, 0, 0, 0, 0] == 3  # two hits of one cell
    assert tensor[0, 0, 1, 1, 3] == 4
    assert tensor.sum() == 7  # the upper ends of the ranges are outside
    assert found.decode({"volume": tensor}).fields == ["hit_energy"]


@pytest.mark.parametrize("layout", ["flat", "nested"])
def test_cells_of_a_column_go_forth_and_back(layout):
    energy = np.random.default_rng(1).exponential(3.0, (5, 2, 3, 4)).astype(np.float32)
    energy[energy < 1] = 0
    given = energy.reshape(5, -1) if layout == "flat" else energy
    block = ak.Array({"cells": ak.from_regular(ak.from_numpy(given), axis=None), "e": np.ones(5)})
    found = volume(shape=[2, 3, 4], cells=["cells"], scale=0.01, condition=["e"])
    tensors = found(block)
    assert tensors["volume"][:, 0] == pytest.approx(np.log1p(energy / 0.01), rel=1e-5)
    decoded = found.decode(tensors)
    assert ak.to_numpy(decoded.cells) == pytest.approx(energy, rel=1e-5, abs=1e-7)
    assert decoded.e.tolist() == [1] * 5
    again = found(decoded)
    assert again["volume"] == pytest.approx(tensors["volume"], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": [2, 2, 4]}, "a volume needs 'cells', columns of arrays, or the 'group'"),
        (HITS | {"coordinates": None}, "hits 'hit' needs 'coordinates' and 'ranges'"),
        (HITS | {"ranges": [[0, 1], [1, 1], [0, 1]]}, "three pairs of a lower and a higher"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(StudyError, match=message):
        volume(**options)


def test_cells_of_another_shape():
    block = ak.Array({"cells": np.zeros((3, 2, 3, 5))})
    with pytest.raises(DataError, match="lists of 2 × 3 × 4 numbers, and entry 0 has 5 on axis 3"):
        volume(shape=[2, 3, 4], cells=["cells"])(block)
