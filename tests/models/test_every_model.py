"""What every network promises: events apart, and the same numbers from ONNX Runtime."""

import pytest
import torch
from exported import check_onnx
from small_models import OPTIONS, inputs, single, small

from bunchtrain import parts

#: Models that do the same in files of their own: trees, fitted ones and the one on trees of nodes.
ELSEWHERE = {
    *("boosted_trees", "histogram_trees", "random_forest", "binned_correction"),
    *("linear_classifier", "latent_dirichlet_allocation", "tree_nin"),
}


def test_no_model_is_left_out():
    assert {name.split()[0] for name in OPTIONS} | ELSEWHERE == set(parts.locate("model"))


@pytest.mark.parametrize("name", OPTIONS)
def test_outputs_do_not_depend_on_the_other_events_nor_on_how_long_they_are(name):
    model, lengths = small(name), [3, 0, 5, 1, 2]
    given = inputs(model, lengths)
    with torch.no_grad():
        alone = torch.cat([model(**event) for event in single(given, lengths)])
        torch.testing.assert_close(model(**given), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPTIONS)
def test_onnx_gives_the_same_numbers(name, tmp_path):
    check_onnx(small(name), inputs, tmp_path / "model.onnx", tolerance=1e-4)
