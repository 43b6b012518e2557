"""Dense, image and flow networks and trees go to ONNX with any number of events and points."""

import pytest
import torch
from exported import check_onnx

from bunchtrain.batch import Batch
from bunchtrain.models.boosted_trees import BoostedTrees
from bunchtrain.models.dense_network import DenseNetwork
from bunchtrain.models.energy_flow_network import EnergyFlowNetwork
from bunchtrain.models.histogram_trees import HistogramTrees
from bunchtrain.models.image_cnn import ImageCNN
from bunchtrain.models.particle_flow_network import ParticleFlowNetwork
from bunchtrain.models.random_forest import RandomForest
from bunchtrain.network import needs
from bunchtrain.objectives._objective import TargetShape
from bunchtrain.objectives.cross_entropy import CrossEntropy

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

POINTWISE = {"features": 5, "coordinates": 2, "momenta": 4}


def forest(kind):
    table = torch.randn(300, 4)
    batch = Batch({"table": table}, {"label": (table[:, 0] > 0).long()})
    model = kind(4, 2, trees=5)
    model.fit([batch], [], CrossEntropy(TargetShape("label", ("a", "b"))), seed=1, threads=1)
    return model


MODELS = {
    "dense": lambda: DenseNetwork(4, 2, widths=(8,)),
    "cnn": lambda: ImageCNN((1, 8, 8), 2, filters=((3,),), widths=(4,)),
    "pfn": lambda: ParticleFlowNetwork(5, 2, phi=(8,), f=(8,)),
    "efn": lambda: EnergyFlowNetwork(4, 2, 2, phi=(8,), f=(8,)),
    "boosted": lambda: forest(BoostedTrees),
    "histogram": lambda: forest(HistogramTrees),
    "forest": lambda: forest(RandomForest),
}


def inputs(model, lengths):
    lengths = torch.tensor(lengths)
    given = {"lengths": lengths, "table": torch.randn(len(lengths), 4)}
    given["image"] = torch.rand(len(lengths), 1, 8, 8)
    given |= {name: torch.randn(int(lengths.sum()), n) for name, n in POINTWISE.items()}
    return {name: given[name] for name in needs(model)}


@pytest.mark.parametrize("name", MODELS)
def test_onnx_gives_the_same_numbers(name, tmp_path):
    torch.manual_seed(1)
    check_onnx(MODELS[name]().eval(), inputs, tmp_path / "model.onnx", tolerance=1e-5)
