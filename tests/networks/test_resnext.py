"""ResNeXt-50 on images: its size, its shapes, and images apart (arXiv:1611.05431)."""

import pytest
import torch

from bunchtrain.errors import StudyError
from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.resnext import ResNeXt

SMALL = {"units": (1, 2), "groups": 4, "shrink": 16}


@pytest.mark.parametrize("image", [(1, 64, 64), (3, 37, 21), (1, 5, 5)])
def test_one_output_row_an_image(image):
    assert ResNeXt(image, 3, **SMALL)(torch.rand(2, *image)).shape == (2, 3)


def test_an_image_does_not_see_the_others():
    torch.manual_seed(1)
    made, images = ResNeXt((1, 32, 32), 2, **SMALL), torch.rand(4, 1, 32, 32)
    with torch.no_grad():
        made.train()(images)
        alone = torch.cat([made.eval()(image[None]) for image in images])
        torch.testing.assert_close(made(images), alone)


def test_an_empty_image_has_an_output_and_gradients_flow():
    made = ResNeXt((1, 32, 32), 2, **SMALL)
    image = torch.zeros(2, 1, 32, 32)
    image[1, 0, 3, 4] = 1
    output = made(image)
    output.sum().backward()
    assert output.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_groups_that_do_not_divide_the_channels_raise():
    with pytest.raises(StudyError, match="32 groups do not divide the 16 channels of"):
        ResNeXt((1, 64, 64), 2, shrink=8, groups=32)
    with pytest.raises(StudyError, match="the 0 channels"):
        ResNeXt((1, 64, 64), 2, shrink=512, groups=1)
    with pytest.raises(StudyError, match="0 groups"):
        ResNeXt((1, 64, 64), 2, groups=0)


def test_the_sizes_of_the_papers():
    """25.0 million parameters with three colours and 1000 classes; 1.46 million for jets."""
    assert input_names(ResNeXt) == ("image",)
    with torch.device("meta"):
        whole = ResNeXt((3, 224, 224), 1000, shrink=1)
        narrow = ResNeXt((1, 64, 64), 2)
    assert sum(p.numel() for p in whole.parameters()) == 25_028_904
    assert abs(sum(p.numel() for p in narrow.parameters()) / 1.46e6 - 1) < 0.03
