import pytest
import torch

from bunchtrain.errors import StudyError
from bunchtrain.networks.image_cnn import ImageCNN

SMALL = {"filters": ((4, 3), (5,)), "widths": (6,)}


def test_defaults_are_the_paper_s():
    """128C4-64C4-MP2-64C4-64C4-MP2-64N-256N-256N, arXiv:1803.00107."""
    model = ImageCNN((1, 40, 40), 2)
    filters = [m for m in model.convolutions if isinstance(m, torch.nn.Conv2d)]
    assert [(m.out_channels, *m.kernel_size) for m in filters] == [(128, 4, 4)] + [(64, 4, 4)] * 3
    dense = [m for m in model.dense if isinstance(m, torch.nn.Linear)]
    assert [m.in_features for m in dense] == [6400, 64, 256, 256]


@pytest.mark.parametrize("image", [(1, 40, 40), (3, 37, 21)])
def test_one_output_row_an_image(image):
    model = ImageCNN(image, 3, **SMALL)
    assert model(torch.rand(5, *image)).shape == (5, 3)


def test_convolutions_keep_size_and_move_with_the_image():
    """Shifting the image by the pooled pixel shifts what the convolutions see."""
    model = ImageCNN((1, 32, 32), 2, **SMALL)
    seen = torch.nn.Sequential(*list(model.convolutions)[:-1])
    for layer in seen:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.zeros_(layer.bias)
    image = torch.zeros(1, 1, 32, 32)
    image[..., 12:16, 12:16] = torch.rand(4, 4)
    there = seen(image.roll((4, 8), (2, 3)))
    torch.testing.assert_close(there, seen(image).roll((1, 2), (2, 3)))


def test_an_empty_image_has_an_output_and_gradients_flow():
    model = ImageCNN((1, 16, 16), 2, **SMALL)
    image = torch.zeros(2, 1, 16, 16)
    image[1, 0, 3, 4] = 1
    output = model(image)
    assert output.isfinite().all()
    output.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_an_image_that_is_too_small_raises():
    with pytest.raises(StudyError, match="halves the image 2 times, and it has 3 × 40 pixels"):
        ImageCNN((1, 3, 40), 2)
