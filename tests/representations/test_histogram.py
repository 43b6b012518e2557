"""Histograms: bins of columns and of lists, their options, and real monitoring data."""

import os
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.tables.sources.files import Files

DQMIO = Path(os.environ.get("BUNCHTRAIN_DATA", "none")) / "dqm" / "dqmio_2023"
CONTENTS = np.arange(16).reshape(2, 8)


def histogram(**options):
    return parts.build("representation", "histogram", options)


def test_contents_of_a_column_are_the_table():
    found = histogram(features=["h"], bins=8, normalise="none")
    assert found.sizes == {"table": 8}
    assert found.names["table"][:2] == ["h [0]", "h [1]"]
    tensors = found(ak.Array({"h": CONTENTS.tolist()}))
    assert np.array_equal(tensors["table"], CONTENTS)
    assert np.array_equal(ak.to_numpy(found.decode(tensors).h), CONTENTS)


@pytest.mark.parametrize("layout", ["flat", "nested"])
def test_two_dimensions_are_an_image_whose_bins_are_merged(layout):
    found = histogram(features=["h"], bins=[2, 4], rebin=2)
    given = CONTENTS if layout == "flat" else CONTENTS.reshape(2, 2, 4)
    image = found(ak.Array({"h": given.tolist()}))["image"]
    assert found.sizes == {"image": (1, 1, 2)}
    assert image.tolist() == [[[[10, 18]]], [[[42, 50]]]]


def test_items_of_lists_are_counted_between_edges():
    edges = [0.0, 1.0, 2.5, 4.0]
    values = [[0, 0.5, 1, 4, 4.1, -3], [], [2.5, 2.4]]
    tensors = histogram(edges={"x": edges})(ak.Array({"x": values}))
    expected = [np.histogram(one, edges)[0].tolist() for one in values]
    assert tensors["table"].tolist() == expected
    all_in = histogram(edges={"x": edges}, overflow=True)(ak.Array({"x": values}))["table"]
    assert all_in.sum(1).tolist() == [6, 0, 2]
    assert all_in[0].tolist() == [3, 1, 2]


def test_unit_area_and_square_root():
    block = ak.Array({"h": [[1, 3], [0, 0], [9, 16]]})
    unit = histogram(features=["h"], bins=2, unit=True)(block)["table"]
    assert unit == pytest.approx(np.array([[0.25, 0.75], [0, 0], [0.36, 0.64]]))
    root = histogram(features=["h"], bins=2, square_root=True)
    assert root(block)["table"][2].tolist() == [3, 4]
    generated = root.decode({"table": np.array([[-0.5, 2.0]], np.float32)})
    assert generated.h.tolist() == [[0, 4]]


def test_the_square_root_of_a_poisson_count_has_the_standard_deviation_one_half():
    counts = np.random.default_rng(1).poisson([20, 100, 400], (20_000, 3))
    found = histogram(features=["h"], bins=3, square_root=True)(ak.Array({"h": counts}))
    assert found["table"].std(0) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs 'features' with 'bins', or 'edges'"),
        ({"features": ["h"]}, "'features' and 'bins' of a histogram belong together"),
        ({"features": ["h"], "bins": 8, "rebin": 3}, "'rebin': 3 is no divisor of the 8 bins"),
        ({"features": ["h"], "bins": [2, 4], "edges": {"x": [0, 1]}}, "of one dimension"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(StudyError, match=message):
        histogram(**options)


@pytest.mark.parametrize(
    ("column", "bins", "message"),
    [
        ([[1, 2], [1, 2, 3]], 2, r"'h' must give lists of 2 numbers, and entry 11 has 3 on axis 1"),
        ([[[1], [2]], [[1], []]], [2, 1], r"lists of 2 × 1 numbers, and entry 11 has 1 on axis 2"),
        ([1.0, 2.0], 2, "gives 0 axes; set 'bins' of the representation"),
    ],
)
def test_a_column_of_another_shape_is_an_error_that_names_the_entry(column, bins, message):
    with pytest.raises(DataError, match=message):
        histogram(features=["h"], bins=bins)(ak.Array({"h": column, "entry": [10, 11]}))


def test_edges_of_a_column_without_lists():
    with pytest.raises(DataError, match="'x' in 'edges' must give a list"):
        histogram(edges={"x": [0, 1]})(ak.Array({"x": [0.5]}))


@pytest.mark.skipif(
    not DQMIO.is_dir(), reason="set BUNCHTRAIN_DATA to a folder with dqm/dqmio_2023"
)
def test_real_monitoring_histograms():
    charge = Files(files=str(DQMIO / "PXBarrel-charge_PXLayer_1.parquet"))
    block = next(iter(charge.blocks(["histo", "entries"], 100)))
    found = histogram(features=["histo"], bins=100, rebin=5, square_root=True)
    tensors = found(block)
    assert tensors["table"].shape == (45, 20)
    total = ak.to_numpy(ak.sum(found.decode(tensors).histo, axis=1))
    assert total == pytest.approx(ak.to_numpy(ak.sum(block.histo, axis=1)), rel=1e-5)
    layer = Files(files=str(DQMIO / "PXBarrel-clusterposition_zphi_ontrack_PXLayer_1.parquet"))
    block = next(iter(layer.blocks(["histo"], 100)))
    image = histogram(features=["histo"], bins=[200, 300], rebin=4)(block)["image"]
    assert image.shape == (5, 1, 50, 75)
    assert 0.5 < (image == 0).mean() < 0.6  # dead modules: 54 % of the cells are empty
