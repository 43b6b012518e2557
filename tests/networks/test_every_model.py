"""What every network promises: events apart, and the same numbers from ONNX Runtime."""

import pytest
import torch
from exported import check_onnx
from small_models import OPTIONS, PER_POINT, inputs, single, small

from bunchtrain import parts
from bunchtrain.methods.supervised import needs

#: Models that do the same in files of their own: trees, fitted ones and the one on trees of nodes.
ELSEWHERE = {
    *("boosted_trees", "histogram_trees", "random_forest", "binned_correction"),
    *("linear_classifier", "latent_dirichlet_allocation", "tree_nin"),
}

#: Models for which the order of the particles counts.
ORDERED = {"recurrent_network", "boost_lstm", "p_cnn", "lola", "lbn"}


def of_points(name):
    return "lengths" in needs(parts.find("model", name.split()[0]))


def test_no_model_is_left_out():
    assert {name.split()[0] for name in OPTIONS} | ELSEWHERE == set(parts.locate("model"))


@pytest.mark.parametrize("name", OPTIONS)
def test_outputs_do_not_depend_on_the_other_events_nor_on_how_long_they_are(name):
    model, lengths = small(name), [3, 0, 5, 1, 2]
    given = inputs(model, lengths)
    with torch.no_grad():
        alone = torch.cat([model(**event) for event in single(given, lengths)])
        torch.testing.assert_close(model(**given), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in OPTIONS if of_points(name)])
def test_the_order_of_particles_counts_where_a_network_reads_them_in_order(name):
    model, lengths = small(name), [6, 3, 5]
    given = inputs(model, lengths)
    order = torch.cat([torch.arange(6).flip(0), torch.arange(6, 14)])
    shuffled = {n: t[order] if n in PER_POINT else t for n, t in given.items()}
    with torch.no_grad():
        same = torch.allclose(model(**shuffled), model(**given), rtol=1e-4, atol=1e-5)
    assert same == (name.split()[0] not in ORDERED)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPTIONS)
def test_onnx_gives_the_same_numbers(name, tmp_path):
    check_onnx(small(name), inputs, tmp_path / "model.onnx", tolerance=1e-4)
