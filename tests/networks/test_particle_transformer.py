"""Particle Transformer: pair features by value, jets apart, in any order, short ones too."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks import particle_transformer
from bunchtrain.networks.layers import attention, pair_layers
from bunchtrain.networks.layers.attention import (
    ClassBlock,
    Gather,
    PaddedBlock,
    ParticleBlock,
    Scatter,
    run_blocks,
)
from bunchtrain.networks.layers.cpu_kernels import Masks
from bunchtrain.networks.layers.four_momenta import pair_features, polar
from bunchtrain.networks.particle_transformer import ParticleTransformer

SMALL = {"embed": (16, 24, 16), "pair_embed": (8, 8), "heads": 2, "blocks": 2, "class_blocks": 1}


def jets(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = sum(lengths)
    features = torch.randn(points, 5, generator=generator, dtype=torch.float64)
    momentum = torch.randn(points, 3, generator=generator, dtype=torch.float64)
    momentum = 20 * momentum + torch.tensor([100.0, 0.0, 40.0], dtype=torch.float64)
    energy = (momentum.square().sum(1) + 0.14**2).sqrt()
    return features, torch.cat([energy[:, None], momentum], 1), torch.tensor(lengths)


def network(**options: object) -> ParticleTransformer:
    """Return a network whose running moments are not those it began with."""
    torch.manual_seed(3)
    made = ParticleTransformer(5, 4, 3, **{**SMALL, **options}).double().train()
    with torch.no_grad():
        for seed in range(3):
            made(*jets([9, 12, 7], seed))
    return made.eval()


def mixed(block: nn.Module, seen: Tensor) -> Tensor:
    if block.as_weaver:
        return (block.out(seen.flatten(1)).view_as(seen) * block.head_scale).flatten(1)
    return block.out((seen * block.head_scale).flatten(1))


def scale_of(block: nn.Module) -> Tensor | float:
    return 1.0 if block.residual is None else block.residual


def padded_reference(made: ParticleTransformer, features: Tensor, momenta: Tensor) -> Tensor:
    """Return the outputs for one jet, attention written out pair by pair and head by head."""
    points = made.embed(made.input_norm(features))
    count, particles = len(points), polar(momenta)
    pairs = pair_features(particles[:, None], particles[None]).flatten(0, 1)
    bias = made.pair_embed(made.pair_norm(pairs)).view(count, count, made.heads)
    for block in made.blocks:
        projected = block.project(block.before(points)).view(count, 3, made.heads, -1)
        query, key, value = projected.unbind(1)
        score = torch.einsum("ihc,jhc->ijh", query, key) / math.sqrt(query.shape[2]) + bias
        seen = torch.einsum("ijh,jhc->ihc", score.softmax(1), value)
        points = points + block.after(mixed(block, seen))
        points = points * scale_of(block) + block.forward_part(points)
    token = made.token[None]
    for block in made.class_blocks:
        looked_at = block.before(torch.cat([token, points]))
        query = block.query(token if block.as_weaver else looked_at[:1]).view(made.heads, -1)
        key, value = block.key_value(looked_at).view(count + 1, 2, made.heads, -1).unbind(1)
        score = torch.einsum("hc,jhc->jh", query, key) / math.sqrt(query.shape[1])
        seen = torch.einsum("jh,jhc->hc", score.softmax(0), value)
        token = token + block.after(mixed(block, seen[None]))
        token = token * scale_of(block) + block.forward_part(token)
    return made.head(token)


@pytest.mark.parametrize("as_weaver", [False, True])
def test_outputs_are_those_of_attention_written_out(as_weaver: bool) -> None:
    lengths = [9, 2, 14, 1, 10]
    made, (features, momenta, numbers) = network(as_weaver=as_weaver), jets(lengths)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith(("residual", "head_scale")):
                parameter.uniform_(0.5, 1.5)
    split = zip(features.split(lengths), momenta.split(lengths), strict=True)
    with torch.no_grad():
        expected = torch.cat([padded_reference(made, f, p) for f, p in split])
        torch.testing.assert_close(made(features, momenta, numbers), expected)


def test_a_jet_does_not_see_the_others() -> None:
    lengths = [9, 0, 3, 40, 1, 12]
    made, (features, momenta, numbers) = network(), jets(lengths)
    with torch.no_grad():
        together = made(features, momenta, numbers)
        split = zip(features.split(lengths), momenta.split(lengths), lengths, strict=True)
        alone = torch.cat([made(f, p, torch.tensor([n])) for f, p, n in split])
    torch.testing.assert_close(together, alone)


def test_how_jets_are_put_together_does_not_matter_in_training() -> None:
    inputs, made = jets([9, 3, 12, 11]), network(dropout=0.0).train()
    found = []
    for spread in (1.0, 4.0):
        made.spread = spread
        made.zero_grad()
        made(*inputs).square().sum().backward()
        found.append([p.grad.clone() for p in made.parameters()])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)


def test_the_order_of_particles_does_not_matter() -> None:
    made, (features, momenta, lengths) = network(), jets([9, 3, 12])
    shuffled = torch.cat([torch.randperm(9), 9 + torch.randperm(3), 12 + torch.randperm(12)])
    with torch.no_grad():
        first = made(features, momenta, lengths)
        torch.testing.assert_close(made(features[shuffled], momenta[shuffled], lengths), first)


@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
def test_short_jets_train(lengths: list[int]) -> None:
    made = network().train()
    output = made(*jets(lengths))
    output.sum().backward()
    assert output.isfinite().all()
    assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)


def test_pair_features_by_value() -> None:
    """Two massless particles of 30 and 10 GeV at Δη = 0.3, Δφ = 0.4 across φ = π."""

    def massless(pt: float, eta: float, phi: float) -> list[float]:
        px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
        return [pt * math.cosh(eta), px, py, pz]

    pair = torch.tensor(
        [massless(30, 1.0, math.pi - 0.1), massless(10, 1.3, 0.3 - math.pi)], dtype=torch.float64
    )
    mass2 = 2 * 30 * 10 * (math.cosh(0.3) - math.cos(0.4))
    expected = torch.tensor([10 * 0.5, 10 / 40, 0.5, mass2], dtype=torch.float64).log()
    one, other = polar(pair)
    torch.testing.assert_close(pair_features(one, other), expected)


def test_the_mass_of_a_pair_does_not_cancel_in_single_precision() -> None:
    _, momenta, _ = jets([40])
    total = momenta[:20] + momenta[20:]
    exact = (total[:, 0].square() - total[:, 1:].square().sum(1)).log()
    single = pair_features(polar(momenta[:20]).float(), polar(momenta[20:]).float())
    torch.testing.assert_close(single[:, 3].double(), exact, atol=1e-5, rtol=0)


def test_tables_and_class_attention_have_their_gradients() -> None:
    rows, slot = torch.randn(3, 2, dtype=torch.float64, requires_grad=True), torch.tensor([4, 0, 2])
    assert torch.autograd.gradcheck(lambda r: Scatter.apply(r, slot, 5), rows)
    table = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: Gather.apply(t, slot), table)
    block, lengths = ClassBlock(4, 2).double(), torch.tensor([2, 0, 1])
    token = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    points = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t, p: block(t, p, lengths), (token, points))


def test_layers_in_chunks_train_as_plain_operations_do(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, found = jets([9, 3, 12, 1, 11]), []
    monkeypatch.setattr(pair_layers, "CHUNK", 8 * 20)  # several chunks
    for plain in (False, True):
        if plain:
            for module in (attention, particle_transformer):
                monkeypatch.setattr(module, "runs_in_chunks", lambda *_: False)
        made = network(dropout=0.0, as_weaver=True).train()
        output = made(*inputs)
        output.square().sum().backward()
        found.append([output, *made.buffers(), *(p.grad for p in made.parameters())])
    assert len(found[0]) > 20
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)


def test_particle_blocks_with_dropout_have_their_gradients() -> None:
    torch.manual_seed(1)
    blocks = nn.ModuleList(ParticleBlock(4, 2, 0.3) for _ in range(2)).double()
    points = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, 2, 3, 3, dtype=torch.float64)
    bias[1, :, :, 2] = -torch.inf

    def call(points: Tensor, bias: Tensor) -> Tensor:
        torch.manual_seed(2)
        return run_blocks(blocks, points, [PaddedBlock(torch.arange(5), bias)])

    assert torch.autograd.gradcheck(lambda p: call(p, bias), points)
    call(points, bias.requires_grad_()).sum().backward()
    step = torch.zeros_like(bias)
    step[0, 1, 2, 0] = 1e-6
    with torch.no_grad():
        change = (call(points, bias + step) - call(points, bias - step)).sum() / 2e-6
    torch.testing.assert_close(bias.grad[0, 1, 2, 0], change, rtol=1e-5, atol=1e-7)
    assert all(p.grad.isfinite().all() for p in blocks.parameters())


def test_dropout_masks_keep_their_fraction() -> None:
    masks = Masks(0.1)
    drawn = masks.draw(torch.empty(1001, 1000))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert abs(float(drawn.mean()) - 0.9) < 5 * 0.3 / 1000
    assert masks.factor * 0.9 == pytest.approx(1, abs=1e-4)
    assert not torch.equal(drawn, masks.draw(drawn))


def test_a_hook_on_a_layer_is_called() -> None:
    made, called = network().train(), []
    made.blocks[1].out.register_forward_hook(lambda *_: called.append(1))
    made(*jets([9, 3]))
    assert called


def test_the_exported_path_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made, inputs = network(), jets([9, 3, 1, 12, 0])
    with torch.no_grad():
        quick = made(*inputs)
        monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
        torch.testing.assert_close(made(*inputs), quick)


def test_torch_export_takes_any_number_of_jets_and_particles() -> None:
    points, batch = torch.export.Dim("points", min=2), torch.export.Dim("batch", min=2)
    shapes, made = ({0: points}, {0: points}, {0: batch}), network()
    program = torch.export.export(made, jets([9, 3, 6]), dynamic_shapes=shapes)
    other = jets([4, 30, 1, 8, 2], seed=5)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(*other), made(*other))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(StudyError, match="5 heads"):
        ParticleTransformer(5, 4, 2, heads=5)
